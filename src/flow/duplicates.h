// Which messages came lately, so that the same one again is answered again and has one effect.
//
//   window.find(digest)   the first of the same bytes from the same sender
//   window.id_seen(key)   another message of the same sender and control id
//
// Bounded in time and number: the oldest leave first. 72 bytes a message. Holds digests only,
// under a key that is new in each process, so nothing about a message can be read out of it. Derived: filled from the
// journal at start. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "flow/duplicates_hash.h"

namespace minato {

// Of one message: its sender's identity and all its bytes, which hold MSH-3, MSH-4 and MSH-10 too.
struct MessageDigest {
  Hash128 whole;
  std::uint64_t id = 0;  // of the identity, MSH-3, MSH-4 and MSH-10 alone
  // What makes two messages the same one.
  bool operator==(const MessageDigest& other) const { return whole == other.whole; }
};
// What names a message. Views; raw bytes.
struct MessageName {
  std::string_view identity;
  std::string_view application;  // MSH-3
  std::string_view facility;     // MSH-4
  std::string_view control_id;   // MSH-10
};

class DuplicateWindow {
 public:
  struct Options {
    Duration age_max{};
    std::size_t messages_max = 0;
    SipKey key;  // random, secret
  };
  struct Known {
    Seq seq;
    Time time;
  };
  explicit DuplicateWindow(const Options& options);

  MessageDigest digest(const MessageName& name, std::string_view bytes) const;

  // Only what is not older than the window, measured at `now`.
  std::optional<Known> find(const MessageDigest& digest, Time now) const;
  // Whether any message of this sender and control id is in the window.
  bool id_seen(const MessageDigest& digest, Time now) const;
  // Remembers it and forgets what is too old or too much. No effect if the digest is in the window already.
  void insert(const MessageDigest& digest, Known known);

  std::size_t size() const { return next_ - first_; }

 private:
  // Entries have running numbers and stand in a ring. Two tables of buckets lead to the newest entry of each, and every
  // entry to the next older one in its bucket, so nothing is ever unlinked: a number below first_ ends a chain.
  struct Entry {
    MessageDigest digest;
    Known known;
    std::uint64_t older_whole = 0;
    std::uint64_t older_id = 0;
  };
  static constexpr std::size_t kPlacesMin = 1024;

  Entry& at(std::uint64_t number) { return ring_[number & mask_]; }
  const Entry& at(std::uint64_t number) const { return ring_[number & mask_]; }
  bool fresh(const Entry& entry, Time now) const { return now - entry.known.time <= options_.age_max; }
  void link(std::uint64_t number);
  void grow();

  Options options_;
  std::vector<Entry> ring_;
  std::vector<std::uint64_t> newest_whole_;
  std::vector<std::uint64_t> newest_id_;
  std::uint64_t mask_ = 0;
  std::uint64_t first_ = 1;  // the oldest that is kept
  std::uint64_t next_ = 1;
};

}  // namespace minato

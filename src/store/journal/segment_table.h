// Which segments there are, what of them is durable, and reading it. Shared by the committing thread, which makes the
// last segment grow, the maintenance, which swaps raw segments for sealed ones and removes purged ones, and any number
// of readers.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "os/files.h"
#include "store/journal/journal.h"
#include "store/journal/sealed_segment.h"
#include "store/journal/segment_files.h"

namespace minato {

struct Segment {
  std::string name;
  Seq first;
  std::uint64_t file_bytes = 0;
  // Raw ones. The active one's grow under the table's mutex, and those who hold no lock work on copies.
  std::shared_ptr<File> raw_file;
  std::vector<std::uint32_t> offsets;
  std::uint64_t end = 0;  // of what is durable
  // Sealed ones.
  Seq sealed_last;

  bool raw() const { return raw_file != nullptr; }
  Seq last() const { return raw() ? Seq{first.value + offsets.size() - 1} : sealed_last; }
};

class SegmentTable {
 public:
  SegmentTable(Files& files, std::string directory) : files_(files), directory_(std::move(directory)) {}

  // Setting up and maintenance. The segment with the highest first sequence is the active one.
  void add(std::shared_ptr<Segment> segment);
  // The group is durable: makes it visible to readers and wakes those who wait.
  void grow(std::span<const std::uint32_t> offsets, std::uint64_t end, std::uint64_t file_bytes);
  void replace(std::shared_ptr<Segment> sealed);
  void remove(Seq first);
  void set_file_bytes(Seq first, std::uint64_t file_bytes);

  std::shared_ptr<Segment> oldest_raw() const;  // that is not the active one; nullptr when there is none
  // Copies, in order.
  std::vector<Segment> snapshot() const;

  Result<std::vector<Entry>> read(Seq from, ReadLimits limits);
  Seq wait_past(Seq seen, Deadline deadline);
  void stop_waiting();  // wait_past returns at once from now on

  Seq first() const;
  Seq last() const;
  std::uint64_t disk_bytes() const;

 private:
  struct OpenSealed {
    std::unique_ptr<File> file;
    SealedIndex index;
  };
  struct Block {
    std::string raw;
    Seq first;
    std::vector<std::uint32_t> offsets;
  };
  struct RawPlan {  // one contiguous read
    std::shared_ptr<File> file;
    std::string name;
    std::vector<std::uint32_t> offsets;
    std::uint64_t end = 0;
  };
  using BlockKey = std::pair<std::uint64_t, std::size_t>;  // the segment's first sequence, the block's number

  std::shared_ptr<Segment> find(Seq seq) const;  // mutex_ held
  Seq first_locked() const;
  Seq last_locked() const;
  static RawPlan plan(const Segment& segment, Seq from, ReadLimits left);
  static Status read_raw(const RawPlan& plan, Seq from, std::vector<Entry>& out);
  Status read_sealed(const Segment& segment, Seq from, ReadLimits left, std::vector<Entry>& out);
  Result<std::shared_ptr<const OpenSealed>> open_sealed(const Segment& segment);
  Result<std::shared_ptr<const Block>> block(const Segment& segment, const OpenSealed& open, std::size_t number);
  void forget(Seq first);

  Files& files_;
  const std::string directory_;

  mutable std::mutex mutex_;
  std::condition_variable grown_;
  bool stop_waiting_ = false;
  std::map<std::uint64_t, std::shared_ptr<Segment>> segments_;

  std::mutex cache_mutex_;
  std::list<std::pair<std::uint64_t, std::shared_ptr<const OpenSealed>>> open_;  // most recent in front
  std::list<std::pair<BlockKey, std::shared_ptr<const Block>>> blocks_;
  std::size_t cached_bytes_ = 0;
};

}  // namespace minato

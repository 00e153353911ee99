// What is stored, searchable: one row for each received message.
//
//   MessageIndex index(derived->writer());           // follower: inside begin/commit
//   MN_CHECK(index.add(row));
//
//   MessageSearch search(reader.database());         // any other thread
//   MN_TRY(page, search.search({.patient_id = "12345", .statuses = {MessageStatus::kParked}}, {}, 50));
//   …page.rows, newest first; page.next goes into the next call…
//
// Every search is answered from posting lists (sets of sequences, one for each control id, patient id …, and one for
// each pair of feed and status) that are intersected from the newest down, so that a page costs the same whatever the
// volume: docs/formats/index.md. Order is the journal's: newest sequence first. Text is compared exactly.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;

enum class MessageStatus : std::uint8_t {
  kQueued,     // work on it is still to be done
  kDone,       // all that it caused has ended
  kParked,     // something that it caused is a dead letter
  kRefused,    // answered negatively; kept as it came
  kDuplicate,  // the same message came before; `duplicate_of`
  kEdited,     // a dead letter that was resubmitted edited; the new message names it in `edited_from`
  kDiscarded,  // an operator gave its dead letters up
};
inline constexpr std::size_t kMessageStatusCount = 7;
std::string_view name(MessageStatus status);  // "queued" …
std::optional<MessageStatus> message_status_named(std::string_view name);

// Work items of a message, in numbers. As a change, the members may be negative.
struct ItemCounts {
  std::int32_t open = 0;  // waiting or leased
  std::int32_t parked = 0;
  std::int32_t done = 0;
  std::int32_t discarded = 0;
  friend bool operator==(const ItemCounts&, const ItemCounts&) = default;
};

struct IndexedMessage {
  Seq seq = {};
  Time received = {};
  std::string listener = {};
  std::string peer = {};  // address without port
  std::string sender_application = {}, sender_facility = {};
  std::string message_type = {}, trigger = {};  // ADT, A01
  std::string control_id = {};
  std::vector<std::string> patient_ids = {};    // identifiers as written, without their authority; several for merges
  std::vector<std::string> encounter_ids = {};  // visit numbers
  std::vector<std::string> order_ids = {};      // accession, placer and filler numbers
  std::uint64_t bytes = 0;
  std::string ack = {};                    // AA, AE, AR, CA …; empty: none was sent
  std::vector<std::string> warnings = {};  // short codes without blanks
  MessageStatus status = MessageStatus::kQueued;
  ItemCounts items = {};
  std::optional<Seq> edited_from = {}, duplicate_of = {};
};

struct MessageFilter {
  std::optional<std::string> control_id = {}, patient_id = {}, encounter_id = {}, order_id = {};
  std::optional<std::string> message_type = {}, trigger = {}, sender_application = {}, sender_facility = {},
                             listener = {};
  std::vector<MessageStatus> statuses = {};  // any of them; empty: all
  std::optional<Time> from = {}, to = {};    // received in [from, to)
};

struct MessagePage {
  std::vector<IndexedMessage> rows = {};
  // There may be more: ask again with this. A page may be shorter than its limit and still have a next one (the search
  // stopped at kIndexSearchStepsMax so as to answer in time).
  std::optional<Seq> next = {};
};

// The writing side. One thread, inside a batch of DerivedDatabase; enlist it there.
class MessageIndex : public BatchParticipant {
 public:
  static ProjectionSchema schema();
  explicit MessageIndex(Sqlite& writer);
  ~MessageIndex() override;

  // Adds the row; one that is there already stays as it is (replay). `items` and `status` are taken as given. Sequences
  // may come with gaps but only ascending.
  Status add(const IndexedMessage& message);
  // Adds `change` to the row's counts and derives its status: parked while anything is parked, else queued while
  // anything is open, else discarded if anything was, else done. Refused, duplicate and edited rows keep their status.
  // No such row: nothing.
  Status change_items(Seq seq, const ItemCounts& change);
  // The row becomes kEdited for good.
  Status mark_edited(Seq seq);
  // Removes rows up to and including `through`, at most `rows_max` of them in this batch; true when all are gone.
  Result<bool> purge(Seq through, std::size_t rows_max);

  Status flush() override;
  void forget() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// How many messages there are, by feed and status.
struct MessageCount {
  std::string listener = {}, sender_application = {}, sender_facility = {}, message_type = {}, trigger = {};
  MessageStatus status = MessageStatus::kQueued;
  std::uint64_t messages = 0;
};

// The reading side, over one reading connection: as many as wished, each used by one thread at a time.
class MessageSearch {
 public:
  explicit MessageSearch(Sqlite& reader) : db_(reader) {}

  // The newest `limit` (at most kIndexPageMax) messages that match and are older than `before`.
  Result<MessagePage> search(const MessageFilter& filter, std::optional<Seq> before, std::size_t limit);
  // kNotFound: none with this sequence.
  Result<IndexedMessage> get(Seq seq);
  // How many match, exactly when the filter names feeds and statuses only, else counted up to `at_most`.
  Result<std::uint64_t> count(const MessageFilter& filter, std::uint64_t at_most);
  // Read from counters: costs the same whatever the volume.
  Result<std::vector<MessageCount>> counts();

 private:
  Sqlite& db_;
};

}  // namespace minato

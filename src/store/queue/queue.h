// Work that is still to be done, in lanes. A projection of the journal: only the follower changes it, in journal order,
// with its position in the same transaction; workers only lease. So it can be deleted and rebuilt, and it is never
// fsynced for safety.
//
//   follower:  queue.apply(changes, from, to)
//   worker:    lease → do the step → journal.append(outcome, {lease.fence()}) → the follower applies it, which ends the
//   lease
//
// Lanes are ordered: an item runs only when every earlier item of all its lanes has ended or was parked. A barrier (a
// merge) stands in two lanes. A parked item lets its lanes go on and later items carry `after_parked`; a parked barrier
// holds its lanes until it is redriven or discarded. Several processes may share one queue (PostgreSQL): a lane is
// leased with an epoch that grows at each lease, and the journal refuses an outcome whose epoch is no longer the
// lane's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "store/journal/record.h"

namespace minato {

// An item's identity: the record that created it and its number among those that this record created. Total order =
// lane order.
struct ItemId {
  Seq created_by;
  std::uint32_t ordinal = 0;
  friend auto operator<=>(const ItemId&, const ItemId&) = default;
};
std::string to_string(ItemId id);  // "1234.0"
std::optional<ItemId> parse_item_id(std::string_view text);

struct NewItem {
  ItemId id;
  Seq origin;                      // the message that all this is about
  std::string step;                // "process", "mail", "forward:lab", "webhook:portal", "file:archive"
  std::vector<std::string> lanes;  // one, or two for a barrier
  std::string args;                // JSON object, the step's own
  std::optional<Time> not_before;  // digest windows and quiet hours
};

// What the follower applies. Changes about an unknown or already ended item change nothing, and neither do those that
// do not fit its state (Fail and Park of a parked item, Redrive and Discard of one that is not): a stale worker's word.
struct Enqueue {
  NewItem item;
  Time at{};  // of the record; what the item's age counts from. Left out: the instant of apply
};
// Ends the item, parked or not. Its children are enqueued only if it was still there, so that two outcomes of one item
// (its lease ran out while it was worked on) make one set of children.
struct Finish {
  ItemId id;
  Time at{};
  std::vector<NewItem> children{};
};
// The item keeps its place and holds its lanes until `not_before`; its failures grow.
struct Fail {
  ItemId id;
  std::string error;  // never a value out of a message
  Time at;
  Time not_before;
};
struct Park {
  ItemId id;
  std::string reason;  // never a value out of a message
  Time at;
};
// Parked → waiting at its old place, before all that is later in its lanes. Paced: the n-th of `ids` is held until
// at + n / per_second; 0: all at once. Receives and failures start anew; the errors are kept, with the reason of
// parking.
struct Redrive {
  std::vector<ItemId> ids;
  Time at;
  std::uint32_t per_second = 0;
};
// Parked → gone.
struct Discard {
  std::vector<ItemId> ids;
  Time at;
};
using QueueChange = std::variant<Enqueue, Finish, Fail, Park, Redrive, Discard>;

// A failure. Of an item that failed more than kQueueAttemptsKept times, the first and the newest are kept.
struct Attempt {
  Time at;
  std::string error;
  std::uint32_t times = 1;  // how many failures this one stands for: itself, and later ones whose errors are not kept
};

struct Leased {
  NewItem item;
  std::uint32_t receives =
      0;  // times leased since enqueued or redriven, this one included; > 1 means an earlier holder died or failed
  std::uint32_t failures = 0;  // Fail changes since then
  bool after_parked = false;   // an earlier item of one of its lanes is parked
  std::vector<Fence> fences;   // one a lane, for Journal::append
};

// Leased: a worker has it, or had it and has neither finished nor given it back; a lease that ran out counts until
// somebody else takes the lane.
enum class ItemState : std::uint8_t { kWaiting, kLeased, kParked };

struct ItemView {
  NewItem item;
  ItemState state = ItemState::kWaiting;
  std::uint32_t receives = 0;
  std::vector<Attempt> attempts;  // every failure, oldest first
  std::string parked_reason;
  std::optional<Time> parked_at;
  bool after_parked = false;
};

struct ItemFilter {
  std::optional<ItemState> state{};
  std::optional<std::string> step{};  // exact, or a prefix that ends in ':'
  std::optional<std::string> lane{};
  std::optional<Seq> origin{};
  std::optional<Time> parked_from{}, parked_to{};  // [from, to)
  std::vector<ItemId> ids{};                       // when not empty, only these
};

// Each item is counted once. `lanes`: those that have an item, be it parked.
struct QueueStats {
  std::uint64_t waiting = 0, leased = 0, parked = 0, lanes = 0;
  std::optional<Time> oldest_waiting;  // `at` of the oldest item that is not parked
};

struct LeaseRequest {
  std::vector<std::string> steps;
  std::size_t lanes_max = 64;
  Duration duration = std::chrono::seconds(30);
};

// Any thread may call any method. Errors of all: kRetry (a lock or deadlock: call again), kUnavailable (disk,
// connection), kCorrupt (the database is damaged: delete it, it is rebuilt from the journal).
class Queue {
 public:
  virtual ~Queue() = default;

  // The last record that was applied; 0 in a new database.
  virtual Result<Seq> position() = 0;
  // One transaction: the changes of the records (from, to] and the position `to`. kConflict: the position is not `from`
  // any more (another node was faster, or a commit whose answer was lost took place): read the position again and go on
  // from there. kRefused: an item without lanes or with more than two; kTooLarge: over a kQueue… limit. Lane names
  // longer than kQueueLaneBytesMax are shortened, the same way everywhere.
  virtual Status apply(std::span<const QueueChange> changes, Seq from, Seq to) = 0;

  // Leases up to `lanes_max` lanes that have a runnable head whose step is in `steps` (all steps when empty; an entry
  // that ends in ':' is a prefix), longest waiting first, for `duration`; one item for each. Counts the receive.
  // Workers of slow destinations lease only their own step, so that a dead receiver never holds up the others. `worker`
  // is a name that no other thread or process uses at the same time. A lease that ran out is free for anybody.
  virtual Result<std::vector<Leased>> lease(std::string_view worker, Time now, const LeaseRequest& request) = 0;
  // Keeps the leases that are still ours, also those that ran out and were not taken; returns of how many items.
  virtual Result<std::size_t> renew(std::string_view worker, Time now, Duration duration) = 0;
  // Gives the item back without an outcome (shutdown); its receive is not counted. Not ours (any more): nothing
  // happens.
  virtual Status release(ItemId id, std::string_view worker) = 0;
  // When the earliest item that is not yet runnable becomes so, by its time or the end of a lease; nullopt if none
  // waits for time.
  virtual Result<std::optional<Time>> next_runnable(Time now, const std::vector<std::string>& steps) = 0;

  // In order of ItemId, from after `after`.
  virtual Result<std::vector<ItemView>> items(const ItemFilter& filter, std::optional<ItemId> after,
                                              std::size_t limit) = 0;
  virtual Result<std::uint64_t> count(const ItemFilter& filter) = 0;
  virtual Result<QueueStats> stats() = 0;
};

}  // namespace minato

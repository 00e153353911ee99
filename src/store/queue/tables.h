// What the queue's logic asks of a database, so that it is written once and SQLite and PostgreSQL only fetch and store.
// The columns are specified in docs/formats/queue.md; a lane's row has two halves: its order (head, first parked),
// which only apply changes, one at a time, and its lease, which workers change at any time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/queue/queue.h"

namespace minato {

// created_by << 16 | ordinal: the order of items is the order of keys.
using ItemKey = std::int64_t;
using LaneKey = std::int64_t;
using StepKey = std::int64_t;
using StepKeys = std::map<std::string, StepKey, std::less<>>;

inline ItemKey key_of(ItemId id) { return static_cast<std::int64_t>(id.created_by.value << 16 | id.ordinal); }
// An id from outside may have none: then no item has it.
inline bool has_key(ItemId id) { return id.created_by.value < std::uint64_t{1} << 47 && id.ordinal < 1u << 16; }
inline ItemId id_of(ItemKey key) {
  return {Seq{static_cast<std::uint64_t>(key) >> 16}, static_cast<std::uint32_t>(key & 0xffff)};
}

enum class StoredState : std::uint8_t {
  kWaiting = 0,
  kParked = 1,         // lets its lane go on
  kParkedBarrier = 2,  // holds its lanes
};
inline bool parked(StoredState state) { return state != StoredState::kWaiting; }

struct QueueMeta {
  Seq position;
  std::int64_t waiting = 0, parked = 0, lanes = 0;  // how many there are
  LaneKey next_lane = 1;
};

struct ItemRow {
  ItemKey key = 0;
  StepKey step = 0;
  LaneKey lane = 0;
  std::optional<LaneKey> other_lane;  // of a barrier
  StoredState state = StoredState::kWaiting;
  Time since;
  std::optional<Time> not_before;
  std::uint32_t receives = 0;     // as it was read; workers count it up meanwhile
  bool forgets_receives = false;  // of updates: it starts anew
  std::uint32_t failures = 0;
  std::uint32_t attempts = 0;  // number of the newest row in attempts
  std::optional<Time> parked_at;
  std::string parked_reason;
};

// A row to be inserted: what never changes, and what may.
struct ItemInsert {
  ItemRow row;
  Seq origin;
  std::string_view args;
};

struct AttemptInsert {
  ItemKey item = 0;
  std::uint32_t number = 0;  // from 1
  Time at;
  std::string error;
};

struct ItemWrites {
  std::vector<ItemInsert> inserts;
  std::vector<ItemRow>
      updates;  // by key: state, not_before, receives if forgotten, failures, attempts, parked_at, parked_reason
  std::vector<ItemKey> deletes;
  std::vector<ItemKey> attempts_deletes;  // all attempts of these
  // In order of number for each item. When `number` is over kQueueAttemptsKept, the row number - kQueueAttemptsKept + 1
  // is folded into row 1, which counts it.
  std::vector<AttemptInsert> attempts;
};

inline constexpr std::int64_t kLaneHasBarriers = 1;  // once a barrier stood in it; until the lane is empty
inline constexpr std::int64_t kLaneIsPrimary = 2;    // its head is a barrier, and this is the lane it is leased by
inline constexpr std::int64_t kLaneIsHeld = 4;       // its head is a parked barrier

struct LaneOrder {
  LaneKey key = 0;
  StepKey step = 0;  // of the head
  std::int64_t flags = 0;
  std::optional<ItemKey> head;     // the earliest item that is waiting or is a parked barrier
  Time since;                      // of the head
  Time ready_from;                 // the head's not_before, or 1970
  std::optional<LaneKey> partner;  // the head is a barrier: its other lane
  std::optional<ItemKey> first_parked;
};

struct LaneLease {
  LaneKey lane = 0;
  std::optional<ItemKey> leased;
  Time until;  // 1970 without a lease
};

struct LaneWrite {
  LaneOrder order;
  std::string_view name;    // of inserts
  std::optional<Time> due;  // when it may be leased: nullopt not at all, 1970 at any time
  bool ends_lease = false;  // of updates
};

// The earliest items of a lane, found by looking.
struct LaneFront {
  LaneKey lane = 0;
  std::optional<ItemRow> head;
  std::optional<ItemKey> first_parked;
};
struct FrontQuery {
  LaneKey lane = 0;
  std::int64_t flags = 0;
};

// A lane that may be leased now, locked for the transaction, and what its row said.
struct LaneCandidate {
  LaneKey lane = 0;
  StepKey step = 0;
  ItemKey head = 0;
  Time since, due;
  std::optional<LaneKey> partner;
  std::optional<ItemKey> first_parked;
  std::string name;
  std::string owner;              // of the lease that is or was
  std::optional<ItemKey> leased;  // by it
  Time lease_until;
};

struct LeaseWrite {
  LaneKey lane = 0;
  ItemKey item = 0;
  std::optional<Time> due;
};

// One transaction on one connection; commit() ends it, the destruction of the object undoes it.
class QueueTables {
 public:
  virtual ~QueueTables() = default;
  virtual Status commit() = 0;

  // ---- for apply. Locks out every other apply until the end.
  virtual Result<QueueMeta> lock_meta() = 0;
  virtual Status write_meta(const QueueMeta& meta) = 0;
  // All steps, those of `names` made when they are not there. kTooLarge: more than kQueueStepsMax.
  virtual Result<StepKeys> steps_with(const std::vector<std::string_view>& names) = 0;
  // Those that are there, in any order.
  virtual Result<std::vector<ItemRow>> items(const std::vector<ItemKey>& keys) = 0;
  virtual Result<std::map<std::string, LaneOrder, std::less<>>> lanes_by_name(
      const std::vector<std::string_view>& names) = 0;
  virtual Result<std::vector<LaneOrder>> lanes(const std::vector<LaneKey>& keys) = 0;
  // Their leases, which stay as they are until the end.
  virtual Result<std::vector<LaneLease>> lock_leases(const std::vector<LaneKey>& lanes) = 0;
  virtual Status write_items(const ItemWrites& writes) = 0;
  virtual Result<std::vector<LaneFront>> fronts(const std::vector<FrontQuery>& lanes) = 0;
  virtual Status insert_lanes(const std::vector<LaneWrite>& lanes) = 0;
  virtual Status update_lanes(const std::vector<LaneWrite>& lanes) = 0;
  virtual Status delete_lanes(const std::vector<LaneKey>& lanes) = 0;

  // ---- for workers
  // At most `limit` of each step and each of the two kinds (due at any time; due at an instant that has come), the
  // longest waiting first. Lanes that another transaction has locked are passed over.
  virtual Result<std::vector<LaneCandidate>> candidates(const std::vector<StepKey>& steps, Time now,
                                                        std::size_t limit) = 0;
  // The second lanes of barriers that head both; those that are locked elsewhere are left out.
  virtual Result<std::vector<LaneCandidate>> lock_partners(const std::vector<LaneCandidate>& barriers) = 0;
  virtual Status set_due(LaneKey lane, Time due) = 0;
  // Writes the leases and answers their epochs, in the same order.
  virtual Result<std::vector<std::uint64_t>> write_leases(const std::vector<LeaseWrite>& leases,
                                                          std::string_view worker, Time until) = 0;
  // Ends what is left of leases that ran out, in all lanes of the item.
  virtual Status end_leases(std::string_view owner, ItemKey item) = 0;
  // Counts a receive of each and answers them, in any order, with all that a worker is given except lanes and fences.
  virtual Result<std::vector<Leased>> receive(const std::vector<ItemKey>& items) = 0;
  virtual Result<std::size_t> renew(std::string_view worker, Time until) = 0;
  // Undoes the receive of an item that the worker has, and makes its lanes free for their heads.
  virtual Status give_back(std::string_view worker, ItemKey item) = 0;
};

// A value for a placeholder of a statement that is put together at run time.
using SqlValue = std::variant<std::int64_t, std::string, std::vector<std::int64_t>>;

struct ItemRead {
  ItemView view;  // without attempts
  bool has_attempts = false;
};

// Reads on a connection of its own, which sees what is committed. The SQL is the same for both databases: placeholders
// are $1, $2 … in this order.
class QueueReader {
 public:
  virtual ~QueueReader() = default;
  // `sql` selects kItemColumns of reads.h.
  virtual Result<std::vector<ItemRead>> items(const std::string& sql, const std::vector<SqlValue>& values) = 0;
  // The integers of the first row; nullopt for NULL. Empty: no row.
  virtual Result<std::vector<std::optional<std::int64_t>>> integers(const std::string& sql,
                                                                    const std::vector<SqlValue>& values) = 0;
  virtual Result<std::map<ItemKey, std::vector<Attempt>>> attempts(const std::vector<ItemKey>& items) = 0;
  virtual Result<StepKeys> steps() = 0;
  // "IN (…)" or what the database has for it, for a list that is bound to the n-th placeholder.
  virtual std::string in_list(std::size_t placeholder) const = 0;
};

enum class QueueUse : std::uint8_t { kApply, kLease };

// A database that has the tables. Any thread may call it.
class QueueBackend {
 public:
  virtual ~QueueBackend() = default;
  // Holds the connection for the caller's thread until the object dies.
  virtual Result<std::unique_ptr<QueueTables>> begin(QueueUse use) = 0;
  // Calls `read` with the reader, which nobody else uses meanwhile.
  virtual Status with_reader(const std::function<Status(QueueReader&)>& read) = 0;
};

// The queue on a backend: the same rules for all.
std::unique_ptr<Queue> make_queue(std::unique_ptr<QueueBackend> backend);

}  // namespace minato

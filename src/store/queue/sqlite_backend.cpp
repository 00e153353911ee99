// The queue's tables in a SQLite file: one connection that writes, under a mutex, and one that reads.
#include <mutex>

#include "base/limits.h"
#include "store/queue/open.h"
#include "store/queue/reads.h"
#include "store/queue/tables.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

// A file of another version is deleted and rebuilt from the journal.
constexpr std::int64_t kSchemaVersion = 1;

constexpr const char* kSchema = R"sql(
CREATE TABLE queue_meta (
  position INTEGER NOT NULL, waiting INTEGER NOT NULL, parked INTEGER NOT NULL, lanes INTEGER NOT NULL,
  next_lane INTEGER NOT NULL, last_epoch INTEGER NOT NULL);
INSERT INTO queue_meta VALUES (0, 0, 0, 0, 1, 0);
CREATE TABLE queue_steps (step_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE queue_items (
  item_id INTEGER PRIMARY KEY, origin INTEGER NOT NULL, step_id INTEGER NOT NULL, lane_id INTEGER NOT NULL,
  other_lane_id INTEGER, state INTEGER NOT NULL, since INTEGER NOT NULL, not_before INTEGER, receives INTEGER NOT NULL,
  failures INTEGER NOT NULL, attempts INTEGER NOT NULL, parked_at INTEGER, parked_reason TEXT, args TEXT NOT NULL);
CREATE INDEX queue_items_lane ON queue_items (lane_id, state);
CREATE INDEX queue_items_other_lane ON queue_items (other_lane_id, state) WHERE other_lane_id IS NOT NULL;
CREATE INDEX queue_items_step ON queue_items (state, step_id);
CREATE INDEX queue_items_origin ON queue_items (origin);
CREATE TABLE queue_attempts (
  item_id INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, times INTEGER NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (item_id, number)) WITHOUT ROWID;
CREATE TABLE queue_lanes (
  lane_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, step_id INTEGER NOT NULL, flags INTEGER NOT NULL,
  head INTEGER, since INTEGER NOT NULL, ready_from INTEGER NOT NULL, partner INTEGER, first_parked INTEGER,
  due_at INTEGER, owner TEXT, epoch INTEGER, lease_until INTEGER NOT NULL, leased INTEGER);
CREATE INDEX queue_lanes_due ON queue_lanes (step_id, due_at, since) WHERE due_at IS NOT NULL;
CREATE INDEX queue_lanes_owner ON queue_lanes (owner, leased) WHERE owner IS NOT NULL;
)sql";

// The process that had them is gone: it was the only one. What each lane's due_at would be without its lease is known
// from its order; a barrier waits for both lanes' times, which its own head has.
constexpr const char* kEndAllLeases = R"sql(
UPDATE queue_lanes SET due_at = CASE WHEN due_at IS NULL THEN NULL ELSE ready_from END, owner = NULL, epoch = NULL,
  lease_until = 0, leased = NULL WHERE owner IS NOT NULL;
)sql";

std::optional<std::int64_t> nullable(const SqliteRows& rows, int column) {
  return rows.is_null(column) ? std::optional<std::int64_t>() : std::optional<std::int64_t>(rows.integer(column));
}

// Runs `query` to its end and calls `each` for every row.
template <typename Each>
Status each_row(Result<SqliteRows> query, Each each) {
  if (!query) return std::unexpected(query.error());
  while (true) {
    MN_TRY(found, query->step());
    if (!found) return {};
    each(*query);
  }
}

constexpr std::string_view kItemRow =
    "SELECT item_id, step_id, lane_id, other_lane_id, state, since, not_before, receives, failures, attempts, "
    "parked_at, parked_reason FROM queue_items ";

ItemRow item_row(const SqliteRows& rows) {
  ItemRow item;
  item.key = rows.integer(0);
  item.step = rows.integer(1);
  item.lane = rows.integer(2);
  item.other_lane = nullable(rows, 3);
  item.state = static_cast<StoredState>(rows.integer(4));
  item.since = rows.time(5);
  item.not_before = rows.optional_time(6);
  item.receives = static_cast<std::uint32_t>(rows.integer(7));
  item.failures = static_cast<std::uint32_t>(rows.integer(8));
  item.attempts = static_cast<std::uint32_t>(rows.integer(9));
  item.parked_at = rows.optional_time(10);
  item.parked_reason = rows.text(11);
  return item;
}

// lane_id first, so that a name may follow.
constexpr std::string_view kLaneOrderById =
    "SELECT lane_id, step_id, flags, head, since, ready_from, partner, first_parked FROM queue_lanes "
    "WHERE lane_id = $1";
constexpr std::string_view kLaneOrderByName =
    "SELECT lane_id, step_id, flags, head, since, ready_from, partner, first_parked FROM queue_lanes WHERE name = $1";

LaneOrder lane_order(const SqliteRows& rows) {
  return {.key = rows.integer(0),
          .step = rows.integer(1),
          .flags = rows.integer(2),
          .head = nullable(rows, 3),
          .since = rows.time(4),
          .ready_from = rows.time(5),
          .partner = nullable(rows, 6),
          .first_parked = nullable(rows, 7)};
}

constexpr std::string_view kCandidatesAnyTime =
    "SELECT lane_id, step_id, head, since, due_at, partner, first_parked, name, owner, leased, lease_until "
    "FROM queue_lanes WHERE step_id = $1 AND due_at = 0 ORDER BY since LIMIT $2";
constexpr std::string_view kCandidatesTimed =
    "SELECT lane_id, step_id, head, since, due_at, partner, first_parked, name, owner, leased, lease_until "
    "FROM queue_lanes WHERE step_id = $1 AND due_at > 0 AND due_at <= $2 ORDER BY due_at LIMIT $3";
constexpr std::string_view kCandidateById =
    "SELECT lane_id, step_id, head, since, due_at, partner, first_parked, name, owner, leased, lease_until "
    "FROM queue_lanes WHERE lane_id = $1";

LaneCandidate lane_candidate(const SqliteRows& rows) {
  return {.lane = rows.integer(0),
          .step = rows.integer(1),
          .head = rows.integer(2),
          .since = rows.time(3),
          .due = rows.time(4),
          .partner = nullable(rows, 5),
          .first_parked = nullable(rows, 6),
          .name = std::string(rows.text(7)),
          .owner = std::string(rows.text(8)),
          .leased = nullable(rows, 9),
          .lease_until = rows.time(10)};
}

// The file's connections and what they share.
struct Shared {
  std::string path;
  std::mutex writer_mutex;
  std::unique_ptr<Sqlite> writer;
  std::optional<StepKeys> steps;  // of the tables; unknown at first and after a rollback. Guarded by writer_mutex
  std::mutex reader_mutex;
  std::unique_ptr<Sqlite> reader;  // none in memory: then the writer reads
};

class SqliteTables : public QueueTables {
 public:
  SqliteTables(Shared& shared, std::unique_lock<std::mutex> lock, SqliteTransaction transaction)
      : shared_(shared), db_(*shared.writer), lock_(std::move(lock)), transaction_(std::move(transaction)) {}
  ~SqliteTables() override {
    if (!committed_) shared_.steps.reset();
  }

  Status commit() override {
    MN_CHECK(transaction_.commit());
    committed_ = true;
    return {};
  }

  Result<QueueMeta> lock_meta() override {
    MN_TRY(rows, db_.query("SELECT position, waiting, parked, lanes, next_lane FROM queue_meta"));
    MN_TRY(found, rows.step());
    if (!found) return fail(Errc::kCorrupt, "queue: no row in queue_meta");
    return QueueMeta{rows.seq(0), rows.integer(1), rows.integer(2), rows.integer(3), rows.integer(4)};
  }

  Status write_meta(const QueueMeta& meta) override {
    return db_.run("UPDATE queue_meta SET position = $1, waiting = $2, parked = $3, lanes = $4, next_lane = $5",
                   meta.position, meta.waiting, meta.parked, meta.lanes, meta.next_lane);
  }

  Result<StepKeys> steps_with(const std::vector<std::string_view>& names) override {
    if (!shared_.steps) {
      StepKeys steps;
      MN_CHECK(each_row(db_.query("SELECT name, step_id FROM queue_steps"),
                        [&](const SqliteRows& rows) { steps.emplace(rows.text(0), rows.integer(1)); }));
      shared_.steps = std::move(steps);
    }
    for (const auto name : names) {
      if (shared_.steps->contains(name)) continue;
      if (shared_.steps->size() >= kQueueStepsMax) return fail(Errc::kTooLarge, "queue: too many different steps");
      MN_CHECK(db_.run("INSERT INTO queue_steps (name) VALUES ($1)", name));
      shared_.steps->emplace(name, db_.last_insert_rowid());
    }
    return *shared_.steps;
  }

  Result<std::vector<ItemRow>> items(const std::vector<ItemKey>& keys) override {
    static const std::string sql = std::string(kItemRow) + "WHERE item_id = $1";
    std::vector<ItemRow> found;
    for (const ItemKey key : keys) {
      MN_CHECK(each_row(db_.query(sql, key), [&](const SqliteRows& rows) { found.push_back(item_row(rows)); }));
    }
    return found;
  }

  Result<std::map<std::string, LaneOrder, std::less<>>> lanes_by_name(
      const std::vector<std::string_view>& names) override {
    std::map<std::string, LaneOrder, std::less<>> found;
    for (const auto name : names) {
      MN_CHECK(each_row(db_.query(kLaneOrderByName, name),
                        [&](const SqliteRows& rows) { found.emplace(name, lane_order(rows)); }));
    }
    return found;
  }

  Result<std::vector<LaneOrder>> lanes(const std::vector<LaneKey>& keys) override {
    std::vector<LaneOrder> found;
    for (const LaneKey key : keys) {
      MN_CHECK(
          each_row(db_.query(kLaneOrderById, key), [&](const SqliteRows& rows) { found.push_back(lane_order(rows)); }));
    }
    return found;
  }

  Result<std::vector<LaneLease>> lock_leases(const std::vector<LaneKey>& lanes) override {
    std::vector<LaneLease> found;
    for (const LaneKey lane : lanes) {
      MN_CHECK(each_row(db_.query("SELECT leased, lease_until FROM queue_lanes WHERE lane_id = $1", lane),
                        [&](const SqliteRows& rows) { found.push_back({lane, nullable(rows, 0), rows.time(1)}); }));
    }
    return found;
  }

  Status write_items(const ItemWrites& writes) override {
    for (const ItemKey key : writes.attempts_deletes) {
      MN_CHECK(db_.run("DELETE FROM queue_attempts WHERE item_id = $1", key));
    }
    for (const ItemKey key : writes.deletes) MN_CHECK(db_.run("DELETE FROM queue_items WHERE item_id = $1", key));
    for (const auto& insert : writes.inserts) MN_CHECK(insert_item(insert));
    for (const auto& row : writes.updates) {
      MN_CHECK(db_.run(
          "UPDATE queue_items SET state = $1, not_before = $2, receives = CASE $3 WHEN 0 THEN receives ELSE 0 END, "
          "failures = $4, attempts = $5, "
          "parked_at = $6, parked_reason = $7 WHERE item_id = $8",
          row.state, row.not_before, row.forgets_receives, row.failures, row.attempts, row.parked_at, reason_of(row),
          row.key));
    }
    for (const auto& attempt : writes.attempts) MN_CHECK(insert_attempt(attempt));
    return {};
  }

  Result<std::vector<LaneFront>> fronts(const std::vector<FrontQuery>& lanes) override {
    std::vector<LaneFront> found;
    for (const auto& lane : lanes) {
      LaneFront front;
      front.lane = lane.lane;
      const bool barriers = (lane.flags & kLaneHasBarriers) != 0;
      MN_CHECK(look(front, "WHERE lane_id = $1 AND state = 0 ORDER BY item_id LIMIT 1"));
      MN_CHECK(look(front, "WHERE lane_id = $1 AND state = 1 ORDER BY item_id LIMIT 1"));
      if (barriers) {
        MN_CHECK(look(front, "WHERE lane_id = $1 AND state = 2 ORDER BY item_id LIMIT 1"));
        MN_CHECK(look(front, "WHERE other_lane_id = $1 AND state = 0 ORDER BY item_id LIMIT 1"));
        MN_CHECK(look(front, "WHERE other_lane_id = $1 AND state = 2 ORDER BY item_id LIMIT 1"));
      }
      found.push_back(std::move(front));
    }
    return found;
  }

  Status insert_lanes(const std::vector<LaneWrite>& lanes) override {
    for (const auto& [order, name, due, ends_lease] : lanes) {
      MN_CHECK(db_.run("INSERT INTO queue_lanes VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, NULL, 0, NULL)",
                       order.key, name, order.step, order.flags, order.head, order.since, order.ready_from,
                       order.partner, order.first_parked, due));
    }
    return {};
  }

  Status update_lanes(const std::vector<LaneWrite>& lanes) override {
    for (const auto& [order, name, due, ends_lease] : lanes) {
      if (ends_lease) {
        MN_CHECK(
            db_.run("UPDATE queue_lanes SET owner = NULL, epoch = NULL, lease_until = 0, leased = NULL, "
                    "step_id = $1, flags = $2, head = $3, since = $4, ready_from = $5, partner = $6, "
                    "first_parked = $7, due_at = $8 WHERE lane_id = $9",
                    order.step, order.flags, order.head, order.since, order.ready_from, order.partner,
                    order.first_parked, due, order.key));
      } else {
        MN_CHECK(
            db_.run("UPDATE queue_lanes SET step_id = $1, flags = $2, head = $3, since = $4, ready_from = $5, "
                    "partner = $6, first_parked = $7, due_at = $8 WHERE lane_id = $9",
                    order.step, order.flags, order.head, order.since, order.ready_from, order.partner,
                    order.first_parked, due, order.key));
      }
    }
    return {};
  }

  Status delete_lanes(const std::vector<LaneKey>& lanes) override {
    for (const LaneKey lane : lanes) MN_CHECK(db_.run("DELETE FROM queue_lanes WHERE lane_id = $1", lane));
    return {};
  }

  Result<std::vector<LaneCandidate>> candidates(const std::vector<StepKey>& steps, Time now,
                                                std::size_t limit) override {
    std::vector<LaneCandidate> found;
    const auto add = [&](const SqliteRows& rows) { found.push_back(lane_candidate(rows)); };
    for (const StepKey step : steps) {
      MN_CHECK(each_row(db_.query(kCandidatesAnyTime, step, limit), add));
      MN_CHECK(each_row(db_.query(kCandidatesTimed, step, now, limit), add));
    }
    return found;
  }

  Result<std::vector<LaneCandidate>> lock_partners(const std::vector<LaneCandidate>& barriers) override {
    std::vector<LaneCandidate> found;
    for (const auto& barrier : barriers) {
      MN_CHECK(each_row(db_.query(kCandidateById, *barrier.partner),
                        [&](const SqliteRows& rows) { found.push_back(lane_candidate(rows)); }));
    }
    return found;
  }

  Status set_due(LaneKey lane, Time due) override {
    return db_.run("UPDATE queue_lanes SET due_at = $1 WHERE lane_id = $2", due, lane);
  }

  Result<std::vector<std::uint64_t>> write_leases(const std::vector<LeaseWrite>& leases, std::string_view worker,
                                                  Time until) override {
    MN_TRY(last, db_.query_integer("SELECT last_epoch FROM queue_meta"));
    std::int64_t epoch = last.value_or(0);
    std::vector<std::uint64_t> epochs;
    for (const auto& lease : leases) {
      MN_CHECK(
          db_.run("UPDATE queue_lanes SET owner = $1, epoch = $2, lease_until = $3, leased = $4, due_at = $5 "
                  "WHERE lane_id = $6",
                  worker, ++epoch, until, lease.item, lease.due, lease.lane));
      epochs.push_back(static_cast<std::uint64_t>(epoch));
    }
    MN_CHECK(db_.run("UPDATE queue_meta SET last_epoch = $1", epoch));
    return epochs;
  }

  Status end_leases(std::string_view owner, ItemKey item) override {
    return db_.run(
        "UPDATE queue_lanes SET due_at = CASE WHEN due_at IS NULL THEN NULL ELSE ready_from END, owner = NULL, "
        "epoch = NULL, lease_until = 0, leased = NULL WHERE owner = $1 AND leased = $2",
        owner, item);
  }

  Result<std::vector<Leased>> receive(const std::vector<ItemKey>& items) override {
    std::vector<Leased> found;
    for (const ItemKey item : items) {
      const auto add = [&](const SqliteRows& rows) {
        Leased& leased = found.emplace_back();
        leased.item.id = id_of(item);
        leased.item.origin = rows.seq(0);
        leased.item.step = step_name(rows.integer(1));
        leased.item.args = rows.text(2);
        leased.item.not_before = rows.optional_time(3);
        leased.receives = static_cast<std::uint32_t>(rows.integer(4));
        leased.failures = static_cast<std::uint32_t>(rows.integer(5));
      };
      MN_CHECK(each_row(db_.query("UPDATE queue_items SET receives = receives + 1 WHERE item_id = $1 "
                                  "RETURNING origin, step_id, args, not_before, receives, failures",
                                  item),
                        add));
    }
    return found;
  }

  Result<std::size_t> renew(std::string_view worker, Time until) override {
    MN_TRY(items, db_.query_integer("SELECT count(DISTINCT leased) FROM queue_lanes WHERE owner = $1", worker));
    MN_CHECK(
        db_.run("UPDATE queue_lanes SET lease_until = $1, "
                "due_at = CASE WHEN due_at IS NULL THEN NULL ELSE max(ready_from, $1) END WHERE owner = $2",
                until, worker));
    return static_cast<std::size_t>(items.value_or(0));
  }

  Status give_back(std::string_view worker, ItemKey item) override {
    MN_CHECK(end_leases(worker, item));
    if (db_.changed_rows() == 0) return {};
    return db_.run("UPDATE queue_items SET receives = max(receives - 1, 0) WHERE item_id = $1", item);
  }

 private:
  static std::optional<std::string_view> reason_of(const ItemRow& row) {
    return row.parked_at ? std::optional<std::string_view>(row.parked_reason) : std::nullopt;
  }

  Status insert_item(const ItemInsert& insert) {
    const ItemRow& row = insert.row;
    return db_.run("INSERT INTO queue_items VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
                   row.key, insert.origin, row.step, row.lane, row.other_lane, row.state, row.since, row.not_before,
                   row.receives, row.failures, row.attempts, row.parked_at, reason_of(row), insert.args);
  }

  Status insert_attempt(const AttemptInsert& attempt) {
    MN_CHECK(db_.run("INSERT INTO queue_attempts VALUES ($1, $2, $3, 1, $4)", attempt.item, attempt.number, attempt.at,
                     attempt.error));
    if (attempt.number <= kQueueAttemptsKept) return {};
    MN_CHECK(db_.run("DELETE FROM queue_attempts WHERE item_id = $1 AND number = $2", attempt.item,
                     attempt.number - kQueueAttemptsKept + 1));
    return db_.run("UPDATE queue_attempts SET times = times + 1 WHERE item_id = $1 AND number = 1", attempt.item);
  }

  Status look(LaneFront& front, std::string_view where) {
    const std::string sql = std::string(kItemRow).append(where);
    return each_row(db_.query(sql, front.lane), [&](const SqliteRows& rows) {
      ItemRow item = item_row(rows);
      if (parked(item.state) && (!front.first_parked || item.key < *front.first_parked)) front.first_parked = item.key;
      if (item.state == StoredState::kParked) return;
      if (!front.head || item.key < front.head->key) front.head = std::move(item);
    });
  }

  const std::string& step_name(StepKey key) const {
    static const std::string none;
    for (const auto& [name, step] : *shared_.steps) {
      if (step == key) return name;
    }
    return none;
  }

  Shared& shared_;
  Sqlite& db_;
  std::unique_lock<std::mutex> lock_;
  SqliteTransaction transaction_;
  bool committed_ = false;
};

class SqliteReader : public QueueReader {
 public:
  explicit SqliteReader(Sqlite& db) : db_(db) {}

  Result<std::vector<ItemRead>> items(const std::string& sql, const std::vector<SqlValue>& values) override {
    std::vector<ItemRead> found;
    MN_CHECK(each_row(bound(sql, values), [&](const SqliteRows& rows) { found.push_back(item_read(rows)); }));
    return found;
  }

  Result<std::vector<std::optional<std::int64_t>>> integers(const std::string& sql,
                                                            const std::vector<SqlValue>& values) override {
    MN_TRY(rows, bound(sql, values));
    MN_TRY(found, rows.step());
    std::vector<std::optional<std::int64_t>> out;
    for (int column = 0; found && column < rows.columns(); ++column) out.push_back(nullable(rows, column));
    return out;
  }

  Result<std::map<ItemKey, std::vector<Attempt>>> attempts(const std::vector<ItemKey>& items) override {
    std::map<ItemKey, std::vector<Attempt>> found;
    for (const ItemKey item : items) {
      MN_CHECK(
          each_row(db_.query("SELECT at, times, error FROM queue_attempts WHERE item_id = $1 ORDER BY number", item),
                   [&](const SqliteRows& rows) {
                     found[item].push_back(
                         {rows.time(0), std::string(rows.text(2)), static_cast<std::uint32_t>(rows.integer(1))});
                   }));
    }
    return found;
  }

  Result<StepKeys> steps() override {
    StepKeys steps;
    MN_CHECK(each_row(db_.query("SELECT name, step_id FROM queue_steps"),
                      [&](const SqliteRows& rows) { steps.emplace(rows.text(0), rows.integer(1)); }));
    return steps;
  }

  std::string in_list(std::size_t placeholder) const override {
    return "IN (SELECT value FROM json_each($" + std::to_string(placeholder) + "))";
  }

 private:
  static ItemRead item_read(const SqliteRows& rows) {
    ItemRead read;
    ItemView& view = read.view;
    const auto state = static_cast<StoredState>(rows.integer(7));
    view.item.id = id_of(rows.integer(0));
    view.item.origin = rows.seq(1);
    view.item.step = rows.text(2);
    view.item.lanes.emplace_back(rows.text(3));
    if (!rows.is_null(4)) view.item.lanes.emplace_back(rows.text(4));
    view.item.args = rows.text(5);
    view.item.not_before = rows.optional_time(6);
    view.receives = static_cast<std::uint32_t>(rows.integer(8));
    read.has_attempts = rows.integer(9) > 0;
    view.parked_at = rows.optional_time(10);
    view.parked_reason = rows.text(11);
    view.state = parked(state) ? ItemState::kParked : rows.integer(12) != 0 ? ItemState::kLeased : ItemState::kWaiting;
    view.after_parked = rows.integer(13) != 0;
    return read;
  }

  Result<SqliteRows> bound(const std::string& sql, const std::vector<SqlValue>& values) {
    auto rows = db_.prepare(sql);
    int index = 0;
    for (const auto& value : values) {
      if (!rows) break;
      MN_CHECK(std::visit([&](const auto& one) { return bind(*rows, ++index, one); }, value));
    }
    return rows;
  }
  Status bind(SqliteRows& rows, int index, std::int64_t value) { return db_.bind(rows, index, value); }
  Status bind(SqliteRows& rows, int index, const std::string& text) { return db_.bind(rows, index, text); }
  Status bind(SqliteRows& rows, int index, const std::vector<std::int64_t>& list) {
    std::string json = "[";
    for (const auto value : list) json.append(json.size() > 1 ? "," : "").append(std::to_string(value));
    return db_.bind(rows, index, json + "]");
  }

  Sqlite& db_;
};

class SqliteBackend : public QueueBackend {
 public:
  static Result<std::unique_ptr<QueueBackend>> open(const std::string& path) {
    auto backend = std::make_unique<SqliteBackend>();
    backend->shared_.path = path;
    MN_CHECK(backend->open_writer());
    if (path != ":memory:") {
      MN_TRY(reader, Sqlite::open_reader(path, {}));
      backend->shared_.reader = std::move(reader);
    }
    return std::unique_ptr<QueueBackend>(std::move(backend));
  }

  Result<std::unique_ptr<QueueTables>> begin(QueueUse) override {
    std::unique_lock lock(shared_.writer_mutex);
    MN_TRY(transaction, shared_.writer->begin());
    return std::unique_ptr<QueueTables>(
        std::make_unique<SqliteTables>(shared_, std::move(lock), std::move(transaction)));
  }

  Status with_reader(const std::function<Status(QueueReader&)>& read) override {
    const bool own = shared_.reader != nullptr;
    const std::lock_guard lock(own ? shared_.reader_mutex : shared_.writer_mutex);
    Sqlite& db = own ? *shared_.reader : *shared_.writer;
    // One snapshot for all that `read` asks.
    MN_TRY(transaction, db.begin());
    SqliteReader reader(db);
    MN_CHECK(read(reader));
    return transaction.commit();
  }

  // Only the writer checkpoints, so it goes last.
  ~SqliteBackend() override { shared_.reader.reset(); }

 private:
  Status open_writer() {
    MN_TRY(db, Sqlite::open_writer(shared_.path, {.checkpoint_pages = 16'000}));
    MN_TRY(version, db->user_version());
    if (version != 0 && version != kSchemaVersion) {
      db.reset();
      MN_CHECK(Sqlite::remove_file(shared_.path));
      MN_TRY(fresh, Sqlite::open_writer(shared_.path, {.checkpoint_pages = 16'000}));
      db = std::move(fresh);
      version = 0;
    }
    if (version == 0) {
      MN_TRY(transaction, db->begin());
      MN_CHECK(db->execute(kSchema));
      MN_CHECK(db->set_user_version(kSchemaVersion));
      MN_CHECK(transaction.commit());
    }
    MN_CHECK(db->execute(kEndAllLeases));
    shared_.writer = std::move(db);
    return {};
  }

  Shared shared_;
};

}  // namespace

Result<std::unique_ptr<Queue>> open_sqlite_queue(const std::string& path) {
  MN_TRY(backend, SqliteBackend::open(path));
  return make_queue(std::move(backend));
}

Status remove_sqlite_queue(const std::string& path) { return Sqlite::remove_file(path); }

}  // namespace minato

// The queue's tables in a PostgreSQL database that any number of processes share. Sets of rows travel as arrays, so
// that an apply is some ten round trips whatever its size.
//
// Locks, in this order: the row of queue_meta (one apply at a time), rows of queue_lanes by lane_id. Leasing never
// waits: it passes over lanes that are locked. Texts are bytea: what comes out of messages may hold what a text may not
// (NUL, broken UTF-8).
#include <algorithm>
#include <mutex>

#include "base/limits.h"
#include "store/queue/open.h"
#include "store/queue/reads.h"
#include "store/queue/tables.h"

namespace minato {
namespace {

// Tables of an older version are dropped and rebuilt from the journal.
constexpr std::int64_t kSchemaVersion = 1;

// Epochs never come again, not even after the tables were dropped: they start at the microseconds of the clock.
constexpr const char* kSchema = R"sql(
CREATE TABLE queue_meta (
  version bigint NOT NULL, position bigint NOT NULL, waiting bigint NOT NULL, parked bigint NOT NULL,
  lanes bigint NOT NULL, next_lane bigint NOT NULL);
INSERT INTO queue_meta VALUES (1, 0, 0, 0, 0, 1);
CREATE SEQUENCE queue_epochs;
SELECT setval('queue_epochs', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
CREATE TABLE queue_steps (step_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name bytea NOT NULL UNIQUE);
CREATE TABLE queue_items (
  item_id bigint PRIMARY KEY, origin bigint NOT NULL, step_id bigint NOT NULL, lane_id bigint NOT NULL,
  other_lane_id bigint, state bigint NOT NULL, since bigint NOT NULL, not_before bigint, receives bigint NOT NULL,
  failures bigint NOT NULL, attempts bigint NOT NULL, parked_at bigint, parked_reason bytea, args bytea NOT NULL)
  WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX queue_items_lane ON queue_items (lane_id, state, item_id);
CREATE INDEX queue_items_other_lane ON queue_items (other_lane_id, state, item_id) WHERE other_lane_id IS NOT NULL;
CREATE INDEX queue_items_step ON queue_items (state, step_id, item_id);
CREATE INDEX queue_items_origin ON queue_items (origin);
CREATE TABLE queue_attempts (
  item_id bigint NOT NULL, number bigint NOT NULL, at bigint NOT NULL, times bigint NOT NULL, error bytea NOT NULL,
  PRIMARY KEY (item_id, number));
CREATE TABLE queue_lanes (
  lane_id bigint PRIMARY KEY, name bytea NOT NULL UNIQUE, step_id bigint NOT NULL, flags bigint NOT NULL, head bigint,
  since bigint NOT NULL, ready_from bigint NOT NULL, partner bigint, first_parked bigint, due_at bigint, owner bytea,
  epoch bigint, lease_until bigint NOT NULL, leased bigint)
  WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX queue_lanes_due ON queue_lanes (step_id, due_at, since) WHERE due_at IS NOT NULL;
CREATE INDEX queue_lanes_owner ON queue_lanes (owner, leased) WHERE owner IS NOT NULL;
)sql";

constexpr const char* kDropSchema =
    "DROP TABLE IF EXISTS queue_meta, queue_steps, queue_items, queue_attempts, queue_lanes; "
    "DROP SEQUENCE IF EXISTS queue_epochs;";

// Two processes that start at once must not both make the tables. Any number, the same everywhere.
constexpr const char* kSchemaLock = "SELECT pg_advisory_xact_lock(7078271001)";

using Integers = std::vector<std::int64_t>;
using MaybeIntegers = std::vector<std::optional<std::int64_t>>;
using Blobs = std::vector<PostgresBlob>;

std::optional<std::int64_t> nullable(const PostgresRows& rows, int row, int column) {
  return rows.is_null(row, column) ? std::optional<std::int64_t>()
                                   : std::optional<std::int64_t>(rows.integer(row, column));
}
std::optional<std::int64_t> micros(const std::optional<Time>& time) {
  return time ? std::optional<std::int64_t>(to_micros(*time)) : std::nullopt;
}
std::string bytes(const PostgresRows& rows, int row, int column) { return std::string(rows.blob(row, column)); }

#define MN_ITEM_COLUMNS                                                                                           \
  "item_id, step_id, lane_id, other_lane_id, state, since, not_before, receives, failures, attempts, parked_at, " \
  "parked_reason"

ItemRow item_row(const PostgresRows& rows, int row, int from) {
  ItemRow item;
  item.key = rows.integer(row, from);
  item.step = rows.integer(row, from + 1);
  item.lane = rows.integer(row, from + 2);
  item.other_lane = nullable(rows, row, from + 3);
  item.state = static_cast<StoredState>(rows.integer(row, from + 4));
  item.since = rows.time(row, from + 5);
  item.not_before = rows.optional_time(row, from + 6);
  item.receives = static_cast<std::uint32_t>(rows.integer(row, from + 7));
  item.failures = static_cast<std::uint32_t>(rows.integer(row, from + 8));
  item.attempts = static_cast<std::uint32_t>(rows.integer(row, from + 9));
  item.parked_at = rows.optional_time(row, from + 10);
  item.parked_reason = bytes(rows, row, from + 11);
  return item;
}

#define MN_LANE_COLUMNS "lane_id, step_id, flags, head, since, ready_from, partner, first_parked, name"

LaneOrder lane_order(const PostgresRows& rows, int row) {
  return {.key = rows.integer(row, 0),
          .step = rows.integer(row, 1),
          .flags = rows.integer(row, 2),
          .head = nullable(rows, row, 3),
          .since = rows.time(row, 4),
          .ready_from = rows.time(row, 5),
          .partner = nullable(rows, row, 6),
          .first_parked = nullable(rows, row, 7)};
}

#define MN_CANDIDATE_COLUMNS                                                                                \
  "l.lane_id, l.step_id, l.head, l.since, l.due_at, l.partner, l.first_parked, l.name, l.owner, l.leased, " \
  "l.lease_until"

LaneCandidate lane_candidate(const PostgresRows& rows, int row) {
  return {.lane = rows.integer(row, 0),
          .step = rows.integer(row, 1),
          .head = rows.integer(row, 2),
          .since = rows.time(row, 3),
          .due = rows.time(row, 4),
          .partner = nullable(rows, row, 5),
          .first_parked = nullable(rows, row, 6),
          .name = bytes(rows, row, 7),
          .owner = bytes(rows, row, 8),
          .leased = nullable(rows, row, 9),
          .lease_until = rows.time(row, 10)};
}

template <typename Row>
auto all_rows(const PostgresRows& rows, Row row) {
  std::vector<decltype(row(rows, 0))> out;
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) out.push_back(row(rows, i));
  return out;
}

// The rows of lanes as columns.
struct LaneColumns {
  explicit LaneColumns(const std::vector<LaneWrite>& lanes) {
    for (const auto& lane : lanes) {
      keys.push_back(lane.order.key);
      names.push_back({lane.name});
      steps.push_back(lane.order.step);
      flags.push_back(lane.order.flags);
      heads.emplace_back(lane.order.head);
      since.push_back(to_micros(lane.order.since));
      ready_from.push_back(to_micros(lane.order.ready_from));
      partners.emplace_back(lane.order.partner);
      first_parked.emplace_back(lane.order.first_parked);
      due.push_back(micros(lane.due));
      ends_lease.push_back(lane.ends_lease ? 1 : 0);
    }
  }
  Integers keys, steps, flags, since, ready_from, ends_lease;
  MaybeIntegers heads, partners, first_parked, due;
  Blobs names;
};

struct Connection {
  std::mutex mutex;
  std::unique_ptr<Postgres> db;
};

class PostgresTables : public QueueTables {
 public:
  PostgresTables(Postgres& db, std::unique_lock<std::mutex> lock, PostgresTransaction transaction)
      : db_(db), lock_(std::move(lock)), transaction_(std::move(transaction)) {}

  Status commit() override { return transaction_.commit(); }

  Result<QueueMeta> lock_meta() override {
    MN_TRY(rows, db_.query("SELECT position, waiting, parked, lanes, next_lane FROM queue_meta FOR UPDATE"));
    if (rows.size() != 1) return fail(Errc::kCorrupt, "queue: no row in queue_meta");
    return QueueMeta{rows.seq(0, 0), rows.integer(0, 1), rows.integer(0, 2), rows.integer(0, 3), rows.integer(0, 4)};
  }

  Status write_meta(const QueueMeta& meta) override {
    return done(db_.run("UPDATE queue_meta SET position = $1, waiting = $2, parked = $3, lanes = $4, next_lane = $5",
                        meta.position, meta.waiting, meta.parked, meta.lanes, meta.next_lane));
  }

  Result<StepKeys> steps_with(const std::vector<std::string_view>& names) override {
    MN_TRY(steps, read_steps(db_));
    for (const auto name : names) {
      if (steps.contains(name)) continue;
      if (steps.size() >= kQueueStepsMax) return fail(Errc::kTooLarge, "queue: too many different steps");
      MN_TRY(key,
             db_.query_integer("INSERT INTO queue_steps (name) VALUES ($1) RETURNING step_id", PostgresBlob{name}));
      steps.emplace(name, key.value_or(0));
    }
    return steps;
  }

  static Result<StepKeys> read_steps(Postgres& db) {
    MN_TRY(rows, db.query("SELECT name, step_id FROM queue_steps"));
    StepKeys steps;
    for (int row = 0; row < rows.size(); ++row) steps.emplace(rows.blob(row, 0), rows.integer(row, 1));
    return steps;
  }

  Result<std::vector<ItemRow>> items(const std::vector<ItemKey>& keys) override {
    if (keys.empty()) return std::vector<ItemRow>();
    MN_TRY(rows, db_.query("SELECT " MN_ITEM_COLUMNS " FROM queue_items WHERE item_id = ANY($1)", keys));
    return all_rows(rows, [](const auto& all, int row) { return item_row(all, row, 0); });
  }

  Result<std::map<std::string, LaneOrder, std::less<>>> lanes_by_name(
      const std::vector<std::string_view>& names) override {
    std::map<std::string, LaneOrder, std::less<>> found;
    if (names.empty()) return found;
    Blobs blobs;
    for (const auto name : names) blobs.push_back({name});
    MN_TRY(rows, db_.query("SELECT " MN_LANE_COLUMNS " FROM queue_lanes WHERE name = ANY($1)", blobs));
    for (int row = 0; row < rows.size(); ++row) found.emplace(rows.blob(row, 8), lane_order(rows, row));
    return found;
  }

  Result<std::vector<LaneOrder>> lanes(const std::vector<LaneKey>& keys) override {
    MN_TRY(rows, db_.query("SELECT " MN_LANE_COLUMNS " FROM queue_lanes WHERE lane_id = ANY($1)", keys));
    return all_rows(rows, lane_order);
  }

  Result<std::vector<LaneLease>> lock_leases(const std::vector<LaneKey>& lanes) override {
    MN_TRY(rows, db_.query("SELECT lane_id, leased, lease_until FROM queue_lanes WHERE lane_id = ANY($1) "
                           "ORDER BY lane_id FOR UPDATE",
                           lanes));
    return all_rows(rows, [](const auto& all, int row) {
      return LaneLease{all.integer(row, 0), nullable(all, row, 1), all.time(row, 2)};
    });
  }

  Status write_items(const ItemWrites& writes) override {
    MN_CHECK(db_.pipeline_begin());
    // libpq copies the arrays as they are added.
    if (!writes.attempts_deletes.empty()) {
      MN_CHECK(db_.pipeline_add("DELETE FROM queue_attempts WHERE item_id = ANY($1)", writes.attempts_deletes));
    }
    if (!writes.deletes.empty()) {
      MN_CHECK(db_.pipeline_add("DELETE FROM queue_items WHERE item_id = ANY($1)", writes.deletes));
    }
    if (!writes.inserts.empty()) MN_CHECK(add_inserts(writes.inserts));
    if (!writes.updates.empty()) MN_CHECK(add_updates(writes.updates));
    for (const auto& attempt : writes.attempts) MN_CHECK(add_attempt(attempt));
    return done(db_.pipeline_end());
  }

  Result<std::vector<LaneFront>> fronts(const std::vector<FrontQuery>& lanes) override {
    Integers keys;
    for (const auto& lane : lanes) keys.push_back(lane.lane);
    MN_TRY(rows, db_.query("SELECT asked.lane_id, p.item_id, h.* FROM unnest($1::bigint[]) AS asked(lane_id) "
                           "LEFT JOIN LATERAL (SELECT * FROM ("
                           "(SELECT " MN_ITEM_COLUMNS " FROM queue_items WHERE lane_id = asked.lane_id AND state = 0 "
                           "ORDER BY item_id LIMIT 1) UNION ALL "
                           "(SELECT " MN_ITEM_COLUMNS " FROM queue_items WHERE lane_id = asked.lane_id AND state = 2 "
                           "ORDER BY item_id LIMIT 1) UNION ALL "
                           "(SELECT " MN_ITEM_COLUMNS " FROM queue_items WHERE other_lane_id = asked.lane_id "
                           "AND state = 0 ORDER BY item_id LIMIT 1) UNION ALL "
                           "(SELECT " MN_ITEM_COLUMNS " FROM queue_items WHERE other_lane_id = asked.lane_id "
                           "AND state = 2 ORDER BY item_id LIMIT 1)"
                           ") heads ORDER BY item_id LIMIT 1) h ON true "
                           "LEFT JOIN LATERAL (SELECT min(item_id) AS item_id FROM ("
                           "(SELECT item_id FROM queue_items WHERE lane_id = asked.lane_id AND state = 1 "
                           "ORDER BY item_id LIMIT 1) UNION ALL "
                           "(SELECT item_id FROM queue_items WHERE lane_id = asked.lane_id AND state = 2 "
                           "ORDER BY item_id LIMIT 1) UNION ALL "
                           "(SELECT item_id FROM queue_items WHERE other_lane_id = asked.lane_id AND state = 2 "
                           "ORDER BY item_id LIMIT 1)) parked) p ON true",
                           keys));
    return all_rows(rows, [](const auto& all, int row) {
      LaneFront front;
      front.lane = all.integer(row, 0);
      front.first_parked = nullable(all, row, 1);
      if (!all.is_null(row, 2)) front.head = item_row(all, row, 2);
      return front;
    });
  }

  Status insert_lanes(const std::vector<LaneWrite>& lanes) override {
    const LaneColumns c(lanes);
    return done(
        db_.run("INSERT INTO queue_lanes (lane_id, name, step_id, flags, head, since, ready_from, partner, "
                "first_parked, due_at, lease_until) SELECT *, 0 FROM unnest($1::bigint[], $2::bytea[], "
                "$3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], "
                "$9::bigint[], $10::bigint[])",
                c.keys, c.names, c.steps, c.flags, c.heads, c.since, c.ready_from, c.partners, c.first_parked, c.due));
  }

  Status update_lanes(const std::vector<LaneWrite>& lanes) override {
    const LaneColumns c(lanes);
    return done(db_.run(
        "UPDATE queue_lanes l SET step_id = n.step_id, flags = n.flags, head = n.head, since = n.since, "
        "ready_from = n.ready_from, partner = n.partner, first_parked = n.first_parked, due_at = n.due_at, "
        "owner = CASE n.ends WHEN 0 THEN l.owner END, epoch = CASE n.ends WHEN 0 THEN l.epoch END, "
        "leased = CASE n.ends WHEN 0 THEN l.leased END, lease_until = CASE n.ends WHEN 0 THEN l.lease_until ELSE 0 END "
        "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], "
        "$8::bigint[], $9::bigint[], $10::bigint[]) AS n(lane_id, step_id, flags, head, since, ready_from, partner, "
        "first_parked, due_at, ends) WHERE l.lane_id = n.lane_id",
        c.keys, c.steps, c.flags, c.heads, c.since, c.ready_from, c.partners, c.first_parked, c.due, c.ends_lease));
  }

  Status delete_lanes(const std::vector<LaneKey>& lanes) override {
    return done(db_.run("DELETE FROM queue_lanes WHERE lane_id = ANY($1)", lanes));
  }

  Result<std::vector<LaneCandidate>> candidates(const std::vector<StepKey>& steps, Time now,
                                                std::size_t limit) override {
    MN_TRY(rows, db_.query("SELECT l.* FROM unnest($1::bigint[]) AS wanted(step_id) CROSS JOIN LATERAL ("
                           "(SELECT " MN_CANDIDATE_COLUMNS " FROM queue_lanes l WHERE l.step_id = wanted.step_id "
                           "AND l.due_at = 0 ORDER BY l.since LIMIT $2 FOR UPDATE SKIP LOCKED)) l",
                           steps, limit));
    MN_TRY(timed, db_.query("SELECT l.* FROM unnest($1::bigint[]) AS wanted(step_id) CROSS JOIN LATERAL ("
                            "(SELECT " MN_CANDIDATE_COLUMNS " FROM queue_lanes l WHERE l.step_id = wanted.step_id "
                            "AND l.due_at > 0 AND l.due_at <= $2 ORDER BY l.due_at LIMIT $3 FOR UPDATE SKIP LOCKED)) l",
                            steps, now, limit));
    auto found = all_rows(rows, lane_candidate);
    for (auto& one : all_rows(timed, lane_candidate)) found.push_back(std::move(one));
    return found;
  }

  Result<std::vector<LaneCandidate>> lock_partners(const std::vector<LaneCandidate>& barriers) override {
    Integers keys;
    for (const auto& barrier : barriers) keys.push_back(*barrier.partner);
    MN_TRY(rows, db_.query("SELECT " MN_CANDIDATE_COLUMNS " FROM queue_lanes l WHERE l.lane_id = ANY($1) "
                           "ORDER BY l.lane_id FOR UPDATE SKIP LOCKED",
                           keys));
    return all_rows(rows, lane_candidate);
  }

  Status set_due(LaneKey lane, Time due) override {
    return done(db_.run("UPDATE queue_lanes SET due_at = $1 WHERE lane_id = $2", due, lane));
  }

  Result<std::vector<std::uint64_t>> write_leases(const std::vector<LeaseWrite>& leases, std::string_view worker,
                                                  Time until) override {
    Integers lanes, items;
    MaybeIntegers due;
    for (const auto& lease : leases) {
      lanes.push_back(lease.lane);
      items.push_back(lease.item);
      due.push_back(micros(lease.due));
    }
    MN_TRY(rows, db_.query("UPDATE queue_lanes l SET owner = $1, epoch = nextval('queue_epochs'), lease_until = $2, "
                           "leased = n.item_id, due_at = n.due_at "
                           "FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS n(lane_id, item_id, due_at) "
                           "WHERE l.lane_id = n.lane_id RETURNING l.lane_id, l.epoch",
                           PostgresBlob{worker}, until, lanes, items, due));
    std::map<LaneKey, std::uint64_t> by_lane;
    for (int row = 0; row < rows.size(); ++row) by_lane.emplace(rows.integer(row, 0), rows.natural(row, 1));
    std::vector<std::uint64_t> epochs;
    for (const LaneKey lane : lanes) {
      if (const auto found = by_lane.find(lane); found != by_lane.end()) epochs.push_back(found->second);
    }
    return epochs;
  }

  Status end_leases(std::string_view owner, ItemKey item) override { return done(end_leases_count(owner, item)); }

  Result<std::vector<Leased>> receive(const std::vector<ItemKey>& items) override {
    MN_TRY(rows, db_.query("UPDATE queue_items i SET receives = receives + 1 FROM queue_steps s "
                           "WHERE i.item_id = ANY($1) AND s.step_id = i.step_id "
                           "RETURNING i.item_id, i.origin, s.name, i.args, i.not_before, i.receives, i.failures",
                           items));
    return all_rows(rows, [](const auto& all, int row) {
      Leased leased;
      leased.item.id = id_of(all.integer(row, 0));
      leased.item.origin = all.seq(row, 1);
      leased.item.step = bytes(all, row, 2);
      leased.item.args = bytes(all, row, 3);
      leased.item.not_before = all.optional_time(row, 4);
      leased.receives = static_cast<std::uint32_t>(all.integer(row, 5));
      leased.failures = static_cast<std::uint32_t>(all.integer(row, 6));
      return leased;
    });
  }

  Result<std::size_t> renew(std::string_view worker, Time until) override {
    MN_TRY(rows, db_.query("SELECT lane_id, leased FROM queue_lanes WHERE owner = $1 ORDER BY lane_id FOR UPDATE",
                           PostgresBlob{worker}));
    if (rows.size() == 0) return std::size_t{0};
    Integers lanes, items;
    for (int row = 0; row < rows.size(); ++row) {
      lanes.push_back(rows.integer(row, 0));
      items.push_back(rows.integer(row, 1));
    }
    MN_CHECK(
        done(db_.run("UPDATE queue_lanes SET lease_until = $1, "
                     "due_at = CASE WHEN due_at IS NULL THEN NULL ELSE greatest(ready_from, $1) END "
                     "WHERE lane_id = ANY($2)",
                     until, lanes)));
    std::ranges::sort(items);
    return static_cast<std::size_t>(std::ranges::unique(items).begin() - items.begin());
  }

  Status give_back(std::string_view worker, ItemKey item) override {
    MN_TRY(ended, end_leases_count(worker, item));
    if (ended == 0) return {};
    return done(db_.run("UPDATE queue_items SET receives = greatest(receives - 1, 0) WHERE item_id = $1", item));
  }

 private:
  template <typename T>
  static Status done(const Result<T>& result) {
    if (!result) return std::unexpected(result.error());
    return {};
  }

  Result<std::int64_t> end_leases_count(std::string_view owner, ItemKey item) {
    return db_.run(
        "UPDATE queue_lanes SET due_at = CASE WHEN due_at IS NULL THEN NULL ELSE ready_from END, owner = NULL, "
        "epoch = NULL, lease_until = 0, leased = NULL WHERE owner = $1 AND leased = $2",
        PostgresBlob{owner}, item);
  }

  Status add_inserts(const std::vector<ItemInsert>& inserts) {
    Integers keys, origins, steps, lanes, states, since, receives, failures, attempts;
    MaybeIntegers other_lanes, not_before, parked_at;
    Blobs reasons, args;
    for (const auto& [row, origin, item_args] : inserts) {
      keys.push_back(row.key);
      origins.push_back(static_cast<std::int64_t>(origin.value));
      steps.push_back(row.step);
      lanes.push_back(row.lane);
      other_lanes.emplace_back(row.other_lane);
      states.push_back(static_cast<std::int64_t>(row.state));
      since.push_back(to_micros(row.since));
      not_before.push_back(micros(row.not_before));
      receives.push_back(row.receives);
      failures.push_back(row.failures);
      attempts.push_back(row.attempts);
      parked_at.push_back(micros(row.parked_at));
      reasons.push_back({row.parked_reason});
      args.push_back({item_args});
    }
    return db_.pipeline_add(
        "INSERT INTO queue_items SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
        "$5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], "
        "$12::bigint[], $13::bytea[], $14::bytea[])",
        keys, origins, steps, lanes, other_lanes, states, since, not_before, receives, failures, attempts, parked_at,
        reasons, args);
  }

  Status add_updates(const std::vector<ItemRow>& updates) {
    Integers keys, states, forgets, failures, attempts;
    MaybeIntegers not_before, parked_at;
    Blobs reasons;
    for (const auto& row : updates) {
      keys.push_back(row.key);
      states.push_back(static_cast<std::int64_t>(row.state));
      not_before.push_back(micros(row.not_before));
      forgets.push_back(row.forgets_receives ? 1 : 0);
      failures.push_back(row.failures);
      attempts.push_back(row.attempts);
      parked_at.push_back(micros(row.parked_at));
      reasons.push_back({row.parked_reason});
    }
    return db_.pipeline_add(
        "UPDATE queue_items i SET state = n.state, not_before = n.not_before, "
        "receives = CASE n.forgets WHEN 0 THEN i.receives ELSE 0 END, "
        "failures = n.failures, attempts = n.attempts, parked_at = n.parked_at, parked_reason = n.parked_reason "
        "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], "
        "$7::bigint[], $8::bytea[]) AS n(item_id, state, not_before, forgets, failures, attempts, parked_at, "
        "parked_reason) WHERE i.item_id = n.item_id",
        keys, states, not_before, forgets, failures, attempts, parked_at, reasons);
  }

  Status add_attempt(const AttemptInsert& attempt) {
    MN_CHECK(db_.pipeline_add("INSERT INTO queue_attempts VALUES ($1, $2, $3, 1, $4)", attempt.item, attempt.number,
                              attempt.at, PostgresBlob{attempt.error}));
    if (attempt.number <= kQueueAttemptsKept) return {};
    MN_CHECK(db_.pipeline_add("DELETE FROM queue_attempts WHERE item_id = $1 AND number = $2", attempt.item,
                              attempt.number - kQueueAttemptsKept + 1));
    return db_.pipeline_add("UPDATE queue_attempts SET times = times + 1 WHERE item_id = $1 AND number = 1",
                            attempt.item);
  }

  Postgres& db_;
  std::unique_lock<std::mutex> lock_;
  PostgresTransaction transaction_;
};

class PostgresReader : public QueueReader {
 public:
  explicit PostgresReader(Postgres& db) : db_(db) {}

  Result<std::vector<ItemRead>> items(const std::string& sql, const std::vector<SqlValue>& values) override {
    MN_TRY(rows, db_.query_with(sql, bound(values)));
    return all_rows(rows, item_read);
  }

  Result<std::vector<std::optional<std::int64_t>>> integers(const std::string& sql,
                                                            const std::vector<SqlValue>& values) override {
    MN_TRY(rows, db_.query_with(sql, bound(values)));
    std::vector<std::optional<std::int64_t>> out;
    for (int column = 0; rows.size() > 0 && column < rows.columns(); ++column) {
      out.push_back(nullable(rows, 0, column));
    }
    return out;
  }

  Result<std::map<ItemKey, std::vector<Attempt>>> attempts(const std::vector<ItemKey>& items) override {
    MN_TRY(rows, db_.query("SELECT item_id, at, times, error FROM queue_attempts WHERE item_id = ANY($1) "
                           "ORDER BY item_id, number",
                           items));
    std::map<ItemKey, std::vector<Attempt>> found;
    for (int row = 0; row < rows.size(); ++row) {
      found[rows.integer(row, 0)].push_back(
          {rows.time(row, 1), bytes(rows, row, 3), static_cast<std::uint32_t>(rows.integer(row, 2))});
    }
    return found;
  }

  Result<StepKeys> steps() override { return PostgresTables::read_steps(db_); }

  std::string in_list(std::size_t placeholder) const override { return "= ANY($" + std::to_string(placeholder) + ")"; }

 private:
  static ItemRead item_read(const PostgresRows& rows, int row) {
    ItemRead read;
    ItemView& view = read.view;
    const auto state = static_cast<StoredState>(rows.integer(row, 7));
    view.item.id = id_of(rows.integer(row, 0));
    view.item.origin = rows.seq(row, 1);
    view.item.step = bytes(rows, row, 2);
    view.item.lanes.push_back(bytes(rows, row, 3));
    if (!rows.is_null(row, 4)) view.item.lanes.push_back(bytes(rows, row, 4));
    view.item.args = bytes(rows, row, 5);
    view.item.not_before = rows.optional_time(row, 6);
    view.receives = static_cast<std::uint32_t>(rows.integer(row, 8));
    read.has_attempts = rows.integer(row, 9) > 0;
    view.parked_at = rows.optional_time(row, 10);
    view.parked_reason = bytes(rows, row, 11);
    view.state = parked(state)                ? ItemState::kParked
                 : rows.integer(row, 12) != 0 ? ItemState::kLeased
                                              : ItemState::kWaiting;
    view.after_parked = rows.integer(row, 13) != 0;
    return read;
  }

  static PostgresParameters bound(const std::vector<SqlValue>& values) {
    PostgresParameters parameters;
    for (const auto& value : values) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        parameters.add(PostgresBlob{*text});
      } else if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
        parameters.add(*list);
      } else {
        parameters.add(std::get<std::int64_t>(value));
      }
    }
    return parameters;
  }

  Postgres& db_;
};

Status make_tables(Postgres& db) {
  MN_TRY(transaction, db.begin());
  MN_CHECK(db.execute(kSchemaLock));
  MN_TRY(there, db.query_integer("SELECT 1 FROM pg_class WHERE oid = to_regclass('queue_meta')"));
  if (there) {
    MN_TRY(version, db.query_integer("SELECT version FROM queue_meta"));
    if (version == kSchemaVersion) return transaction.commit();
    if (version > kSchemaVersion)
      return fail(Errc::kRefused, "queue: the tables are of a newer version of the program");
    MN_CHECK(db.execute(kDropSchema));
  }
  MN_CHECK(db.execute(kSchema));
  return transaction.commit();
}

class PostgresBackend : public QueueBackend {
 public:
  static Result<std::unique_ptr<QueueBackend>> open(const PostgresOptions& options) {
    auto backend = std::make_unique<PostgresBackend>();
    for (Connection* connection : {&backend->apply_, &backend->lease_, &backend->read_}) {
      MN_TRY(db, Postgres::connect(options));
      connection->db = std::move(db);
    }
    MN_CHECK(make_tables(*backend->apply_.db));
    return std::unique_ptr<QueueBackend>(std::move(backend));
  }

  Result<std::unique_ptr<QueueTables>> begin(QueueUse use) override {
    Connection& connection = use == QueueUse::kApply ? apply_ : lease_;
    std::unique_lock lock(connection.mutex);
    MN_TRY(transaction, connection.db->begin());
    return std::unique_ptr<QueueTables>(
        std::make_unique<PostgresTables>(*connection.db, std::move(lock), std::move(transaction)));
  }

  Status with_reader(const std::function<Status(QueueReader&)>& read) override {
    const std::lock_guard lock(read_.mutex);
    MN_TRY(transaction, read_.db->begin());
    // One snapshot for all that `read` asks.
    MN_CHECK(read_.db->execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"));
    PostgresReader reader(*read_.db);
    MN_CHECK(read(reader));
    return transaction.commit();
  }

 private:
  Connection apply_, lease_, read_;
};

}  // namespace

Result<std::unique_ptr<Queue>> open_postgres_queue(const PostgresOptions& options) {
  MN_TRY(backend, PostgresBackend::open(options));
  return make_queue(std::move(backend));
}

Status remove_postgres_queue(const PostgresOptions& options) {
  MN_TRY(db, Postgres::connect(options));
  MN_TRY(transaction, db->begin());
  MN_CHECK(db->execute(kSchemaLock));
  MN_CHECK(db->execute(kDropSchema));
  return transaction.commit();
}

}  // namespace minato

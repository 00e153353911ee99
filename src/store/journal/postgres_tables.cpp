#include "store/journal/postgres_tables.h"

#include <algorithm>
#include <string>
#include <vector>

namespace minato {

namespace {

constexpr std::int64_t kTablesVersion = 1;

// Two servers that start at once, or make or drop a partition at once, must not both. Any number, the same everywhere.
constexpr const char* kTablesLock = "SELECT pg_advisory_xact_lock(7078271002)";

constexpr const char* kTables = R"sql(
CREATE TABLE journal_head (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version bigint NOT NULL, first bigint NOT NULL, last bigint NOT NULL, partition_records bigint NOT NULL)
  WITH (fillfactor = 20);
CREATE TABLE journal_writers (
  writer bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, batch bigint NOT NULL, base bigint NOT NULL,
  since timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 20);
CREATE TABLE journal_records (
  seq bigint PRIMARY KEY, kind bigint NOT NULL, at bigint NOT NULL, crc bigint NOT NULL, meta bytea NOT NULL,
  body bytea NOT NULL) PARTITION BY RANGE (seq);
)sql";

std::string partition_name(std::uint64_t number) { return "journal_records_" + std::to_string(number); }

// Partition n holds the sequences n * records + 1 … (n + 1) * records.
Status make_partition(Postgres& db, std::uint64_t number, std::uint64_t records) {
  const auto from = std::to_string(number * records + 1);
  const auto to = std::to_string((number + 1) * records + 1);
  const auto sql = "CREATE TABLE IF NOT EXISTS " + partition_name(number) +
                   " PARTITION OF journal_records FOR VALUES FROM (" + from + ") TO (" + to + ")";
  return db.execute(sql.c_str());
}

}  // namespace

// The writer's row first: it orders this batch against a settle of the same writer. Then the head's, which all writers
// share.
const char* const kInsertRecordsSql = R"sql(
WITH mine AS (
  SELECT 1 FROM journal_writers WHERE writer = $1 AND batch = $2 - 1 AND current_setting('synchronous_commit') <> 'off'
  FOR UPDATE),
head AS (
  UPDATE journal_head SET last = last + $3 WHERE EXISTS (SELECT 1 FROM mine) RETURNING last - $3 AS base),
settled AS (
  UPDATE journal_writers SET batch = $2, base = head.base FROM head WHERE writer = $1),
inserted AS (
  INSERT INTO journal_records (seq, kind, at, crc, meta, body)
  SELECT head.base + r.place, r.kind, r.at, r.crc, r.meta, r.body
  FROM head, unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[]) WITH ORDINALITY
    AS r(kind, at, crc, meta, body, place))
SELECT base FROM head)sql";

const char* const kSettleSql = R"sql(
WITH mine AS (SELECT batch, base FROM journal_writers WHERE writer = $1 FOR UPDATE),
passed AS (UPDATE journal_writers w SET batch = $2 + 1 FROM mine WHERE w.writer = $1 AND mine.batch <> $2)
SELECT batch, base FROM mine)sql";

const char* const kReadRecordsSql = R"sql(
SELECT seq, kind, at, crc, meta, body FROM (
  SELECT *, sum(octet_length(meta) + octet_length(body)) OVER (ORDER BY seq) AS bytes
  FROM journal_records WHERE seq >= $1 AND seq < $2) AS r
WHERE bytes - octet_length(meta) - octet_length(body) < $3 ORDER BY seq)sql";

const char* const kNotifySql = "SELECT pg_notify('minato_journal', '')";
const char* const kDurabilitySql = "SELECT current_setting('synchronous_commit'), current_setting('fsync')";
const char* const kDiskBytesSql =
    "SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits "
    "WHERE inhparent = 'journal_records'::regclass";
const char* const kForgetWriterSql = "DELETE FROM journal_writers WHERE writer = $1";

Status check_durability(Postgres& db, ServerDurability durability) {
  MN_TRY(rows, db.query(kDurabilitySql));
  if (rows.text(0, 0) == "off") {
    return fail(Errc::kRefused,
                "journal: the server's synchronous_commit is off: it would acknowledge what a crash loses");
  }
  if (durability == ServerDurability::kDurable && rows.text(0, 1) != "on") {
    return fail(Errc::kRefused, "journal: the server's fsync is off: it would acknowledge what a power cut loses");
  }
  return {};
}

Result<JournalHead> make_journal_tables(Postgres& db, std::uint64_t partition_records) {
  {
    MN_TRY(transaction, db.begin());
    MN_CHECK(db.query(kTablesLock));
    MN_TRY(there, db.query_integer("SELECT to_regclass('journal_head') IS NOT NULL"));
    if (there.value_or(0) == 0) {
      MN_CHECK(db.execute(kTables));
      MN_CHECK(db.run("INSERT INTO journal_head (version, first, last, partition_records) VALUES ($1, 1, 0, $2)",
                      kTablesVersion, static_cast<std::int64_t>(partition_records)));
    }
    MN_CHECK(transaction.commit());
  }
  MN_TRY(version, db.query_integer("SELECT version FROM journal_head"));
  if (version.value_or(0) > kTablesVersion) {
    return fail(Errc::kRefused,
                "journal: the tables are of version " + std::to_string(*version) + ", newer than this program");
  }
  return read_head(db);
}

Result<std::int64_t> register_writer(Postgres& db) {
  // Those of servers that were killed; none of them waits for an answer any more.
  MN_CHECK(db.run("DELETE FROM journal_writers WHERE since < now() - interval '90 days'"));
  MN_TRY(writer, db.query_integer("INSERT INTO journal_writers (batch, base) VALUES (0, 0) RETURNING writer"));
  return writer.value_or(0);
}

Result<JournalHead> read_head(Postgres& db) {
  MN_TRY(rows, db.query("SELECT first, last, partition_records FROM journal_head"));
  if (rows.size() != 1) return fail(Errc::kCorrupt, "journal: the head's row is missing");
  return JournalHead{.first = rows.seq(0, 0), .last = rows.seq(0, 1), .partition_records = rows.natural(0, 2)};
}

Result<Seq> make_partitions(Postgres& db, Seq up_to) {
  MN_TRY(transaction, db.begin());
  MN_CHECK(db.query(kTablesLock));
  MN_TRY(head, read_head(db));
  const auto records = head.partition_records;
  const auto last = (std::max(up_to, next(head.last)).value - 1) / records;
  // Only from the one that is written now on: a partition behind it was purged.
  for (auto number = head.last.value / records; number <= last; ++number) MN_CHECK(make_partition(db, number, records));
  MN_CHECK(transaction.commit());
  return Seq{(last + 1) * records};
}

Result<Seq> purge_records(Postgres& db, Seq through) {
  std::vector<std::string> partly;
  Seq gone;
  {
    MN_TRY(transaction, db.begin());
    MN_CHECK(db.query(kTablesLock));
    // Nobody commits in between, and readers find either all or nothing changed.
    MN_TRY(rows, db.query("SELECT first, last, partition_records FROM journal_head FOR UPDATE"));
    const Seq first = rows.seq(0, 0);
    const auto records = rows.natural(0, 2);
    gone = std::min(through, rows.seq(0, 1));
    if (gone < first) return Seq{first.value - 1};
    for (auto number = (first.value - 1) / records; number <= (gone.value - 1) / records; ++number) {
      if ((number + 1) * records <= gone.value) {
        MN_CHECK(db.execute(("DROP TABLE IF EXISTS " + partition_name(number)).c_str()));
      } else {
        MN_CHECK(db.run("DELETE FROM " + partition_name(number) + " WHERE seq <= $1", gone));
        partly.push_back(partition_name(number));
      }
    }
    MN_CHECK(db.run("UPDATE journal_head SET first = $1", next(gone)));
    MN_CHECK(transaction.commit());
  }
  for (const auto& name : partly) MN_CHECK(db.execute(("VACUUM " + name).c_str()));
  return gone;
}

}  // namespace minato

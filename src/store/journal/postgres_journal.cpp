#include "store/journal/postgres_journal.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "os/priority.h"
#include "store/journal/crc32c.h"
#include "store/journal/group_committer.h"
#include "store/journal/postgres_tables.h"
#include "store/journal/segment_format.h"
#include "store/sql/lane_fence.h"

namespace minato {

namespace {

constexpr auto kListenStep = std::chrono::milliseconds(500);  // also how often it looks when no notification comes
constexpr auto kRetryPause = std::chrono::milliseconds(100);
constexpr int kAttempts = 4;

std::uint32_t checksum(const Record& record) {
  std::string head;
  encode_record_head(head, record);
  return crc32c(record.body, crc32c(head));
}

// A commit's rows, as arrays.
struct Rows {
  std::vector<std::int64_t> kinds, times, checksums;
  std::vector<PostgresBlob> metas, bodies;

  void add(const Record& record) {
    kinds.push_back(static_cast<std::int64_t>(record.kind));
    times.push_back(to_micros(record.time));
    checksums.push_back(checksum(record));
    metas.push_back({record.meta});
    bodies.push_back({record.body});
  }
};

class PostgresJournal final : public Journal, private CommitTarget {
 public:
  explicit PostgresJournal(const PostgresJournalOptions& options) : options_(options) {}
  ~PostgresJournal() override { close(); }

  Status open();

  Status submit(std::vector<Submission> batch) override { return committer_->submit(std::move(batch)); }
  Result<Seq> append(std::vector<Record> records, std::vector<Fence> fences) override {
    return committer_->append(std::move(records), std::move(fences));
  }
  Result<std::vector<Entry>> read(Seq from, ReadLimits limits) override;
  Seq wait_past(Seq seen, Deadline deadline) override;
  Result<Seq> purge(Seq through) override;
  JournalStats stats() const override;
  void close() override;

 private:
  Status prepare(CommitItem& item) override;
  Status commit(std::span<CommitItem> group) override;

  Result<Seq> write(std::span<CommitItem> group);
  Result<Seq> write_fenced(std::span<CommitItem> group);
  Status check_fences(std::span<CommitItem> group);
  Result<Seq> insert(std::span<CommitItem> group);
  Result<std::optional<Seq>> settle();
  Status explain_nothing_written();
  Status make_room(std::size_t records);

  Result<std::vector<Entry>> read_once(Seq from, ReadLimits limits);  // read_mutex_ held
  Result<JournalHead> head() const;                                   // read_mutex_ held
  Status check_gap(Seq wanted);                                       // read_mutex_ held
  void advance(Seq last);
  void listen_until_closed();

  const PostgresJournalOptions options_;

  // Of the committing thread.
  std::unique_ptr<Postgres> write_db_;
  std::int64_t writer_ = 0;
  std::int64_t batch_ = 0;  // the last one that took place, was given up or is under way
  bool in_doubt_ = false;   // whether batch_ took place
  std::uint64_t partition_records_ = 0;
  Seq partitions_through_;

  mutable std::mutex read_mutex_;  // guards read_db_
  std::unique_ptr<Postgres> read_db_;

  mutable std::mutex last_mutex_;  // guards what is below
  std::condition_variable last_changed_;
  Seq first_{1}, last_;
  bool closed_ = false;

  std::atomic<std::uint64_t> records_{0};
  std::unique_ptr<Postgres> listen_db_;
  std::unique_ptr<GroupCommitter> committer_;
  std::thread listener_;
};

Status PostgresJournal::open() {
  for (auto* db : {&write_db_, &read_db_, &listen_db_}) {
    MN_TRY(connected, Postgres::connect(options_.connection));
    *db = std::move(connected);
  }
  MN_CHECK(check_durability(*write_db_, options_.durability));
  MN_TRY(found, make_journal_tables(*write_db_, options_.partition_records));
  MN_TRY(writer, register_writer(*write_db_));
  writer_ = writer;
  partition_records_ = found.partition_records;
  first_ = found.first;
  last_ = found.last;
  MN_CHECK(listen_db_->listen(std::string(kJournalChannel)));
  committer_ = std::make_unique<GroupCommitter>(
      static_cast<CommitTarget&>(*this), real_clock(),
      GroupCommitter::Options{.mode = CommitMode::kThread,  // a round trip is no work for the listener's thread
                              .group_bytes_max = options_.group_bytes_max,
                              .pending_bytes_max = options_.pending_bytes_max,
                              .own_thread = true,
                              .events = options_.events});
  listener_ = std::thread([this] { listen_until_closed(); });
  return {};
}

Status PostgresJournal::prepare(CommitItem& item) {
  for (const auto& record : item.records) {
    if (encoded_bytes(record) > kJournalRecordBytesMax)
      return fail(Errc::kTooLarge, "journal: a record above the limit");
  }
  return {};
}

// ---- commit ----

Status PostgresJournal::commit(std::span<CommitItem> group) {
  Result<Seq> first = fail(Errc::kUnavailable, "");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    for (auto& item : group) item.result.reset();
    first = write(group);
    // kConflict: another server filled the last partition; kRetry: a deadlock or a lock that was held for long.
    if (first || (first.error().code != Errc::kRetry && first.error().code != Errc::kConflict)) break;
    std::this_thread::sleep_for(kRetryPause * attempt);
  }
  if (!first && first.error().code == Errc::kCorrupt) return std::unexpected(first.error());
  Seq seq = first.value_or(Seq{});
  const Seq begin = seq;
  for (auto& item : group) {
    if (item.result) continue;  // a lost fence
    if (!first) {
      item.result = fail(Errc::kUnavailable, "journal: " + first.error().what);
      continue;
    }
    item.result = seq;
    seq.value += item.record_count;
  }
  if (first && seq > begin) {
    records_.fetch_add(seq.value - begin.value, std::memory_order_relaxed);
    advance(Seq{seq.value - 1});
  }
  return {};
}

// One attempt. Returns the first sequence; items whose fence was lost have their result then, and no sequence.
// kCorrupt: it cannot be known whether it took place. Any other error: it did not.
Result<Seq> PostgresJournal::write(std::span<CommitItem> group) {
  std::size_t records = 0;
  for (const auto& item : group) records += item.record_count;
  MN_CHECK(make_room(records));
  const bool fenced = std::ranges::any_of(group, [](const CommitItem& item) { return !item.fences.empty(); });
  const auto written = fenced ? write_fenced(group) : insert(group);
  if (written || !in_doubt_) return written;
  MN_TRY(first, settle());
  in_doubt_ = false;
  if (!first) return fail(Errc::kRetry, written.error().what);  // the connection is back, and it did not take place
  return *first;
}

Result<Seq> PostgresJournal::write_fenced(std::span<CommitItem> group) {
  MN_TRY(transaction, write_db_->begin());
  MN_CHECK(check_fences(group));
  if (std::ranges::all_of(group, [](const CommitItem& item) { return item.result.has_value(); })) return Seq{};
  MN_TRY(first, insert(group));
  if (const auto committed = transaction.commit(); !committed) {
    in_doubt_ = committed.error().code == Errc::kUnavailable;
    if (!in_doubt_) --batch_;
    return std::unexpected(committed.error());
  }
  return first;
}

Status PostgresJournal::check_fences(std::span<CommitItem> group) {
  std::vector<PostgresBlob> lanes;
  std::vector<std::int64_t> epochs;
  std::vector<CommitItem*> owners;
  for (auto& item : group) {
    for (const auto& fence : item.fences) {
      lanes.push_back({fence.lane});
      epochs.push_back(static_cast<std::int64_t>(fence.epoch));
      owners.push_back(&item);
    }
  }
  MN_TRY(held, write_db_->query(kHeldFencesSql, lanes, epochs));
  std::vector<bool> is_held(owners.size(), false);
  for (int row = 0; row < held.size(); ++row) is_held[static_cast<std::size_t>(held.integer(row, 0) - 1)] = true;
  for (std::size_t i = 0; i < owners.size(); ++i) {
    if (!is_held[i]) owners[i]->result = fail(Errc::kConflict, "journal: the lease of a lane was lost");
  }
  return {};
}

// Outside a transaction the pipeline is one of its own.
Result<Seq> PostgresJournal::insert(std::span<CommitItem> group) {
  Rows rows;
  for (const auto& item : group) {
    if (item.result) continue;
    for (const auto& record : item.records) rows.add(record);
  }
  const auto count = static_cast<std::int64_t>(rows.kinds.size());
  MN_CHECK(write_db_->pipeline_begin());
  ++batch_;
  const auto added = write_db_->pipeline_add(kInsertRecordsSql, writer_, batch_, count, rows.kinds, rows.times,
                                             rows.checksums, rows.metas, rows.bodies);
  const auto told = added ? write_db_->pipeline_add(kNotifySql) : added;
  const auto answers = write_db_->pipeline_end();
  if (!told || !answers) {
    const Error error = told ? answers.error() : told.error();
    in_doubt_ = error.code == Errc::kUnavailable;
    if (!in_doubt_) --batch_;  // rolled back: the number was not used
    return std::unexpected(error);
  }
  if ((*answers)[0].size() == 1) return Seq{(*answers)[0].natural(0, 0) + 1};
  --batch_;
  MN_CHECK(explain_nothing_written());
  return fail(Errc::kUnavailable, "nothing was written");
}

// The answer to the batch was lost with the connection. Finds out whether the batch took place (its first sequence)
// and, if it did not, makes sure that it never will: the writer's row is locked behind whatever still runs, and its
// number goes on.
Result<std::optional<Seq>> PostgresJournal::settle() {
  const auto until = std::chrono::steady_clock::now() + options_.settle_timeout;
  Error last_error{Errc::kUnavailable, "not tried"};
  while (std::chrono::steady_clock::now() < until) {
    auto rows = write_db_->query(kSettleSql, writer_, batch_);
    if (rows && rows->size() == 1) {
      const bool took_place = rows->integer(0, 0) == batch_;
      if (!took_place) ++batch_;
      if (took_place) return std::optional(Seq{rows->natural(0, 1) + 1});
      return std::optional<Seq>();
    }
    if (rows) return fail(Errc::kCorrupt, "journal: this writer's row is gone");
    last_error = rows.error();
    std::this_thread::sleep_for(kRetryPause);
  }
  return fail(Errc::kCorrupt, "journal: unknown whether a commit took place: " + last_error.what);
}

Status PostgresJournal::explain_nothing_written() {
  MN_TRY(rows, write_db_->query(kDurabilitySql));
  if (rows.size() == 1 && rows.text(0, 0) == "off") return fail(Errc::kUnavailable, "synchronous_commit is off");
  return fail(Errc::kCorrupt, "this writer's row has another batch than it wrote");
}

// Partitions are made ahead of the records, half of one at least.
Status PostgresJournal::make_room(std::size_t records) {
  Seq last;
  {
    const std::lock_guard guard(last_mutex_);
    last = last_;
  }
  const Seq wanted{last.value + records + partition_records_ / 2};
  if (wanted <= partitions_through_) return {};
  MN_TRY(through, make_partitions(*write_db_, Seq{wanted.value + partition_records_ / 2}));
  partitions_through_ = through;
  return {};
}

// ---- reading ----

Result<JournalHead> PostgresJournal::head() const { return read_head(*read_db_); }

Result<std::vector<Entry>> PostgresJournal::read(Seq from, ReadLimits limits) {
  if (from.value == 0) from = Seq{1};
  const std::lock_guard guard(read_mutex_);
  auto entries = read_once(from, limits);
  // The first call after the server was away finds out; the next one has a new connection.
  if (!entries && entries.error().code == Errc::kUnavailable) entries = read_once(from, limits);
  return entries;
}

Result<std::vector<Entry>> PostgresJournal::read_once(Seq from, ReadLimits limits) {
  const auto bytes_max = std::min(limits.bytes_max, kJournalReadBytesMax);
  MN_TRY(before, head());
  advance(before.last);
  if (from < before.first)
    return fail(Errc::kNotFound, "journal: sequence " + std::to_string(from.value) + " was purged");
  std::vector<Entry> out;
  if (from > before.last) return out;
  const auto count =
      std::max<std::uint64_t>(1, std::min<std::uint64_t>(limits.records_max, before.last.value + 1 - from.value));
  MN_TRY(rows, read_db_->query(kReadRecordsSql, from, Seq{from.value + count},
                               static_cast<std::int64_t>(std::max<std::size_t>(bytes_max, 1))));
  out.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    Entry entry{.seq = rows.seq(row, 0),
                .record = {.kind = static_cast<RecordKind>(rows.integer(row, 1)),
                           .time = rows.time(row, 2),
                           .meta = std::string(rows.blob(row, 4)),
                           .body = std::string(rows.blob(row, 5))}};
    const Seq wanted{from.value + static_cast<std::uint64_t>(row)};
    if (entry.seq != wanted) MN_CHECK(check_gap(wanted));
    if (checksum(entry.record) != rows.natural(row, 3)) {
      return fail(Errc::kCorrupt, "journal: sequence " + std::to_string(entry.seq.value) + ": checksum differs");
    }
    out.push_back(std::move(entry));
  }
  if (out.empty()) MN_CHECK(check_gap(from));
  return out;
}

// A row is not there: purged a moment ago, or lost.
Status PostgresJournal::check_gap(Seq wanted) {
  MN_TRY(now, head());
  const auto what = "journal: sequence " + std::to_string(wanted.value);
  if (wanted < now.first) return fail(Errc::kNotFound, what + " was purged");
  return fail(Errc::kCorrupt, what + " is missing");
}

void PostgresJournal::advance(Seq last) {
  {
    const std::lock_guard guard(last_mutex_);
    if (last <= last_) return;
    last_ = last;
  }
  last_changed_.notify_all();
}

Seq PostgresJournal::wait_past(Seq seen, Deadline deadline) {
  std::unique_lock lock(last_mutex_);
  last_changed_.wait_until(lock, deadline, [&] { return closed_ || last_ > seen; });
  return last_;
}

// Follows what other servers commit.
void PostgresJournal::listen_until_closed() {
  os::name_this_thread("journal-listen");
  while (true) {
    {
      const std::lock_guard guard(last_mutex_);
      if (closed_) return;
    }
    const auto told = listen_db_->wait_notification(std::chrono::steady_clock::now() + kListenStep);
    if (!told) std::this_thread::sleep_for(kRetryPause);
    if (const auto now = read_head(*listen_db_)) advance(now->last);
  }
}

Result<Seq> PostgresJournal::purge(Seq through) {
  const std::lock_guard guard(read_mutex_);
  MN_TRY(purged, purge_records(*read_db_, through));
  const std::lock_guard last_guard(last_mutex_);
  first_ = std::max(first_, next(purged));
  return purged;
}

JournalStats PostgresJournal::stats() const {
  JournalStats stats;
  {
    const std::lock_guard guard(read_mutex_);
    if (const auto now = head()) {
      stats.first = now->first;
      stats.last = now->last;
    }
    if (const auto bytes = read_db_->query_integer(kDiskBytesSql)) {
      stats.disk_bytes = static_cast<std::uint64_t>(bytes->value_or(0));
    }
  }
  const std::lock_guard guard(last_mutex_);
  stats.first = std::max(stats.first, first_);
  stats.last = std::max(stats.last, last_);
  stats.commits = committer_->commits();
  stats.records = records_.load(std::memory_order_relaxed);
  return stats;
}

void PostgresJournal::close() {
  {
    const std::lock_guard guard(last_mutex_);
    if (closed_) return;
  }
  if (committer_) committer_->close();
  {
    const std::lock_guard guard(last_mutex_);
    closed_ = true;
  }
  last_changed_.notify_all();
  if (listener_.joinable()) listener_.join();
  if (write_db_ && writer_ != 0) (void)write_db_->run(kForgetWriterSql, writer_);
}

}  // namespace

Result<std::unique_ptr<Journal>> open_postgres_journal(const PostgresJournalOptions& options) {
  auto journal = std::make_unique<PostgresJournal>(options);
  MN_CHECK(journal->open());
  return journal;
}

}  // namespace minato

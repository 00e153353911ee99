#include "store/journal/postgres_journal.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/journal/postgres_tables.h"
#include "store/journal/test_records.h"
#include "store/queue/open.h"
#include "store/sql/postgres_for_test.h"

namespace minato {
namespace {

class PostgresJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = PostgresForTest::shared();
    if (server_ == nullptr) GTEST_SKIP() << "NOT TESTED HERE: " << PostgresForTest::kMissing;
    conninfo_ = server_->fresh_database();
  }
  PostgresJournalOptions options() {
    PostgresJournalOptions made;
    made.connection.conninfo = conninfo_;
    made.durability = ServerDurability::kAny;
    made.partition_records = 50;
    made.settle_timeout = std::chrono::seconds(20);
    return made;
  }
  std::unique_ptr<Journal> open() {
    auto opened = open_postgres_journal(options());
    EXPECT_TRUE(opened) << opened.error().what;
    return opened ? std::move(*opened) : nullptr;
  }
  std::unique_ptr<Postgres> connect() {
    auto db = Postgres::connect(options().connection);
    EXPECT_TRUE(db) << db.error().what;
    return std::move(*db);
  }
  void run(const std::string& sql) {
    const auto status = connect()->execute(sql.c_str());
    EXPECT_TRUE(status) << status.error().what;
  }
  static Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

  PostgresForTest* server_ = nullptr;
  std::string conninfo_;
};

TEST_F(PostgresJournalTest, AServerThatForgetsIsRefused) {
  auto durable = options();
  durable.durability = ServerDurability::kDurable;
  const auto no_fsync = open_postgres_journal(durable);
  ASSERT_FALSE(no_fsync) << "the test server runs with fsync = off";
  EXPECT_EQ(no_fsync.error().code, Errc::kRefused);
  EXPECT_NE(no_fsync.error().what.find("fsync"), std::string::npos);
  auto careless = options();
  careless.connection.conninfo += " options='-c synchronous_commit=off'";
  const auto asynchronous = open_postgres_journal(careless);
  ASSERT_FALSE(asynchronous);
  EXPECT_EQ(asynchronous.error().code, Errc::kRefused);
  EXPECT_NE(asynchronous.error().what.find("synchronous_commit"), std::string::npos);
}

TEST_F(PostgresJournalTest, AServerThatIsToldToForgetLaterGetsNoMoreRecords) {
  const auto journal = open();
  ASSERT_TRUE(journal->append({numbered_record(1)}));
  run("ALTER SYSTEM SET synchronous_commit = off");
  run("SELECT pg_reload_conf()");
  // The reload reaches the connection a moment later; what is written until then is durable.
  Result<Seq> answer = Seq{};
  std::uint64_t written = 1;
  const auto until = soon();
  while ((answer = journal->append({numbered_record(written + 1)})) && std::chrono::steady_clock::now() < until)
    ++written;
  run("ALTER SYSTEM RESET synchronous_commit");
  run("SELECT pg_reload_conf()");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kUnavailable);
  EXPECT_EQ(journal->stats().last.value, written);
  while (!(answer = journal->append({numbered_record(written + 1)})) && std::chrono::steady_clock::now() < until) {
  }
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->value, written + 1);
}

TEST_F(PostgresJournalTest, TwoServersOnOneDatabaseWriteOneSequenceWithoutGaps) {
  const auto one = open();
  const auto other = open();
  constexpr std::uint64_t kEach = 60;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::set<std::uint64_t> told;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      Journal& journal = thread % 2 == 0 ? *one : *other;
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const auto seq = journal.append({numbered_record(thread * 1000 + i)});
        ASSERT_TRUE(seq) << seq.error().what;
        const std::lock_guard guard(mutex);
        ASSERT_TRUE(told.insert(seq->value).second);
      }
    });
  }
  Seq seen{0};
  while (seen.value < 4 * kEach) {
    ASSERT_GT(one->wait_past(seen, soon()), seen);
    const auto entries = one->read(next(seen), {.records_max = 17});
    ASSERT_TRUE(entries) << entries.error().what;
    for (const auto& entry : *entries) {
      ASSERT_EQ(entry.seq, next(seen)) << "a record became visible before an earlier one";
      seen = entry.seq;
    }
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(*told.begin(), 1u);
  EXPECT_EQ(*told.rbegin(), 4 * kEach);
  EXPECT_EQ(told.size(), 4 * kEach);
}

TEST_F(PostgresJournalTest, AReaderIsToldOfWhatAnotherServerCommits) {
  const auto one = open();
  const auto other = open();
  for (std::uint64_t number = 1; number <= 5; ++number) {
    ASSERT_TRUE(other->append({numbered_record(number)}));
    EXPECT_EQ(one->wait_past(Seq{number - 1}, soon()).value, number);
  }
}

TEST_F(PostgresJournalTest, ALostLeaseIsRefusedAndTheOthersOfItsGroupAreNot) {
  ASSERT_TRUE(open_postgres_queue(options().connection));  // makes its tables
  run("INSERT INTO queue_lanes (lane_id, name, step_id, flags, since, ready_from, epoch, lease_until) VALUES "
      "(1, 'process|a', 1, 0, 0, 0, 7, 0), (2, 'process|b', 1, 0, 0, 0, 8, 0)");
  const auto journal = open();
  ASSERT_TRUE(journal->append({numbered_record(1)}, {{.lane = "process|a", .epoch = 7}}));
  ASSERT_TRUE(
      journal->append({numbered_record(2)}, {{.lane = "process|a", .epoch = 7}, {.lane = "process|b", .epoch = 8}}));
  const std::vector<std::vector<Fence>> lost = {{{.lane = "process|a", .epoch = 6}},
                                                {{.lane = "process|a", .epoch = 8}},
                                                {{.lane = "process|a", .epoch = 7}, {.lane = "process|b", .epoch = 7}},
                                                {{.lane = "process|gone", .epoch = 7}}};
  for (const auto& fences : lost) {
    const auto refused = journal->append({numbered_record(9)}, fences);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kConflict);
  }
  class Sink final : public CommitSink {
   public:
    void committed(std::span<const Committed> batch) override {
      for (const auto& one : batch) good.push_back(one.ticket);
      answers += batch.size();
    }
    void failed(std::span<const std::uint64_t> tickets, const Error& error) override {
      if (error.code == Errc::kConflict) bad.insert(bad.end(), tickets.begin(), tickets.end());
      answers += tickets.size();
    }
    std::vector<std::uint64_t> good, bad;
    std::atomic<std::size_t> answers{0};
  } sink;
  std::vector<Submission> batch;
  for (std::uint64_t ticket = 3; ticket <= 6; ++ticket) {
    batch.push_back({.records = {numbered_record(ticket)},
                     .fences = {{.lane = "process|a", .epoch = ticket == 4 ? 1u : 7u}},
                     .sink = &sink,
                     .ticket = ticket});
  }
  ASSERT_TRUE(journal->submit(std::move(batch)));
  while (sink.answers < 4) std::this_thread::yield();
  EXPECT_EQ(sink.good, (std::vector<std::uint64_t>{3, 5, 6}));
  EXPECT_EQ(sink.bad, (std::vector<std::uint64_t>{4}));
  const auto entries = journal->read(Seq{1}, {});
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 5u);
  EXPECT_TRUE(same((*entries)[3].record, numbered_record(5)));
}

TEST_F(PostgresJournalTest, KillsOfTheServerLoseNothingThatWasAcknowledgedAndDoubleNothing) {
  const auto journal = open();
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> acknowledged;
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 1; !stop; ++i) {
        const auto seq = journal->append({numbered_record(thread * 1'000'000 + i)});
        if (!seq) {
          EXPECT_EQ(seq.error().code, Errc::kUnavailable) << seq.error().what;
          std::this_thread::yield();
          continue;
        }
        const std::lock_guard guard(mutex);
        acknowledged.emplace_back(seq->value, thread * 1'000'000 + i);
      }
    });
  }
  for (int round = 0; round < 3; ++round) {
    std::size_t before = 0;
    {
      const std::lock_guard guard(mutex);
      before = acknowledged.size();
    }
    ASSERT_TRUE(server_->command("kill"));
    ASSERT_TRUE(server_->command("start"));
    const auto until = soon();
    while (std::chrono::steady_clock::now() < until) {
      const std::lock_guard guard(mutex);
      if (acknowledged.size() > before + 30) break;
    }
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  std::map<std::uint64_t, std::string> by_seq;
  std::set<std::string> bodies;
  for (Seq from{1};;) {
    const auto entries = journal->read(from, {});
    ASSERT_TRUE(entries) << entries.error().what;
    if (entries->empty()) break;
    for (const auto& entry : *entries) {
      by_seq[entry.seq.value] = entry.record.body;
      EXPECT_TRUE(bodies.insert(entry.record.body).second) << "a record is there twice";
    }
    from = next(entries->back().seq);
  }
  EXPECT_GT(acknowledged.size(), 90u);
  for (const auto& [seq, number] : acknowledged)
    ASSERT_EQ(by_seq[seq], numbered_record(number).body) << "sequence " << seq;
}

TEST_F(PostgresJournalTest, ABatchThatWasGivenUpCanTakePlaceNoMore) {
  const auto db = connect();
  ASSERT_TRUE(make_journal_tables(*db, 50));
  ASSERT_TRUE(make_partitions(*db, Seq{50}));
  const auto writer = register_writer(*db);
  ASSERT_TRUE(writer);
  const std::vector<std::int64_t> one = {1};
  const std::vector<PostgresBlob> bytes = {{"{}"}};
  const auto insert = [&](std::int64_t batch) {
    const auto rows = db->query(kInsertRecordsSql, *writer, batch, std::int64_t{1}, one, one, one, bytes, bytes);
    EXPECT_TRUE(rows) << rows.error().what;
    return rows && rows->size() == 1;
  };
  EXPECT_TRUE(insert(1));
  EXPECT_FALSE(insert(1)) << "the same batch twice";
  const auto took_place = db->query(kSettleSql, *writer, std::int64_t{1});
  ASSERT_TRUE(took_place);
  EXPECT_EQ(took_place->integer(0, 0), 1);
  EXPECT_EQ(took_place->integer(0, 1), 0) << "the sequence before its first";
  const auto given_up = db->query(kSettleSql, *writer, std::int64_t{2});
  ASSERT_TRUE(given_up);
  EXPECT_EQ(given_up->integer(0, 0), 1);
  EXPECT_FALSE(insert(2)) << "it comes too late";
  EXPECT_TRUE(insert(4));
  const auto head = read_head(*db);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->last, Seq{2});
}

TEST_F(PostgresJournalTest, ARottenOrMissingRowIsAnAlarm) {
  const auto journal = open();
  for (std::uint64_t number = 1; number <= 10; ++number) ASSERT_TRUE(journal->append({numbered_record(number)}));
  run("UPDATE journal_records SET body = body || 'x' WHERE seq = 4");
  const auto rotten = journal->read(Seq{1}, {});
  ASSERT_FALSE(rotten);
  EXPECT_EQ(rotten.error().code, Errc::kCorrupt);
  EXPECT_NE(rotten.error().what.find("sequence 4"), std::string::npos) << rotten.error().what;
  run("DELETE FROM journal_records WHERE seq = 7");
  const auto missing = journal->read(Seq{5}, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kCorrupt);
  run("DELETE FROM journal_records WHERE seq > 7");
  const auto at_end = journal->read(Seq{9}, {});
  ASSERT_FALSE(at_end);
  EXPECT_EQ(at_end.error().code, Errc::kCorrupt);
}

TEST_F(PostgresJournalTest, APurgeDropsPartitionsAndGivesTheirSpaceBack) {
  const auto journal = open();
  for (int i = 0; i < 20; ++i) {
    std::vector<Record> records;
    for (std::uint64_t j = 0; j < 10; ++j) {
      auto record = numbered_record(j);
      record.body.assign(1'800, static_cast<char>('a' + j));
      records.push_back(std::move(record));
    }
    ASSERT_TRUE(journal->append(std::move(records)));
  }
  const auto before = journal->stats().disk_bytes;
  const auto gone = journal->purge(Seq{170});
  ASSERT_TRUE(gone) << gone.error().what;
  EXPECT_EQ(*gone, Seq{170});
  EXPECT_LT(journal->stats().disk_bytes, before / 2);
  const auto rest = journal->read(Seq{171}, {});
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->size(), 30u);
}

TEST_F(PostgresJournalTest, NewerTablesAreRefused) {
  open();
  run("UPDATE journal_head SET version = 2");
  const auto refused = open_postgres_journal(options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
}

}  // namespace
}  // namespace minato

#include "store/journal/journal_conformance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "os/sim/sim_clock.h"
#include "os/sim/sim_files.h"
#include "store/journal/postgres_journal.h"
#include "store/journal/segment_journal.h"
#include "store/journal/test_directory.h"
#include "store/journal/test_records.h"
#include "store/sql/postgres_for_test.h"

namespace minato {
namespace {

class RealFilesFixture final : public JournalFixture {
 public:
  Result<std::unique_ptr<Journal>> open() override {
    return open_segment_journal(real_files(), real_clock(),
                                {.directory = directory_.path() + "/journal",
                                 .segment_bytes = 64 * kKiB,  // so that sealing takes place under every test
                                 .zero_ahead_bytes = 4096,
                                 .space_low_bytes = 0,
                                 .sealed_block_bytes = 8 * kKiB,
                                 .compression_level = 1});
  }

 private:
  TestDirectory directory_;
};

class SimFilesFixture final : public JournalFixture {
 public:
  Result<std::unique_ptr<Journal>> open() override {
    return open_segment_journal(files_, clock_,
                                {.directory = "data/journal",
                                 .segment_bytes = 16 * kKiB,
                                 .zero_ahead_bytes = 1024,
                                 .space_low_bytes = 0,
                                 .sealed_block_bytes = 4 * kKiB,
                                 .compression_level = 1,
                                 .random = &random_});
  }

 private:
  sim::SimFiles files_{7};
  sim::SimClock clock_;
  sim::SeededRandom random_{7};
};

class PostgresFixture final : public JournalFixture {
 public:
  PostgresFixture() {
    if (auto* server = PostgresForTest::shared()) conninfo_ = server->fresh_database();
  }
  std::string unavailable() const override { return conninfo_.empty() ? PostgresForTest::kMissing : ""; }
  Result<std::unique_ptr<Journal>> open() override {
    return open_postgres_journal({.connection = {.conninfo = conninfo_},
                                  .durability = ServerDurability::kAny,
                                  .partition_records = 40});  // so that partitions come and go under every test
  }

 private:
  std::string conninfo_;
};

template <typename Fixture>
std::unique_ptr<JournalFixture> make() {
  return std::make_unique<Fixture>();
}

// Collects what a journal tells; lets a test wait for it.
class Collector final : public CommitSink {
 public:
  void committed(std::span<const Committed> batch) override {
    const std::lock_guard guard(mutex_);
    ++calls_;
    committed_.insert(committed_.end(), batch.begin(), batch.end());
    changed_.notify_all();
  }
  void failed(std::span<const std::uint64_t> tickets, const Error& error) override {
    const std::lock_guard guard(mutex_);
    failed_.insert(failed_.end(), tickets.begin(), tickets.end());
    errors_.push_back(error);
    changed_.notify_all();
  }
  // Blocks until that many tickets were answered, either way.
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return committed_.size() + failed_.size() >= count; });
  }
  std::vector<Committed> committed_;
  std::vector<std::uint64_t> failed_;
  std::vector<Error> errors_;
  std::size_t calls_ = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

Submission submission(std::vector<Record> records, CommitSink* sink, std::uint64_t ticket) {
  return {.records = std::move(records), .fences = {}, .sink = sink, .ticket = ticket};
}

Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }
Deadline past() { return std::chrono::steady_clock::now() - std::chrono::seconds(1); }

class JournalConformance : public testing::TestWithParam<std::pair<const char*, JournalFixtureMaker>> {
 protected:
  void SetUp() override {
    fixture_ = GetParam().second();
    if (const auto why = fixture_->unavailable(); !why.empty()) {
      GTEST_SKIP() << "NOT TESTED HERE: " << GetParam().first << ": " << why;
    }
    reopen();
  }
  void reopen() {
    journal_.reset();
    auto opened = fixture_->open();
    ASSERT_TRUE(opened) << opened.error().what;
    journal_ = std::move(*opened);
  }
  void append_numbered(std::uint64_t from, std::uint64_t to) {
    for (auto number = from; number <= to; ++number) {
      const auto seq = journal_->append({numbered_record(number)});
      ASSERT_TRUE(seq) << seq.error().what;
      ASSERT_EQ(seq->value, number);
    }
  }
  std::vector<Entry> read_all(Seq from, ReadLimits limits = {}) {
    std::vector<Entry> all;
    while (true) {
      auto some = journal_->read(from, limits);
      EXPECT_TRUE(some) << some.error().what;
      if (!some || some->empty()) return all;
      from = next(some->back().seq);
      std::ranges::move(*some, std::back_inserter(all));
    }
  }
  void expect_numbered(const std::vector<Entry>& entries, std::uint64_t from, std::uint64_t to) {
    ASSERT_EQ(entries.size(), to + 1 - from);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      ASSERT_EQ(entries[i].seq.value, from + i);
      ASSERT_TRUE(same(entries[i].record, numbered_record(from + i))) << "sequence " << from + i;
    }
  }

  std::unique_ptr<JournalFixture> fixture_;
  std::unique_ptr<Journal> journal_;
};

TEST_P(JournalConformance, AnEmptyJournalHasNothingToRead) {
  EXPECT_EQ(journal_->stats().last, Seq{0});
  EXPECT_EQ(journal_->stats().first, Seq{1});
  const auto read = journal_->read(Seq{1}, {});
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->empty());
}

TEST_P(JournalConformance, SequencesAreOneTwoThree) {
  append_numbered(1, 20);
  EXPECT_EQ(journal_->stats().last, Seq{20});
  EXPECT_EQ(journal_->stats().records, 20u);
}

TEST_P(JournalConformance, EveryByteOfARecordComesBack) {
  std::string body;
  for (int byte = 0; byte < 256; ++byte) body.push_back(static_cast<char>(byte));
  const std::vector<Record> records = {
      {.kind = RecordKind::kHl7Received, .time = from_micros(-1), .meta = "{}", .body = body},
      {.kind = RecordKind::kPurge, .time = from_micros(1), .meta = R"({"by":"日本"})", .body = ""},
      {.kind = RecordKind::kHl7Refused,
       .time = from_micros(0),
       .meta = R"({ "a" : 1.10 })",
       .body = std::string(1, '\0')},
  };
  ASSERT_TRUE(journal_->append(records));
  for (int time = 0; time < 2; ++time) {
    const auto entries = read_all(Seq{1});
    ASSERT_EQ(entries.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(same(entries[i].record, records[i])) << i;
    reopen();
  }
}

TEST_P(JournalConformance, WhatWasAppendedIsThereAfterReopening) {
  append_numbered(1, 30);
  reopen();
  expect_numbered(read_all(Seq{1}), 1, 30);
  append_numbered(31, 40);
  reopen();
  expect_numbered(read_all(Seq{1}), 1, 40);
}

TEST_P(JournalConformance, LargeRecordsAndManySegmentsComeBackWhole) {
  std::vector<std::string> bodies;
  for (std::size_t i = 0; i < 40; ++i) bodies.push_back(std::string(1 + i * 3'777, static_cast<char>('a' + i % 26)));
  bodies.push_back(std::string(5 * kMiB, 'x'));
  for (const auto& body : bodies)
    ASSERT_TRUE(journal_->append({{.kind = RecordKind::kHl7Received, .time = {}, .meta = "{}", .body = body}}));
  for (int time = 0; time < 2; ++time) {
    const auto entries = read_all(Seq{1});
    ASSERT_EQ(entries.size(), bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) ASSERT_EQ(entries[i].record.body, bodies[i]) << "record " << i;
    reopen();
  }
}

TEST_P(JournalConformance, ReadingStartsAnywhereAndKeepsItsLimits) {
  append_numbered(1, 300);
  for (const std::uint64_t from : {1u, 2u, 150u, 299u, 300u}) expect_numbered(read_all(Seq{from}), from, 300);
  const auto few = journal_->read(Seq{100}, {.records_max = 7});
  ASSERT_TRUE(few);
  expect_numbered(*few, 100, 106);
  const auto one = journal_->read(Seq{100}, {.records_max = 1000, .bytes_max = 1});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 1u);
  expect_numbered(read_all(Seq{1}, {.records_max = 3, .bytes_max = 40}), 1, 300);
  const auto beyond = journal_->read(Seq{301}, {});
  ASSERT_TRUE(beyond);
  EXPECT_TRUE(beyond->empty());
}

TEST_P(JournalConformance, RecordsOfOneSubmissionStandSideBySide) {
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (std::uint64_t i = 0; i < 25; ++i) {
        const auto number = thread * 1000 + i * 3;
        const auto first =
            journal_->append({numbered_record(number), numbered_record(number + 1), numbered_record(number + 2)});
        ASSERT_TRUE(first) << first.error().what;
        const auto back = journal_->read(*first, {.records_max = 3});
        ASSERT_TRUE(back) << back.error().what;
        ASSERT_EQ(back->size(), 3u);
        for (std::uint64_t part = 0; part < 3; ++part)
          ASSERT_TRUE(same((*back)[part].record, numbered_record(number + part)));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(journal_->stats().last, Seq{300});
  EXPECT_EQ(read_all(Seq{1}).size(), 300u);
}

TEST_P(JournalConformance, ASinkIsToldOfEachTicketOnceInOrderWithItsSequence) {
  Collector sink;
  std::vector<Submission> batch;
  for (std::uint64_t ticket = 1; ticket <= 50; ++ticket) {
    batch.push_back(submission({numbered_record(ticket * 2), numbered_record(ticket * 2 + 1)}, &sink, ticket));
  }
  ASSERT_TRUE(journal_->submit(std::move(batch)));
  sink.wait_for(50);
  ASSERT_EQ(sink.committed_.size(), 50u);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(sink.committed_[i].ticket, i + 1);
    EXPECT_EQ(sink.committed_[i].seq.value, 1 + i * 2);
  }
  // A batch that fits one commit is one call.
  EXPECT_EQ(sink.calls_, 1u);
  EXPECT_EQ(journal_->stats().commits, 1u);
}

TEST_P(JournalConformance, WhatASinkWasToldIsAlreadyReadable) {
  class Reader final : public CommitSink {
   public:
    void committed(std::span<const Committed> batch) override { last = batch.back().seq.value; }
    void failed(std::span<const std::uint64_t>, const Error&) override { last = 0; }
    std::atomic<std::uint64_t> last{~std::uint64_t{0}};
  } sink;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    sink.last = ~std::uint64_t{0};
    ASSERT_TRUE(journal_->submit([&] {
      std::vector<Submission> one;
      one.push_back(submission({numbered_record(number)}, &sink, number));
      return one;
    }()));
    while (sink.last == ~std::uint64_t{0}) std::this_thread::yield();
    ASSERT_EQ(sink.last, number);
    EXPECT_EQ(journal_->stats().last.value, number);
    const auto back = journal_->read(Seq{number}, {});
    ASSERT_TRUE(back);
    ASSERT_EQ(back->size(), 1u);
  }
}

TEST_P(JournalConformance, ManyThreadsShareCommitsAndLoseNothing) {
  constexpr std::uint64_t kThreads = 8, kEach = 40;
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> told;  // sequence, number
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const auto number = thread * kEach + i;
        const auto seq = journal_->append({numbered_record(number)});
        ASSERT_TRUE(seq) << seq.error().what;
        const std::lock_guard guard(mutex);
        told.emplace_back(seq->value, number);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::ranges::sort(told);
  const auto entries = read_all(Seq{1});
  ASSERT_EQ(entries.size(), kThreads * kEach);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    ASSERT_EQ(told[i].first, i + 1);
    ASSERT_TRUE(same(entries[i].record, numbered_record(told[i].second)));
  }
  EXPECT_LE(journal_->stats().commits, kThreads * kEach);
}

TEST_P(JournalConformance, AReaderBesideWritersSeesEveryRecordOnceAndInOrder) {
  constexpr std::uint64_t kRecords = 400;
  std::thread writer([this] {
    for (std::uint64_t number = 1; number <= kRecords; number += 4) {
      ASSERT_TRUE(journal_->append({numbered_record(number), numbered_record(number + 1), numbered_record(number + 2),
                                    numbered_record(number + 3)}));
    }
  });
  Seq seen{0};
  while (seen.value < kRecords) {
    const Seq last = journal_->wait_past(seen, soon());
    if (last <= seen) {
      ADD_FAILURE() << "nothing came after sequence " << seen.value;
      break;
    }
    const auto entries = journal_->read(next(seen), {.records_max = 50});
    ASSERT_TRUE(entries) << entries.error().what;
    ASSERT_FALSE(entries->empty());
    for (const auto& entry : *entries) {
      ASSERT_EQ(entry.seq, next(seen));
      ASSERT_TRUE(same(entry.record, numbered_record(entry.seq.value)));
      seen = entry.seq;
    }
  }
  writer.join();
}

TEST_P(JournalConformance, WaitPastReturnsAtItsDeadlineAndAtOnceWhenThereIsMore) {
  EXPECT_EQ(journal_->wait_past(Seq{0}, past()), Seq{0});
  append_numbered(1, 3);
  EXPECT_EQ(journal_->wait_past(Seq{2}, soon()), Seq{3});
  EXPECT_EQ(journal_->wait_past(Seq{3}, past()), Seq{3});
}

TEST_P(JournalConformance, ClosingWakesWaitersAndRefusesWhatComes) {
  append_numbered(1, 2);
  std::thread waiter([this] { EXPECT_EQ(journal_->wait_past(Seq{2}, soon()), Seq{2}); });
  journal_->close();
  waiter.join();
  const auto refused = journal_->append({numbered_record(3)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  journal_->close();
  reopen();
  expect_numbered(read_all(Seq{1}), 1, 2);
}

TEST_P(JournalConformance, ASubmissionWithoutRecordsIsRefused) {
  const auto refused = journal_->append({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kRefused);
  append_numbered(1, 1);
}

TEST_P(JournalConformance, PurgingEverythingLeavesTheSequenceGoingOn) {
  append_numbered(1, 50);
  const auto before = journal_->stats().disk_bytes;
  const auto gone = journal_->purge(Seq{50});
  ASSERT_TRUE(gone) << gone.error().what;
  EXPECT_EQ(*gone, Seq{50});
  EXPECT_EQ(journal_->stats().first, Seq{51});
  EXPECT_EQ(journal_->stats().last, Seq{50});
  EXPECT_LE(journal_->stats().disk_bytes, before);
  const auto purged = journal_->read(Seq{50}, {});
  ASSERT_FALSE(purged);
  EXPECT_EQ(purged.error().code, Errc::kNotFound);
  append_numbered(51, 52);
  reopen();
  EXPECT_EQ(journal_->stats().first, Seq{51});
  expect_numbered(read_all(Seq{51}), 51, 52);
  const auto again = journal_->read(Seq{1}, {});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kNotFound);
}

TEST_P(JournalConformance, PurgingRemovesNothingBeyondWhatWasAskedFor) {
  for (std::uint64_t number = 1; number <= 200; ++number) {
    auto record = numbered_record(number);
    record.body.resize(2'000, 'x');
    ASSERT_TRUE(journal_->append({record}));
  }
  const auto none = journal_->purge(Seq{0});
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, Seq{0});
  const auto gone = journal_->purge(Seq{120});
  ASSERT_TRUE(gone) << gone.error().what;
  EXPECT_LE(*gone, Seq{120});
  EXPECT_GE(*gone, Seq{60}) << "whole segments before it are gone";
  EXPECT_EQ(journal_->stats().first, next(*gone));
  EXPECT_EQ(read_all(next(*gone)).size(), 200 - gone->value);
  const auto below = journal_->purge(Seq{1});
  ASSERT_TRUE(below);
  EXPECT_EQ(*below, *gone);
}

INSTANTIATE_TEST_SUITE_P(, JournalConformance,
                         testing::Values(std::pair{"RealFiles", &make<RealFilesFixture>},
                                         std::pair{"SimFiles", &make<SimFilesFixture>},
                                         std::pair{"Postgres", &make<PostgresFixture>}),
                         [](const auto& given) { return std::string(given.param.first); });

}  // namespace
}  // namespace minato

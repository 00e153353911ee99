// Random histories of a journal on a disk that fails, against a model that is three lists. Each history is its seed:
//   MINATO_SIM_SEED=123 minato_journal_test --gtest_filter='*Simulation*'      replays one
//   MINATO_SIM_SEEDS=100000 …                                                  tries that many
#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>

#include "os/sim/sim_clock.h"
#include "os/sim/sim_files.h"
#include "store/journal/backup.h"
#include "store/journal/segment_journal.h"
#include "store/journal/test_records.h"

namespace minato {
namespace {

constexpr std::uint64_t kSeeds = 3'000;
constexpr std::size_t kStepsPerHistory = 60;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// One submission, by the numbers of its records.
using Numbers = std::vector<std::uint64_t>;

class History final : public CommitSink {
 public:
  explicit History(std::uint64_t seed) : random_(seed), files_(seed ^ 0x5eed), journal_random_(seed ^ 0xfeed) {}

  void run() {
    reopen();
    for (std::size_t step = 0; step < kStepsPerHistory && !testing::Test::HasFailure(); ++step) one_step();
    if (testing::Test::HasFailure()) return;
    crash();
    check_all();
    const auto verified = journal_->verify();
    EXPECT_TRUE(verified.problems.empty()) << verified.problems.front();
  }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t crashes() const { return crashes_; }

 private:
  void committed(std::span<const Committed> batch) override {
    for (const auto& one : batch) {
      ASSERT_FALSE(waiting_.empty());
      ASSERT_EQ(one.ticket, waiting_.front().front()) << "answers come in the order of submission";
      ASSERT_EQ(one.seq.value, log_.size() + 1) << "sequences have no gaps";
      log_.insert(log_.end(), waiting_.front().begin(), waiting_.front().end());
      waiting_.pop_front();
      ++acknowledged_;
    }
  }
  void failed(std::span<const std::uint64_t> tickets, const Error& error) override {
    for (const auto ticket : tickets) {
      ASSERT_FALSE(waiting_.empty());
      ASSERT_EQ(ticket, waiting_.front().front());
      // kUnavailable: it is not there. kCorrupt: only the next start knows.
      if (error.code == Errc::kUnavailable) {
        ASSERT_TRUE(unknown_.empty()) << "nothing is merely unavailable after a failure for good";
      } else {
        ASSERT_EQ(error.code, Errc::kCorrupt) << error.what;
        unknown_.push_back(waiting_.front());
      }
      waiting_.pop_front();
    }
  }

  Record record(std::uint64_t number) const {
    auto made = numbered_record(number);
    // Most are small, some span sectors, a few span segments. Zeros among them: a torn one must not pass for whole.
    const auto kind = number * 0x9e3779b97f4a7c15 >> 59;
    if (kind < 8) made.body.resize(made.body.size() + number % 700, static_cast<char>('a' + number % 26));
    if (kind == 8) made.body.resize(made.body.size() + number % 9'000, '\0');
    return made;
  }

  void one_step() {
    switch (random_.below(16)) {
      case 0:
        files_.power_cut_after(1 + random_.below(25));
        break;
      case 1:
        files_.fail_sync_after(1 + random_.below(6));
        break;
      case 2:
        files_.fail_write_after(1 + random_.below(6));
        break;
      case 3:
        files_.set_capacity(random_.chance(50) ? 20'000 + random_.below(60'000) : 10'000'000);
        break;
      case 4:
        (void)journal_->maintain();
        break;
      case 5:
        purge();
        break;
      case 6:
        (void)journal_->roll();
        break;
      case 7:
        crash();
        break;
      case 8:
        check_some();
        break;
      case 9:
        clock_.advance(std::chrono::seconds(1));
        clock_.jump(std::chrono::hours(random_.below(48)) - std::chrono::hours(24));
        break;
      default:
        submit();
    }
    // A journal that refuses for good, or that has no power, is a process that stops.
    if (!unknown_.empty() || !files_.powered()) crash();
  }

  void submit() {
    std::vector<Submission> batch;
    const auto submissions = 1 + random_.below(5);
    for (std::uint64_t i = 0; i < submissions; ++i) {
      Numbers numbers;
      std::vector<Record> records;
      const auto count = 1 + random_.below(3);
      for (std::uint64_t j = 0; j < count; ++j) {
        numbers.push_back(++last_number_);
        records.push_back(record(last_number_));
      }
      batch.push_back({.records = std::move(records), .fences = {}, .sink = this, .ticket = numbers.front()});
      waiting_.push_back(std::move(numbers));
    }
    if (!journal_->submit(std::move(batch))) waiting_.clear();
    ASSERT_TRUE(waiting_.empty()) << "every ticket gets an answer";
    ASSERT_EQ(journal_->stats().last.value, log_.size());
  }

  void purge() {
    const Seq through{random_.below(log_.size() + 1)};
    purge_asked_ = std::max(purge_asked_, through.value);
    const auto gone = journal_->purge(through);
    if (!gone) return;
    EXPECT_LE(gone->value, purge_asked_);
    EXPECT_EQ(journal_->stats().first, next(*gone));
  }

  void crash() {
    ++crashes_;
    if (random_.chance(60) || !files_.powered()) {
      files_.power_cut();
    } else {
      files_.process_kill();
    }
    reopen();
  }

  // Starts until a start succeeds; while it does not, power cuts and kills go on.
  void reopen() {
    journal_.reset();
    if (random_.chance(20)) files_.power_cut_after(1 + random_.below(12));
    if (random_.chance(10)) files_.fail_sync_after(1 + random_.below(4));
    while (!open()) {
      files_.power_cut();
      files_.set_capacity(10'000'000);
      if (random_.chance(30)) files_.power_cut_after(1 + random_.below(12));
    }
    recover_model();
  }

  bool open() {
    auto opened = open_segment_journal(files_, clock_,
                                       {.directory = "data/journal",
                                        .maintenance = Maintenance::kByHand,
                                        .segment_bytes = kSegmentHeaderBytes + 1'000 + random_.below(6'000),
                                        .zero_ahead_bytes = 256u << random_.below(4),
                                        .group_bytes_max = 1'000 + random_.below(20'000),
                                        .space_low_bytes = random_.chance(30) ? 5'000u : 0u,
                                        .sealed_block_bytes = 500 + random_.below(2'000),
                                        .compression_level = 1,
                                        .random = &journal_random_});
    if (opened) {
      journal_ = std::move(*opened);
      files_.clear_faults();
      return true;
    }
    EXPECT_TRUE(faulted(opened.error())) << opened.error().what;
    return testing::Test::HasFailure();
  }
  // Only what was injected may stop a start; never what an earlier crash left behind.
  static bool faulted(const Error& error) { return error.what.find("simulated") != std::string::npos; }

  // What was acknowledged is there, and of the rest a beginning, in whole submissions.
  void recover_model() {
    if (journal_ == nullptr) return;
    const auto last = journal_->stats().last.value;
    ASSERT_GE(last, log_.size()) << "an acknowledged record is lost";
    while (log_.size() < last) {
      ASSERT_FALSE(unknown_.empty()) << "a record came back that nobody submitted, or that was refused";
      log_.insert(log_.end(), unknown_.front().begin(), unknown_.front().end());
      unknown_.pop_front();
    }
    ASSERT_EQ(log_.size(), last) << "a part of a submission came back";
    unknown_.clear();
    ASSERT_LE(journal_->stats().first.value, purge_asked_ + 1) << "more is gone than was purged";
    check_some();
  }

  void check_some() {
    const auto first = journal_->stats().first.value;
    if (first > log_.size()) return;
    check_from(first + random_.below(log_.size() + 1 - first), 1 + random_.below(40));
  }
  void check_all() {
    for (auto at = journal_->stats().first.value; at <= log_.size(); at += 50) check_from(at, 50);
  }
  void check_from(std::uint64_t from, std::uint64_t count) {
    const auto entries = journal_->read(Seq{from}, {.records_max = count});
    if (!entries && !files_.powered()) return;
    ASSERT_TRUE(entries) << entries.error().what;
    ASSERT_EQ(entries->size(), std::min<std::uint64_t>(count, log_.size() + 1 - from));
    for (const auto& entry : *entries) {
      ASSERT_EQ(entry.seq.value, from);
      ASSERT_TRUE(same(entry.record, record(log_[from - 1]))) << "sequence " << from;
      ++from;
    }
  }

  sim::SeededRandom random_;
  sim::SimFiles files_;
  sim::SeededRandom journal_random_;
  sim::SimClock clock_;
  std::unique_ptr<SegmentJournal> journal_;

  std::vector<std::uint64_t> log_;  // the number that each sequence holds, from 1 on
  std::deque<Numbers> waiting_;     // submitted, not answered
  std::deque<Numbers> unknown_;     // answered "only the next start knows", in order
  std::uint64_t last_number_ = 0;
  std::uint64_t purge_asked_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t crashes_ = 0;
};

TEST(JournalSimulation, NoHistoryLosesWhatWasAcknowledgedOrShowsWhatWasNotSubmitted) {
  const char* one = std::getenv("MINATO_SIM_SEED");
  const auto first = one != nullptr ? from_environment("MINATO_SIM_SEED", 1) : 1;
  const auto last = one != nullptr ? first : from_environment("MINATO_SIM_SEEDS", kSeeds);
  std::uint64_t acknowledged = 0, crashes = 0;
  for (auto seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("replay with MINATO_SIM_SEED=" + std::to_string(seed));
    History history(seed);
    history.run();
    acknowledged += history.acknowledged();
    crashes += history.crashes();
    if (HasFailure()) return;
  }
  std::printf("%llu histories, %llu submissions acknowledged, %llu crashes\n",
              static_cast<unsigned long long>(last + 1 - first), static_cast<unsigned long long>(acknowledged),
              static_cast<unsigned long long>(crashes));
  EXPECT_GT(acknowledged, (last + 1 - first) * 20) << "a history that does nothing proves nothing";
}

}  // namespace
}  // namespace minato

#include "store/journal/segment_journal.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "os/sim/sim_clock.h"
#include "os/sim/sim_files.h"
#include "store/journal/backup.h"
#include "store/journal/data_directory.h"
#include "store/journal/test_directory.h"
#include "store/journal/test_records.h"

namespace minato {
namespace {

const std::string kDirectory = "data/journal";

// A journal on a simulated disk, without threads: each step is the test's.
class SegmentJournalTest : public testing::Test {
 protected:
  SegmentJournalOptions options() {
    return {.directory = kDirectory,
            .maintenance = Maintenance::kByHand,
            .segment_bytes = 8 * kKiB,
            .zero_ahead_bytes = 1024,
            .space_low_bytes = space_low_bytes_,
            .sealed_block_bytes = 1024,
            .random = &random_,
            .events = {.committed = {},
                       .refused_for_good = [this](const Error& error) { refused_for_good_.push_back(error); },
                       .space_low = [this](bool low) { space_low_events_.push_back(low); },
                       .sealed = [this](const SealFigures& figures) { sealed_.push_back(figures); },
                       .maintenance_failed = {}}};
  }
  Result<std::unique_ptr<SegmentJournal>> try_open() { return open_segment_journal(files_, clock_, options()); }
  void open() {
    journal_.reset();
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().what;
    journal_ = std::move(*opened);
  }
  // As after a SIGKILL: nothing is closed in order. The dead journal can no longer touch the files.
  void kill_and_open() {
    files_.process_kill();
    open();
  }
  void append(std::uint64_t from, std::uint64_t to) {
    for (auto number = from; number <= to; ++number) {
      const auto seq = journal_->append({numbered_record(number)});
      ASSERT_TRUE(seq) << seq.error().what;
      ASSERT_EQ(seq->value, number);
    }
  }
  void expect_records(std::uint64_t from, std::uint64_t to) {
    std::uint64_t number = from;
    while (true) {
      const auto entries = journal_->read(Seq{number}, {.records_max = 37});
      ASSERT_TRUE(entries) << entries.error().what;
      if (entries->empty()) break;
      for (const auto& entry : *entries) {
        ASSERT_EQ(entry.seq.value, number);
        ASSERT_TRUE(same(entry.record, numbered_record(number))) << number;
        ++number;
      }
    }
    EXPECT_EQ(number, to + 1);
  }
  void seal_all() {
    while (true) {
      const auto more = journal_->maintain();
      ASSERT_TRUE(more) << more.error().what;
      if (!*more) return;
    }
  }
  std::vector<std::string> names(std::string_view suffix) {
    std::vector<std::string> found;
    const auto listed = files_.list(kDirectory);
    for (const auto& name : *listed) {
      if (name.ends_with(suffix)) found.push_back(kDirectory + "/" + name);
    }
    return found;
  }
  void expect_alarm(const std::string& place) {
    journal_.reset();
    const auto opened = try_open();
    ASSERT_FALSE(opened) << "expected an alarm about " << place;
    EXPECT_EQ(opened.error().code, Errc::kCorrupt) << opened.error().what;
    EXPECT_NE(opened.error().what.find(place), std::string::npos) << opened.error().what;
  }

  sim::SimFiles files_{11};
  sim::SimClock clock_;
  sim::SeededRandom random_{12};
  std::uint64_t space_low_bytes_ = 0;
  std::vector<Error> refused_for_good_;
  std::vector<bool> space_low_events_;
  std::vector<SealFigures> sealed_;
  std::unique_ptr<SegmentJournal> journal_;
};

TEST_F(SegmentJournalTest, AKillLosesNothingThatWasAcknowledged) {
  open();
  for (std::uint64_t number = 1; number <= 300; number += 3) {
    append(number, number + 2);
    kill_and_open();
    ASSERT_EQ(journal_->stats().last.value, number + 2);
    EXPECT_EQ(journal_->recovery().torn_bytes, 0u);
  }
  expect_records(1, 300);
}

TEST_F(SegmentJournalTest, APowerCutLosesNothingThatWasAcknowledged) {
  open();
  for (std::uint64_t number = 1; number <= 300; number += 3) {
    append(number, number + 2);
    files_.power_cut();
    open();
    ASSERT_EQ(journal_->stats().last.value, number + 2);
  }
  expect_records(1, 300);
}

TEST_F(SegmentJournalTest, FullSegmentsAreSealedSmallerAndReadTheSame) {
  open();
  append(1, 1000);
  const auto raw_bytes = journal_->stats().disk_bytes;
  EXPECT_GT(names(".raw").size(), 5u);
  seal_all();
  EXPECT_EQ(names(".raw").size(), 1u);
  EXPECT_EQ(names(".sealed").size(), sealed_.size());
  EXPECT_LT(journal_->stats().disk_bytes, raw_bytes / 2);
  expect_records(1, 1000);
  const auto verified = journal_->verify();
  EXPECT_TRUE(verified.problems.empty()) << verified.problems.front();
  EXPECT_EQ(verified.records, 1000u);
  kill_and_open();
  expect_records(1, 1000);
  append(1001, 1100);
  seal_all();
  expect_records(1, 1100);
}

TEST_F(SegmentJournalTest, ACrashAtAnyStepOfSealingAndRollingLosesNothing) {
  open();
  append(1, 400);
  std::uint64_t last = 400;
  for (std::uint64_t step = 1; step <= 60; ++step) {
    files_.power_cut_after(step);
    while (journal_->maintain().value_or(false)) {
    }
    while (files_.powered() && journal_->append({numbered_record(last + 1)})) ++last;
    files_.power_cut();
    open();
    ASSERT_GE(journal_->stats().last.value, last) << "step " << step;
    last = journal_->stats().last.value;
    ASSERT_NO_FATAL_FAILURE(expect_records(1, last)) << "step " << step;
  }
  seal_all();
  EXPECT_GT(names(".sealed").size(), 3u);
}

TEST_F(SegmentJournalTest, RotInTheMiddleIsAnAlarmWithItsPlace) {
  open();
  append(1, 20);
  journal_->close();
  const auto path = names(".raw").front();
  const auto whole = files_.bytes(path);
  // Every byte of every record, header and group, one after the other.
  const auto end = whole.find_last_not_of('\0') + 1 - kGroupHeaderBytes;
  for (std::size_t at = 0; at < end; at += 7) {
    files_.flip(path, at, 0x08);
    expect_alarm(raw_segment_name(Seq{1}));
    files_.flip(path, at, 0x08);
  }
  open();
  expect_records(1, 20);
}

TEST_F(SegmentJournalTest, RotInAnEarlierRawSegmentIsAnAlarmEvenAtItsEnd) {
  open();
  append(1, 300);
  journal_->close();
  const auto path = names(".raw").front();
  files_.flip(path, files_.bytes(path).find_last_not_of('\0') - 1, 0x01);
  expect_alarm("before a later segment");
}

TEST_F(SegmentJournalTest, RotInASealedSegmentIsAnAlarmWhenItIsReadAndWhenItIsVerified) {
  open();
  append(1, 400);
  seal_all();
  kill_and_open();
  const auto path = names(".sealed").front();
  files_.flip(path, 100, 0x01);
  const auto read = journal_->read(Seq{1}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kCorrupt);
  EXPECT_NE(read.error().what.find(sealed_.front().first.value == 1 ? ".sealed" : "?"), std::string::npos);
  const auto verified = journal_->verify();
  ASSERT_EQ(verified.problems.size(), 1u);
  EXPECT_NE(verified.problems.front().find(".sealed"), std::string::npos);
}

TEST_F(SegmentJournalTest, RotUnderAnOpenJournalIsFoundByReadingAndNeverSealedIn) {
  open();
  append(1, 300);
  const auto path = names(".raw").front();
  files_.flip(path, kSegmentHeaderBytes + kGroupHeaderBytes + kRecordHeadBytes + kBodyHeadBytes, 0x20);
  const auto read = journal_->read(Seq{1}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kCorrupt);
  const auto sealed = journal_->maintain();
  ASSERT_FALSE(sealed);
  EXPECT_EQ(sealed.error().code, Errc::kCorrupt);
  EXPECT_FALSE(files_.bytes(path).empty()) << "the raw segment stays";
  EXPECT_FALSE(journal_->verify().problems.empty());
}

TEST_F(SegmentJournalTest, AReadErrorIsAnAlarmAndTheRecordsBesideItAreStillThere) {
  open();
  append(1, 20);
  const auto path = names(".raw").front();
  files_.fail_reads_at(path, kSegmentHeaderBytes + 50);
  const auto read = journal_->read(Seq{1}, {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kCorrupt);
  const auto later = journal_->read(Seq{10}, {});
  ASSERT_TRUE(later);
  EXPECT_EQ(later->size(), 11u);
}

TEST_F(SegmentJournalTest, AMissingSegmentIsAnAlarm) {
  open();
  append(1, 600);
  seal_all();
  journal_->close();
  const auto sealed = names(".sealed");
  ASSERT_GE(sealed.size(), 3u);
  for (const std::size_t which : {std::size_t{0}, std::size_t{1}}) {
    const auto bytes = files_.bytes(sealed[which]);
    ASSERT_TRUE(files_.remove(sealed[which]));
    expect_alarm(which == 0 ? "is missing" : "the next one begins at");
    files_.set_bytes(sealed[which], bytes);
  }
  open();
  expect_records(1, 600);
}

TEST_F(SegmentJournalTest, AfterAFailedSyncEverythingIsRefusedAndTheNextStartKeepsAllThatWasAcknowledged) {
  open();
  append(1, 10);
  files_.fail_sync_after(1);
  const auto failed = journal_->append({numbered_record(11)});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kCorrupt);
  const auto refused = journal_->append({numbered_record(12)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kCorrupt);
  EXPECT_EQ(refused_for_good_.size(), 1u);
  EXPECT_EQ(journal_->stats().last, Seq{10});
  const auto unseen = journal_->read(Seq{11}, {});
  ASSERT_TRUE(unseen);
  EXPECT_TRUE(unseen->empty());
  // The page cache may still show record 11 as if it were written. What the start then shows must last.
  kill_and_open();
  const auto last = journal_->stats().last.value;
  ASSERT_TRUE(last == 10 || last == 11);
  expect_records(1, last);
  files_.power_cut();
  open();
  EXPECT_EQ(journal_->stats().last.value, last);
  expect_records(1, last);
}

TEST_F(SegmentJournalTest, AFailedWriteRefusesEverythingAfterIt) {
  open();
  append(1, 10);
  files_.fail_write_after(1);
  ASSERT_FALSE(journal_->append({numbered_record(11)}));
  const auto refused = journal_->append({numbered_record(12)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kCorrupt);
  kill_and_open();
  ASSERT_GE(journal_->stats().last.value, 10u);
  expect_records(1, journal_->stats().last.value);
}

TEST_F(SegmentJournalTest, AFullDiskRefusesWithoutHarmAndGoesOnWhenThereIsRoom) {
  open();
  append(1, 50);
  const auto used = files_.space("data")->total_bytes - files_.space("data")->free_bytes;
  files_.set_capacity(used + 3'000);
  std::uint64_t last = 50;
  Result<Seq> refused = Seq{};
  while ((refused = journal_->append({numbered_record(last + 1)}))) ++last;
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_EQ(journal_->stats().last.value, last);
  expect_records(1, last);
  files_.set_capacity(used + 300'000);
  append(last + 1, last + 50);
  expect_records(1, last + 50);
  EXPECT_TRUE(refused_for_good_.empty());
  EXPECT_EQ(space_low_events_, (std::vector{true, false}));
  kill_and_open();
  expect_records(1, last + 50);
}

TEST_F(SegmentJournalTest, LowSpaceRefusesBeforeTheDiskIsFull) {
  space_low_bytes_ = 100'000;
  files_.set_capacity(150'000);
  open();
  std::uint64_t last = 0;
  Result<Seq> refused = Seq{};
  while ((refused = journal_->append({numbered_record(last + 1)}))) {
    ++last;
    clock_.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  EXPECT_GT(files_.space("data")->free_bytes, 90'000u);
  files_.set_capacity(300'000);
  append(last + 1, last + 1);
  EXPECT_EQ(space_low_events_, (std::vector{true, false}));
}

TEST_F(SegmentJournalTest, ANewSegmentThatFindsNoSpaceIsMadeLater) {
  open();
  append(1, 50);
  std::uint64_t last = 50;
  // Room for records in the segment but not for another one's header.
  while (files_.bytes(names(".raw").back()).size() < 7'900) {
    append(last + 1, last + 1);
    ++last;
  }
  files_.set_capacity(files_.space("data")->total_bytes - files_.space("data")->free_bytes + 1'500);
  while (journal_->append({numbered_record(last + 1)})) ++last;
  EXPECT_EQ(names(".raw").size(), 1u);
  files_.set_capacity(1'000'000);
  append(last + 1, last + 5);
  EXPECT_EQ(names(".raw").size(), 2u);
  kill_and_open();
  expect_records(1, last + 5);
}

TEST_F(SegmentJournalTest, ASecondProcessIsRefused) {
  open();
  const auto second = try_open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  journal_->close();
  EXPECT_TRUE(try_open());
}

TEST_F(SegmentJournalTest, ANewerFormatIsRefusedAndAMissingFormatFileIsAnAlarm) {
  open();
  append(1, 1);
  journal_.reset();
  const auto format = files_.bytes(kDirectory + "/format");
  EXPECT_EQ(format, "minato-journal 1\n");
  files_.set_bytes(kDirectory + "/format", "minato-journal 2\n");
  const auto newer = try_open();
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Errc::kRefused);
  files_.set_bytes(kDirectory + "/format", "something\n");
  expect_alarm("format");
  ASSERT_TRUE(files_.remove(kDirectory + "/format"));
  expect_alarm("format");
}

TEST_F(SegmentJournalTest, APurgeThatWasInterruptedIsFinishedAtTheNextStart) {
  for (std::uint64_t step = 1; step <= 12; ++step) {
    files_.power_cut_after(1'000'000);
    open();
    const auto first = journal_->stats().first.value;
    const auto last = journal_->stats().last.value;
    append(last + 1, last + 300);
    seal_all();
    files_.power_cut_after(step);
    const auto purged = journal_->purge(Seq{last + 200});
    files_.power_cut();
    open();
    const auto begins = journal_->stats().first.value;
    EXPECT_GE(begins, first);
    EXPECT_LE(begins, last + 201);
    if (purged) {
      EXPECT_EQ(begins, purged->value + 1);
    }
    expect_records(begins, last + 300);
  }
}

TEST_F(SegmentJournalTest, PurgingGivesTheSpaceBackAtOnce) {
  open();
  append(1, 2000);
  seal_all();
  const auto before = files_.space("data")->free_bytes;
  const auto purged = journal_->purge(Seq{1800});
  ASSERT_TRUE(purged);
  EXPECT_GT(purged->value, 1700u);
  EXPECT_GT(files_.space("data")->free_bytes, before);
  expect_records(purged->value + 1, 2000);
}

TEST_F(SegmentJournalTest, ABackupTakenWhileAppendsGoOnRestoresToTheSameRecords) {
  open();
  append(1, 500);
  ASSERT_TRUE(journal_->maintain());  // some sealed, some raw
  const auto report = journal_->backup(files_, "backup");
  ASSERT_TRUE(report) << report.error().what;
  EXPECT_EQ(report->last, Seq{500});
  append(501, 700);
  seal_all();
  ASSERT_TRUE(verify_backup(files_, "backup"));
  files_.power_cut();  // the backup is durable
  const auto restored = restore_backup(files_, "backup", files_, "restored/journal");
  ASSERT_TRUE(restored) << restored.error().what;
  files_.power_cut();  // and so is what was restored
  auto opts = options();
  opts.directory = "restored/journal";
  auto opened = open_segment_journal(files_, clock_, opts);
  ASSERT_TRUE(opened) << opened.error().what;
  journal_ = std::move(*opened);
  expect_records(1, 500);
  append(501, 510);
}

TEST_F(SegmentJournalTest, ABackupOfAPurgedJournalBeginsWhereTheJournalDoes) {
  open();
  append(1, 500);
  const auto purged = journal_->purge(Seq{200});
  ASSERT_TRUE(purged);
  ASSERT_TRUE(journal_->backup(files_, "backup"));
  ASSERT_TRUE(restore_backup(files_, "backup", files_, "restored/journal"));
  auto opts = options();
  opts.directory = "restored/journal";
  auto opened = open_segment_journal(files_, clock_, opts);
  ASSERT_TRUE(opened) << opened.error().what;
  journal_ = std::move(*opened);
  expect_records(purged->value + 1, 500);
}

TEST_F(SegmentJournalTest, ADamagedBackupIsNotRestored) {
  open();
  append(1, 500);
  seal_all();
  ASSERT_TRUE(journal_->backup(files_, "backup"));
  const auto listed = files_.list("backup");
  for (const auto& name : *listed) {
    const auto path = "backup/" + name;
    for (const std::size_t at : {std::size_t{3}, files_.bytes(path).size() / 2}) {
      files_.flip(path, at, 0x01);
      const auto verified = verify_backup(files_, "backup");
      EXPECT_FALSE(verified) << path << " byte " << at;
      EXPECT_FALSE(restore_backup(files_, "backup", files_, "restored/journal")) << path << " byte " << at;
      files_.flip(path, at, 0x01);
    }
    const auto bytes = files_.bytes(path);
    ASSERT_TRUE(files_.remove(path));
    EXPECT_FALSE(verify_backup(files_, "backup")) << path << " missing";
    files_.set_bytes(path, bytes);
  }
  EXPECT_TRUE(restore_backup(files_, "backup", files_, "restored/journal"));
  EXPECT_FALSE(restore_backup(files_, "backup", files_, "restored/journal")) << "never over something";
  EXPECT_FALSE(journal_->backup(files_, "backup")) << "never over something";
}

TEST_F(SegmentJournalTest, TooMuchWaitingIsRefusedAndNothingOfTheBatchIsTaken) {
  auto opts = options();
  opts.pending_bytes_max = 4'000;
  auto opened = open_segment_journal(files_, clock_, opts);
  ASSERT_TRUE(opened);
  // A sink that submits more while the first commit has not ended yet.
  class Greedy final : public CommitSink {
   public:
    void committed(std::span<const Committed> batch) override { done += batch.size(); }
    void failed(std::span<const std::uint64_t> tickets, const Error&) override { failures += tickets.size(); }
    std::size_t done = 0, failures = 0;
  } sink;
  auto big = numbered_record(1);
  big.body.resize(5'000, 'x');
  const auto refused = (*opened)->append({big});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kTooLarge);
  EXPECT_EQ((*opened)->stats().last, Seq{0});
}

TEST(SegmentJournalThreads, BackupAndPurgeAndReadingGoOnBesideAppends) {
  const TestDirectory directory;
  auto opened = open_segment_journal(real_files(), real_clock(),
                                     {.directory = directory.path() + "/journal",
                                      .segment_bytes = 64 * kKiB,
                                      .space_low_bytes = 0,
                                      .sealed_block_bytes = 8 * kKiB,
                                      .compression_level = 1});
  ASSERT_TRUE(opened) << opened.error().what;
  auto& journal = **opened;
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    writers.emplace_back([&] {
      for (std::uint64_t number = 0; !stop; ++number) ASSERT_TRUE(journal.append({test_message(number)}));
    });
  }
  for (int round = 0; round < 3; ++round) {
    journal.wait_past(Seq{journal.stats().last.value + 300},
                      std::chrono::steady_clock::now() + std::chrono::seconds(20));
    const auto target = directory.path() + "/backup" + std::to_string(round);
    const auto backup = journal.backup(real_files(), target);
    ASSERT_TRUE(backup) << backup.error().what;
    const auto purged = journal.purge(Seq{backup->last.value - 50});
    ASSERT_TRUE(purged) << purged.error().what;
    ASSERT_TRUE(verify_backup(real_files(), target));
    const auto restored = directory.path() + "/restored" + std::to_string(round);
    ASSERT_TRUE(restore_backup(real_files(), target, real_files(), restored));
    auto copy = open_segment_journal(real_files(), real_clock(), {.directory = restored, .space_low_bytes = 0});
    ASSERT_TRUE(copy) << copy.error().what;
    EXPECT_EQ((*copy)->stats().last, backup->last);
    EXPECT_EQ((*copy)->stats().first, backup->first);
    EXPECT_TRUE((*copy)->verify().problems.empty());
    const auto entries = (*copy)->read(backup->first, {.records_max = 100'000});
    ASSERT_TRUE(entries);
    EXPECT_EQ(entries->back().seq, backup->last);
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  EXPECT_TRUE(journal.verify().problems.empty());
}

// A site of some years has more segments than a process may have open files.
TEST(SegmentJournalFiles, ManySegmentsNeedFewOpenFiles) {
  const TestDirectory directory;
  SegmentJournalOptions options;
  options.directory = directory.path() + "/journal";
  options.maintenance = Maintenance::kByHand;
  options.segment_bytes = kSegmentHeaderBytes + 1;  // each record fills one
  options.space_low_bytes = 0;
  constexpr std::uint64_t kSegments = 150;
  auto journal = std::move(*open_segment_journal(real_files(), real_clock(), options));
  for (std::uint64_t number = 1; number <= kSegments; ++number) {
    ASSERT_TRUE(journal->append({numbered_record(number)}));
    ASSERT_TRUE(journal->maintain());
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{.rlim_cur = 100, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  journal.reset();
  journal = std::move(*open_segment_journal(real_files(), real_clock(), options));
  for (std::uint64_t number = 1; number <= kSegments; ++number)
    EXPECT_TRUE(journal->read(Seq{number}, {.records_max = 1}));
  const auto verified = journal->verify();
  const auto backup = journal->backup(real_files(), directory.path() + "/backup");
  const auto checked = verify_backup(real_files(), directory.path() + "/backup");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(verified.problems.empty()) << verified.problems.front();
  EXPECT_EQ(verified.records, kSegments);
  ASSERT_TRUE(backup) << backup.error().what;
  ASSERT_TRUE(checked) << checked.error().what;
  EXPECT_EQ(backup->last, Seq{kSegments});
}

TEST(DataDirectory, IsHeldByOneProcessAndKnowsItsFormat) {
  sim::SimFiles files(3);
  {
    const auto first = open_data_directory(files, "data");
    ASSERT_TRUE(first) << first.error().what;
    const auto second = open_data_directory(files, "data");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::kConflict);
  }
  EXPECT_EQ(files.bytes("data/format"), "minato-data 1\n");
  ASSERT_TRUE(open_data_directory(files, "data"));
  files.set_bytes("data/format", "minato-data 7\n");
  const auto newer = open_data_directory(files, "data");
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, Errc::kRefused);
}

}  // namespace
}  // namespace minato

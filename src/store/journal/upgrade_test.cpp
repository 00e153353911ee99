// Data directories of every released format stay readable. tests/upgrade/v<format>/ has one as it was written then, and
// records.txt with what is in it: sequence, kind, time, SHA-256 of meta and of body.
//
// A new format: MINATO_SAMPLE_DIR=tests/upgrade/v2 minato_journal_test --gtest_also_run_disabled_tests
// --gtest_filter='*MakeTheSample', and commit what it made. Never make an old one again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/bytes.h"
#include "crypto/sha256.h"
#include "os/files.h"
#include "store/journal/data_directory.h"
#include "store/journal/segment_journal.h"
#include "store/journal/test_directory.h"
#include "store/journal/test_records.h"

namespace minato {
namespace {

std::string line_of(const Entry& entry) {
  return std::to_string(entry.seq.value) + " " + std::to_string(static_cast<unsigned>(entry.record.kind)) + " " +
         std::to_string(to_micros(entry.record.time)) + " " + crypto::hex(crypto::sha256(entry.record.meta)) + " " +
         crypto::hex(crypto::sha256(entry.record.body)) + "\n";
}

SegmentJournalOptions options(const std::string& data) {
  SegmentJournalOptions made;
  made.directory = data + "/journal";
  made.maintenance = Maintenance::kByHand;
  made.segment_bytes = 16 * kKiB;
  made.zero_ahead_bytes = 4 * kKiB;
  made.space_low_bytes = 0;
  return made;
}

std::string all_lines(SegmentJournal& journal) {
  std::string lines;
  for (Seq from = journal.stats().first;;) {
    const auto entries = journal.read(from, {});
    EXPECT_TRUE(entries) << entries.error().what;
    if (!entries || entries->empty()) return lines;
    for (const auto& entry : *entries) lines += line_of(entry);
    from = next(entries->back().seq);
  }
}

void copy_directory(const std::string& from, const std::string& to) {
  auto& files = real_files();
  ASSERT_TRUE(files.make_directories(to));
  const auto names = files.list(from);
  ASSERT_TRUE(names) << names.error().what;
  for (const auto& name : *names) {
    const auto bytes = read_file(files, from + "/" + name, 64 * kMiB);
    if (!bytes) continue;  // a directory
    ASSERT_TRUE(write_file_atomically(files, to + "/" + name, *bytes));
  }
}

class Upgrade : public testing::TestWithParam<int> {};

TEST_P(Upgrade, ADataDirectoryOfThisFormatIsReadWholeAndGoesOn) {
  const char* source = std::getenv("MINATO_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "MINATO_SOURCE_DIR says where the samples are";
  const std::string sample = std::string(source) + "/tests/upgrade/v" + std::to_string(GetParam());
  const auto expected = read_file(real_files(), sample + "/records.txt", kMiB);
  ASSERT_TRUE(expected) << expected.error().what;
  const TestDirectory directory;
  const std::string data = directory.path() + "/data";
  ASSERT_NO_FATAL_FAILURE(copy_directory(sample + "/data", data));
  ASSERT_NO_FATAL_FAILURE(copy_directory(sample + "/data/journal", data + "/journal"));
  const auto held = open_data_directory(real_files(), data);
  ASSERT_TRUE(held) << held.error().what;
  for (int start = 0; start < 2; ++start) {
    const auto journal = open_segment_journal(real_files(), real_clock(), options(data));
    ASSERT_TRUE(journal) << journal.error().what;
    EXPECT_TRUE((*journal)->verify().problems.empty());
    auto lines = all_lines(**journal);
    EXPECT_EQ(lines.substr(0, expected->size()), *expected);
    EXPECT_EQ(std::ranges::count(lines, '\n'), std::ranges::count(*expected, '\n') + start);
    ASSERT_TRUE((*journal)->append({numbered_record(1)}));
    while ((*journal)->maintain().value_or(false)) {
    }
  }
}
INSTANTIATE_TEST_SUITE_P(EveryFormat, Upgrade, testing::Values(1));

TEST(UpgradeSample, DISABLED_MakeTheSample) {
  const char* target = std::getenv("MINATO_SAMPLE_DIR");
  ASSERT_NE(target, nullptr);
  const std::string data = std::string(target) + "/data";
  ASSERT_TRUE(open_data_directory(real_files(), data));
  std::string lines;
  {
    auto journal = std::move(*open_segment_journal(real_files(), real_clock(), options(data)));
    for (std::uint64_t number = 1; number <= 60; ++number) ASSERT_TRUE(journal->append({test_message(number)}));
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(journal->maintain());
    ASSERT_TRUE(journal->purge(Seq{15}));
    ASSERT_TRUE(journal->append({numbered_record(61), numbered_record(62)}));
    lines = all_lines(*journal);
  }
  ASSERT_TRUE(real_files().remove(data + "/lock"));
  ASSERT_TRUE(real_files().remove(data + "/journal/lock"));
  ASSERT_TRUE(write_file_atomically(real_files(), std::string(target) + "/records.txt", lines));
}

}  // namespace
}  // namespace minato

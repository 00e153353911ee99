#include "store/journal/sealed_segment.h"

#include <gtest/gtest.h>

#include "os/sim/sim_files.h"
#include "store/journal/test_records.h"

namespace minato {
namespace {

constexpr std::uint64_t kRecords = 200;

std::string sealed_bytes(std::size_t block_bytes) {
  SealedBuilder builder(Seq{101}, {.block_bytes = block_bytes, .level = 3});
  for (std::uint64_t number = 101; number <= 100 + kRecords; ++number) {
    std::string record;
    encode_record(record, numbered_record(number));
    EXPECT_TRUE(builder.add(record));
  }
  auto bytes = builder.finish();
  EXPECT_TRUE(bytes);
  return bytes.value_or("");
}

class SealedSegment : public testing::Test {
 protected:
  std::unique_ptr<File> file_with(std::string_view bytes) {
    files_.set_bytes("d/f", bytes);
    auto file = files_.open("d/f", OpenMode::kRead);
    EXPECT_TRUE(file);
    return std::move(*file);
  }
  sim::SimFiles files_{1};
};

TEST_F(SealedSegment, EveryRecordIsFoundThroughTheIndex) {
  const auto file = file_with(sealed_bytes(1'000));
  const auto index = read_sealed_index(*file);
  ASSERT_TRUE(index) << index.error().what;
  EXPECT_EQ(index->first, Seq{101});
  EXPECT_EQ(index->last, Seq{100 + kRecords});
  EXPECT_GT(index->blocks.size(), 5u);
  std::uint64_t number = 101;
  for (const auto& block : index->blocks) {
    EXPECT_EQ(block.first.value, number);
    const auto raw = read_sealed_block(*file, block);
    ASSERT_TRUE(raw) << raw.error().what;
    for (std::string_view rest = *raw; !rest.empty(); rest.remove_prefix(record_bytes_at(rest))) {
      const auto record = decode_record(rest);
      ASSERT_TRUE(record);
      EXPECT_TRUE(same(*record, numbered_record(number++)));
    }
  }
  EXPECT_EQ(number, 101 + kRecords);
  EXPECT_TRUE(verify_sealed(*file));
}

TEST_F(SealedSegment, EveryFlippedByteIsFoundByVerifying) {
  const auto bytes = sealed_bytes(2'000);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto rotten = bytes;
    rotten[at] = static_cast<char>(rotten[at] ^ 0x40);
    const auto verified = verify_sealed(*file_with(rotten));
    ASSERT_FALSE(verified) << "flipped byte " << at;
    EXPECT_TRUE(verified.error().code == Errc::kCorrupt || verified.error().code == Errc::kRefused) << at;
  }
}

TEST_F(SealedSegment, EveryCutIsFound) {
  const auto bytes = sealed_bytes(2'000);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const auto verified = verify_sealed(*file_with(std::string_view(bytes).substr(0, cut)));
    ASSERT_FALSE(verified) << "cut at byte " << cut;
    EXPECT_EQ(verified.error().code, Errc::kCorrupt);
  }
}

TEST_F(SealedSegment, AnIoErrorIsReportedAndNotTakenForAnEnd) {
  const auto bytes = sealed_bytes(2'000);
  const auto file = file_with(bytes);
  files_.fail_reads_at("d/f", bytes.size() / 2);
  const auto verified = verify_sealed(*file);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace minato

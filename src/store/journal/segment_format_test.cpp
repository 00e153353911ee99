#include "store/journal/segment_format.h"

#include <gtest/gtest.h>

#include "store/journal/crc32c.h"
#include "store/journal/test_records.h"

namespace minato {
namespace {

constexpr std::uint64_t kMark = 0x1122334455667788;

// A segment's bytes, with what stands where.
struct Written {
  std::string bytes;
  std::vector<std::uint64_t> group_ends;      // of each group
  std::vector<std::size_t> records_by_group;  // up to and with it
};

void add_group(Written& written, std::size_t records) {
  std::string content;
  const std::size_t before = written.records_by_group.empty() ? 0 : written.records_by_group.back();
  for (std::size_t i = 1; i <= records; ++i) encode_record(content, numbered_record(before + i));
  written.bytes += encode_group_header({.offset = written.bytes.size(),
                                        .first = Seq{before + 1},
                                        .record_bytes = static_cast<std::uint32_t>(content.size()),
                                        .records = static_cast<std::uint32_t>(records)},
                                       kMark);
  written.bytes += content;
  if (records == 0) return;
  written.group_ends.push_back(written.bytes.size());
  written.records_by_group.push_back(before + records);
}

Written segment_of(std::initializer_list<std::size_t> groups) {
  Written written{.bytes = encode_segment_header({.first = Seq{1}, .mark = kMark, .created = from_micros(5)}),
                  .group_ends = {},
                  .records_by_group = {}};
  for (const auto records : groups) add_group(written, records);
  return written;
}

std::size_t whole_records(const Written& written, std::uint64_t up_to) {
  std::size_t records = 0;
  for (std::size_t i = 0; i < written.group_ends.size(); ++i) {
    if (written.group_ends[i] <= up_to) records = written.records_by_group[i];
  }
  return records;
}

TEST(Crc32c, MatchesTheVectorsOfRfc3720) {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<char>(i));
    descending.push_back(static_cast<char>(31 - i));
  }
  for (const auto crc : {&crc32c, &crc32c_portable}) {
    EXPECT_EQ(crc(std::string(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc(std::string(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(ascending, 0), 0x46dd794eu);
    EXPECT_EQ(crc(descending, 0), 0x113fdb5cu);
    EXPECT_EQ(crc("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc("", 0), 0u);
    EXPECT_EQ(crc("456789", crc("123", 0)), 0xe3069283u);
  }
}

TEST(SegmentFormat, ARecordComesBackAndAnyFlippedByteIsNoticed) {
  std::string bytes;
  encode_record(bytes, numbered_record(42));
  const auto back = decode_record(bytes + "rest");
  ASSERT_TRUE(back);
  EXPECT_TRUE(same(*back, numbered_record(42)));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto rotten = bytes;
      rotten[at] = static_cast<char>(rotten[at] ^ (1 << bit));
      EXPECT_FALSE(decode_record(rotten)) << "bit " << bit << " of byte " << at;
    }
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_record(bytes.substr(0, size))) << size;
}

TEST(SegmentFormat, EveryCutRecoversExactlyTheGroupsThatAreWhole) {
  const auto written = segment_of({1, 3, 2, 1});
  for (std::size_t cut = kSegmentHeaderBytes; cut <= written.bytes.size(); ++cut) {
    for (const std::size_t zeros : {0u, 1'000u}) {
      auto bytes = written.bytes.substr(0, cut) + std::string(zeros, '\0');
      const auto scanned = scan_segment(bytes);
      ASSERT_TRUE(scanned) << "cut at byte " << cut << ": " << scanned.error().what;
      EXPECT_EQ(scanned->offsets.size(), whole_records(written, cut)) << "cut at byte " << cut;
      EXPECT_LE(scanned->end, cut);
    }
  }
  for (std::size_t cut = 0; cut < kSegmentHeaderBytes; ++cut) {
    EXPECT_FALSE(scan_segment(written.bytes.substr(0, cut))) << "a header is durable before its segment has a name";
  }
}

TEST(SegmentFormat, EveryFlippedByteBeforeAProofIsAnAlarmAndNeverLosesARecordQuietly) {
  auto written = segment_of({1, 3, 2, 1});
  const auto records_end = written.bytes.size();
  add_group(written, 0);  // the marker proves the last group
  ASSERT_TRUE(scan_segment(written.bytes)->proven);
  for (std::size_t at = 0; at < records_end; ++at) {
    auto rotten = written.bytes + std::string(600, '\0');
    rotten[at] = static_cast<char>(rotten[at] ^ 0x10);
    const auto scanned = scan_segment(rotten);
    ASSERT_FALSE(scanned) << "flipped byte " << at;
    EXPECT_EQ(scanned.error().code, Errc::kCorrupt);
  }
  // Behind the last record there is nothing to lose: a rotten marker or a rotten zero costs no record.
  for (std::size_t at = records_end; at < written.bytes.size() + 600; ++at) {
    auto rotten = written.bytes + std::string(600, '\0');
    rotten[at] = static_cast<char>(rotten[at] ^ 0x10);
    const auto scanned = scan_segment(rotten);
    ASSERT_TRUE(scanned) << "flipped byte " << at;
    EXPECT_EQ(scanned->offsets.size(), 7u);
    EXPECT_EQ(scanned->end, records_end);
  }
}

TEST(SegmentFormat, WithoutAProofAFlippedByteInTheLastGroupIsATornTailAndInAnyOtherAnAlarm) {
  const auto written = segment_of({2, 2, 2});
  const auto last_group = written.group_ends[1];
  for (std::size_t at = kSegmentHeaderBytes; at < written.bytes.size(); ++at) {
    auto rotten = written.bytes;
    rotten[at] = static_cast<char>(rotten[at] ^ 0x01);
    const auto scanned = scan_segment(rotten);
    if (at < last_group) {
      ASSERT_FALSE(scanned) << "flipped byte " << at;
      EXPECT_EQ(scanned.error().code, Errc::kCorrupt);
    } else {
      ASSERT_TRUE(scanned) << "flipped byte " << at;
      EXPECT_EQ(scanned->offsets.size(), 4u);
      EXPECT_EQ(scanned->end, last_group);
      EXPECT_GT(scanned->torn_bytes, 0u);
    }
  }
}

TEST(SegmentFormat, AGroupTornInAnySectorOrderIsATornTail) {
  // A group over several sectors, of which any subset reached the disk; the rest are zeros as before.
  Written written = segment_of({1});
  const auto begin = written.bytes.size();
  add_group(written, 120);
  const std::size_t sectors = (written.bytes.size() - 1) / 512 - begin / 512 + 1;
  ASSERT_GE(sectors, 8u);
  for (std::size_t subset = 0; subset + 1 < (std::size_t{1} << std::min<std::size_t>(sectors, 10)); ++subset) {
    auto torn = written.bytes;
    for (std::size_t sector = 0; sector < sectors; ++sector) {
      if (sector < 10 && (subset >> sector & 1) != 0) continue;
      const std::size_t from = std::max(begin, (begin / 512 + sector) * 512);
      const std::size_t to = std::min(torn.size(), (begin / 512 + sector + 1) * 512);
      std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from), torn.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    }
    const auto scanned = scan_segment(torn);
    ASSERT_TRUE(scanned) << "subset " << subset << ": " << scanned.error().what;
    EXPECT_EQ(scanned->offsets.size(), 1u) << "subset " << subset;
  }
}

TEST(SegmentFormat, BytesOfAMessageThatLookLikeAGroupAreNoProof) {
  // A sender that knows the format but not the mark plants a header for the very place where its bytes will stand.
  auto written = segment_of({1});
  const auto begin = written.bytes.size();
  auto record = numbered_record(2);
  const auto place = begin + kGroupHeaderBytes + kRecordHeadBytes + kBodyHeadBytes + record.meta.size();
  record.body = encode_group_header({.offset = place, .first = Seq{9}, .record_bytes = 0, .records = 0}, kMark + 1);
  std::string content;
  encode_record(content, record);
  written.bytes += encode_group_header(
      {.offset = begin, .first = Seq{2}, .record_bytes = static_cast<std::uint32_t>(content.size()), .records = 1},
      kMark);
  written.bytes += content;
  written.bytes[begin + kGroupHeaderBytes] ^= 0x01;  // torn
  const auto scanned = scan_segment(written.bytes);
  ASSERT_TRUE(scanned) << scanned.error().what;
  EXPECT_EQ(scanned->offsets.size(), 1u);
}

TEST(SegmentFormat, ANewerVersionIsRefusedAndNotCalledRot) {
  auto bytes = encode_segment_header({.first = Seq{1}, .mark = kMark, .created = {}});
  bytes[8] = 2;
  const auto crc = crc32c(std::string_view(bytes).substr(0, 40));
  for (std::size_t i = 0; i < 4; ++i) bytes[40 + i] = static_cast<char>(crc >> (8 * i));
  const auto scanned = scan_segment(bytes);
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, Errc::kRefused);
}

}  // namespace
}  // namespace minato

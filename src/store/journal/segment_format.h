// The bytes of a raw segment, the only file that is ever appended to. Grammar: docs/formats/journal.md.
//
//   segment := header | zeros up to kSegmentHeaderBytes | group* | marker? | zeros*
//   group   := mark: u64 | offset: u64 | first_seq: u64 | record_bytes: u32 | records: u32 | crc32c: u32 | record*
//   record  := body_bytes: u32 | crc32c: u32 (of body_bytes and body) | body
//   body    := kind: u16 | 0: u16 | meta_bytes: u32 | time: i64 | meta | bytes
//
// A group is what one fdatasync made durable, and it is written only after the one before it is durable. So a whole
// group header anywhere proves that all before its offset once was on the disk: damage there is rot. Damage with
// nothing provable behind it is a torn tail, which was never acknowledged. A group of no records (a marker) is such a
// proof for the last group; it is not synced itself, and the next group overwrites it.
//
// Pure functions over bytes: no files here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "store/journal/record.h"

namespace minato {

inline constexpr std::size_t kSegmentHeaderBytes = 4096;  // alone in its page: appending never rewrites it
inline constexpr std::size_t kGroupHeaderBytes = 36;
inline constexpr std::size_t kRecordHeadBytes = 8;
inline constexpr std::size_t kBodyHeadBytes = 16;
inline constexpr std::uint32_t kSegmentVersion = 1;

struct SegmentHeader {
  Seq first;               // of the first record
  std::uint64_t mark = 0;  // random; each group of this segment begins with it
  Time created;
};

struct GroupHeader {
  std::uint64_t offset = 0;
  Seq first;
  std::uint32_t record_bytes = 0;
  std::uint32_t records = 0;
};

// kSegmentHeaderBytes bytes.
std::string encode_segment_header(const SegmentHeader& header);
// kRefused: a newer version. kCorrupt: anything else that is not a header.
Result<SegmentHeader> decode_segment_header(std::string_view bytes);

std::string encode_group_header(const GroupHeader& header, std::uint64_t mark);

// Size of the record in a segment or a block.
std::size_t encoded_bytes(const Record& record);
// Appends the record but for its body's bytes, which the caller writes right after it.
void encode_record_head(std::string& out, const Record& record);
// Appends the whole record.
void encode_record(std::string& out, const Record& record);
// Bytes of the whole record that begins at `bytes`, or 0 when that is no record: too short, or an impossible length.
std::size_t record_bytes_at(std::string_view bytes);
// The record at the front of `bytes`. kCorrupt: too short, or the checksum differs.
Result<Record> decode_record(std::string_view bytes);

struct ScannedSegment {
  SegmentHeader header;
  std::vector<std::uint32_t> offsets;              // of each record
  std::uint64_t end = kSegmentHeaderBytes;         // end of the last whole group: the next one goes here
  std::uint64_t last_group = kSegmentHeaderBytes;  // its offset; `end` when there is none
  bool proven = false;                             // a marker stands at `end`: the last group was synced
  std::uint64_t torn_bytes = 0;  // from `end` up to the last byte that is not zero, marker apart; 0: a clean tail
};
// Reads a whole segment. kCorrupt: rot before something provable, with its offset. kRefused: a newer version.
Result<ScannedSegment> scan_segment(std::string_view bytes);

}  // namespace minato

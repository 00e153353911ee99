#include "store/journal/segment_format.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "store/journal/crc32c.h"
#include "store/journal/little_endian.h"

namespace minato {

namespace {

constexpr std::string_view kMagic = "MINATOJ\n";
constexpr std::size_t kHeaderFieldsBytes = 40;  // the checksum stands after them

std::string at(std::uint64_t offset) { return "at byte " + std::to_string(offset); }

std::uint32_t record_crc(std::string_view length, std::string_view head, std::string_view body) {
  return crc32c(body, crc32c(head, crc32c(length)));
}

// The group header at `offset`, if one that is whole and knows its own place stands there.
std::optional<GroupHeader> group_header_at(std::string_view bytes, std::uint64_t offset, std::uint64_t mark) {
  if (bytes.size() < kGroupHeaderBytes || offset > bytes.size() - kGroupHeaderBytes) return std::nullopt;
  const auto head = bytes.substr(offset, kGroupHeaderBytes);
  if (get_le<std::uint64_t>(head, 0) != mark || get_le<std::uint64_t>(head, 8) != offset) return std::nullopt;
  if (get_le<std::uint32_t>(head, 32) != crc32c(head.substr(0, 32))) return std::nullopt;
  return GroupHeader{.offset = offset,
                     .first = Seq{get_le<std::uint64_t>(head, 16)},
                     .record_bytes = get_le<std::uint32_t>(head, 24),
                     .records = get_le<std::uint32_t>(head, 28)};
}

// Offsets of the group's records; nullopt when not all of them are whole and in their places.
std::optional<std::vector<std::uint32_t>> records_of(std::string_view bytes, const GroupHeader& group) {
  const std::uint64_t from = group.offset + kGroupHeaderBytes;
  if (group.record_bytes > bytes.size() - from) return std::nullopt;
  const auto records = bytes.substr(from, group.record_bytes);
  std::vector<std::uint32_t> offsets;
  offsets.reserve(std::min<std::size_t>(group.records, records.size() / (kRecordHeadBytes + kBodyHeadBytes)));
  std::size_t position = 0;
  while (position < records.size()) {
    const std::size_t size = record_bytes_at(records.substr(position));
    if (size == 0) return std::nullopt;
    const auto record = records.substr(position, size);
    const auto stored = get_le<std::uint32_t>(record, 4);
    if (stored != record_crc(record.substr(0, 4), record.substr(kRecordHeadBytes), {})) return std::nullopt;
    offsets.push_back(static_cast<std::uint32_t>(from + position));
    position += size;
  }
  if (offsets.size() != group.records) return std::nullopt;
  return offsets;
}

// The first whole group header after `from`: proof that all before it was durable.
std::optional<std::uint64_t> proof_after(std::string_view bytes, std::uint64_t from, std::uint64_t mark) {
  std::string mark_bytes;
  put_le(mark_bytes, mark);
  for (auto found = bytes.find(mark_bytes, from + 1); found != bytes.npos; found = bytes.find(mark_bytes, found + 1)) {
    if (group_header_at(bytes, found, mark)) return found;
  }
  return std::nullopt;
}

std::uint64_t last_not_zero(std::string_view bytes) {
  const auto found = bytes.find_last_not_of('\0');
  return found == bytes.npos ? 0 : found + 1;
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string out(kMagic);
  put_le(out, kSegmentVersion);
  put_le(out, static_cast<std::uint32_t>(kSegmentHeaderBytes));
  put_le(out, header.first.value);
  put_le(out, header.mark);
  put_le(out, static_cast<std::uint64_t>(to_micros(header.created)));
  put_le(out, crc32c(out));
  out.resize(kSegmentHeaderBytes, '\0');
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kMagic)) {
    return fail(Errc::kCorrupt, "no segment header");
  }
  if (get_le<std::uint32_t>(bytes, kHeaderFieldsBytes) != crc32c(bytes.substr(0, kHeaderFieldsBytes))) {
    return fail(Errc::kCorrupt, "segment header: checksum differs");
  }
  if (const auto version = get_le<std::uint32_t>(bytes, 8); version != kSegmentVersion) {
    return fail(Errc::kRefused, "segment version " + std::to_string(version) + " is newer than this program");
  }
  const auto rest = bytes.substr(kHeaderFieldsBytes + 4, kSegmentHeaderBytes - kHeaderFieldsBytes - 4);
  if (get_le<std::uint32_t>(bytes, 12) != kSegmentHeaderBytes || last_not_zero(rest) != 0) {
    return fail(Errc::kCorrupt, "segment header: impossible values");
  }
  return SegmentHeader{.first = Seq{get_le<std::uint64_t>(bytes, 16)},
                       .mark = get_le<std::uint64_t>(bytes, 24),
                       .created = from_micros(static_cast<std::int64_t>(get_le<std::uint64_t>(bytes, 32)))};
}

std::string encode_group_header(const GroupHeader& header, std::uint64_t mark) {
  std::string out;
  out.reserve(kGroupHeaderBytes);
  put_le(out, mark);
  put_le(out, header.offset);
  put_le(out, header.first.value);
  put_le(out, header.record_bytes);
  put_le(out, header.records);
  put_le(out, crc32c(out));
  return out;
}

std::size_t encoded_bytes(const Record& record) {
  return kRecordHeadBytes + kBodyHeadBytes + record.meta.size() + record.body.size();
}

void encode_record_head(std::string& out, const Record& record) {
  const std::size_t from = out.size();
  put_le(out, static_cast<std::uint32_t>(kBodyHeadBytes + record.meta.size() + record.body.size()));
  put_le(out, std::uint32_t{0});
  put_le(out, static_cast<std::uint16_t>(record.kind));
  put_le(out, std::uint16_t{0});
  put_le(out, static_cast<std::uint32_t>(record.meta.size()));
  put_le(out, static_cast<std::uint64_t>(to_micros(record.time)));
  out += record.meta;
  const auto head = std::string_view(out).substr(from);
  std::string crc;
  put_le(crc, record_crc(head.substr(0, 4), head.substr(kRecordHeadBytes), record.body));
  out.replace(from + 4, 4, crc);
}

void encode_record(std::string& out, const Record& record) {
  encode_record_head(out, record);
  out += record.body;
}

std::size_t record_bytes_at(std::string_view bytes) {
  if (bytes.size() < kRecordHeadBytes + kBodyHeadBytes) return 0;
  const std::size_t body_bytes = get_le<std::uint32_t>(bytes, 0);
  if (body_bytes < kBodyHeadBytes || body_bytes > bytes.size() - kRecordHeadBytes) return 0;
  if (get_le<std::uint32_t>(bytes, kRecordHeadBytes + 4) > body_bytes - kBodyHeadBytes) return 0;
  return kRecordHeadBytes + body_bytes;
}

Result<Record> decode_record(std::string_view bytes) {
  const std::size_t size = record_bytes_at(bytes);
  if (size == 0) return fail(Errc::kCorrupt, "record: impossible length");
  const auto body = bytes.substr(kRecordHeadBytes, size - kRecordHeadBytes);
  if (get_le<std::uint32_t>(bytes, 4) != record_crc(bytes.substr(0, 4), body, {})) {
    return fail(Errc::kCorrupt, "record: checksum differs");
  }
  const std::size_t meta_bytes = get_le<std::uint32_t>(body, 4);
  return Record{.kind = static_cast<RecordKind>(get_le<std::uint16_t>(body, 0)),
                .time = from_micros(static_cast<std::int64_t>(get_le<std::uint64_t>(body, 8))),
                .meta = std::string(body.substr(kBodyHeadBytes, meta_bytes)),
                .body = std::string(body.substr(kBodyHeadBytes + meta_bytes))};
}

Result<ScannedSegment> scan_segment(std::string_view bytes) {
  MN_TRY(header, decode_segment_header(bytes));
  ScannedSegment scanned{.header = header, .offsets = {}};
  while (const auto group = group_header_at(bytes, scanned.end, header.mark)) {
    if (group->records == 0 && group->record_bytes == 0) {
      scanned.proven = true;
      break;
    }
    const auto offsets = records_of(bytes, *group);
    if (!offsets) break;
    if (group->first.value != header.first.value + scanned.offsets.size()) {
      return fail(Errc::kCorrupt, "group " + at(scanned.end) + ": sequence does not follow the one before");
    }
    scanned.last_group = scanned.end;
    scanned.offsets.insert(scanned.offsets.end(), offsets->begin(), offsets->end());
    scanned.end += kGroupHeaderBytes + group->record_bytes;
  }
  if (scanned.offsets.empty()) scanned.last_group = scanned.end;
  const auto after = scanned.end + (scanned.proven ? kGroupHeaderBytes : 0);
  if (last_not_zero(bytes.substr(after)) == 0) return scanned;
  if (const auto proof = proof_after(bytes, scanned.end, header.mark)) {
    return fail(Errc::kCorrupt, "rot " + at(scanned.end) + ", before a group that was written later, " + at(*proof));
  }
  scanned.torn_bytes = last_not_zero(bytes.substr(scanned.end));
  return scanned;
}

}  // namespace minato

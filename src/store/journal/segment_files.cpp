#include "store/journal/segment_files.h"

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "store/journal/sealed_segment.h"

namespace minato {

namespace {

constexpr std::size_t kNameDigits = 20;
constexpr std::string_view kRawSuffix = ".raw";
constexpr std::string_view kSealedSuffix = ".sealed";
constexpr std::string_view kNewSuffix = ".new";

std::string digits(Seq seq) {
  const auto number = std::to_string(seq.value);
  return std::string(kNameDigits - number.size(), '0') + number;
}

std::optional<Seq> parse_digits(std::string_view text) {
  if (text.size() != kNameDigits) return std::nullopt;
  const auto number = parse_unsigned(text);
  if (!number || *number == 0) return std::nullopt;
  return Seq{*number};
}

// What lies in the directory under one first sequence: a raw segment, its sealed successor, or both for a moment.
struct Found {
  std::string raw;
  std::string sealed;
  Seq sealed_last;
};
using FoundByFirst = std::map<std::uint64_t, Found>;

Result<FoundByFirst> find_segments(Files& files, const std::string& directory) {
  MN_TRY(names, files.list(directory));
  FoundByFirst found;
  for (auto& name : names) {
    const auto parsed = parse_segment_name(name);
    if (!parsed) continue;
    auto& entry = found[parsed->first.value];
    if (!parsed->last) {
      entry.raw = name;
    } else if (entry.sealed.empty()) {
      entry.sealed = name;
      entry.sealed_last = *parsed->last;
    } else {
      return fail(Errc::kCorrupt, directory + ": two sealed segments begin at " + std::to_string(parsed->first.value));
    }
  }
  return found;
}

Status remove_half_made(Files& files, const std::string& directory) {
  MN_TRY(names, files.list(directory));
  for (const auto& name : names) {
    if (name.ends_with(kNewSuffix)) MN_CHECK(files.remove(directory + "/" + name));
  }
  return {};
}

// Removes what a purge had announced but not yet deleted.
Status finish_purge(Files& files, const std::string& directory, Seq purged, FoundByFirst& found) {
  while (found.size() > 1 && std::next(found.begin())->first <= purged.value + 1) {
    const auto& oldest = found.begin()->second;
    if (!oldest.raw.empty()) MN_CHECK(files.remove(directory + "/" + oldest.raw));
    if (!oldest.sealed.empty()) MN_CHECK(files.remove(directory + "/" + oldest.sealed));
    found.erase(found.begin());
  }
  return {};
}

Result<OpenSegment> open_raw(Files& files, const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  MN_TRY(file, files.open(path, OpenMode::kReadWrite));
  MN_TRY(size, file->size());
  std::string bytes(size, '\0');
  MN_TRY(got, file->pread(bytes, 0));
  bytes.resize(got);
  auto scanned = scan_segment(bytes);
  if (!scanned) return context(name, scanned.error());
  if (scanned->header.first != parse_segment_name(name)->first) {
    return fail(Errc::kCorrupt, name + ": its header has another first sequence than its name");
  }
  return OpenSegment{.file = std::move(file), .name = name, .scanned = std::move(*scanned), .file_bytes = size};
}

// A crash between the two last steps of sealing leaves both. The sealed one counts if it is whole.
Status keep_one(Files& files, const std::string& directory, Found& found) {
  MN_TRY(sealed, files.open(directory + "/" + found.sealed, OpenMode::kRead));
  const auto whole = verify_sealed(*sealed);
  if (!whole && whole.error().code != Errc::kCorrupt) return whole;
  if (whole) {
    MN_CHECK(files.remove(directory + "/" + found.raw));
    found.raw.clear();
  } else {
    MN_CHECK(files.remove(directory + "/" + found.sealed));
    found.sealed.clear();
  }
  return {};
}

Result<RecoveredSegment> recover_one(Files& files, const std::string& directory, Seq first, Found& found) {
  if (!found.raw.empty() && !found.sealed.empty()) MN_CHECK(keep_one(files, directory, found));
  RecoveredSegment segment;
  segment.name = found.sealed;
  segment.first = first;
  segment.sealed_last = found.sealed_last;
  if (found.raw.empty()) {
    MN_TRY(file, files.open(directory + "/" + found.sealed, OpenMode::kRead));
    MN_TRY(size, file->size());
    segment.file_bytes = size;
    return segment;
  }
  MN_TRY(raw, open_raw(files, directory, found.raw));
  segment.name = found.raw;
  segment.sealed_last.reset();
  segment.file_bytes = raw.file_bytes;
  segment.raw = std::move(raw);
  return segment;
}

Seq last_of(const RecoveredSegment& segment) {
  if (segment.sealed_last) return *segment.sealed_last;
  return Seq{segment.first.value + segment.raw->scanned.offsets.size() - 1};
}

// Only the last segment may end in the middle of something; the others were synced before their successor was made.
Status check_sequence(const std::vector<RecoveredSegment>& segments, Seq purged) {
  if (!segments.empty() && segments.front().first.value > purged.value + 1) {
    return fail(Errc::kCorrupt, "the segment with sequence " + std::to_string(purged.value + 1) + " is missing");
  }
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto& segment = segments[i];
    const auto& successor = segments[i + 1];
    if (segment.raw && segment.raw->scanned.torn_bytes > 0) {
      return fail(Errc::kCorrupt, segment.name + ": rot at byte " + std::to_string(segment.raw->scanned.end) +
                                      ", before a later segment");
    }
    if (next(last_of(segment)) != successor.first) {
      return fail(Errc::kCorrupt, segment.name + " ends at sequence " + std::to_string(last_of(segment).value) +
                                      ", the next one begins at " + std::to_string(successor.first.value));
    }
  }
  return {};
}

// Cuts the torn tail, and makes the last group durable: a kill or a failed sync may have left it in the page cache
// only, marked clean, so that nothing but writing it again would bring it to the disk.
Status settle_tail(OpenSegment& segment) {
  auto& scanned = segment.scanned;
  if (scanned.torn_bytes > 0) {
    MN_CHECK(segment.file->truncate(scanned.end));
    segment.file_bytes = scanned.end;
  }
  if (!scanned.proven && scanned.last_group < scanned.end) {
    std::string group(scanned.end - scanned.last_group, '\0');
    MN_TRY(got, segment.file->pread(group, scanned.last_group));
    if (got != group.size()) return fail(Errc::kCorrupt, segment.name + ": shrank while it was read");
    const std::string_view piece = group;
    MN_CHECK(segment.file->pwrite({&piece, 1}, scanned.last_group));
  }
  return segment.file->sync_data();
}

}  // namespace

std::string raw_segment_name(Seq first) { return digits(first) + std::string(kRawSuffix); }

std::string sealed_segment_name(Seq first, Seq last) {
  return digits(first) + "-" + digits(last) + std::string(kSealedSuffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  const auto first = parse_digits(name.substr(0, kNameDigits));
  if (!first) return std::nullopt;
  name.remove_prefix(kNameDigits);
  if (name == kRawSuffix) return SegmentName{.first = *first, .last = std::nullopt};
  if (!name.starts_with('-') || !name.ends_with(kSealedSuffix)) return std::nullopt;
  const auto last = parse_digits(name.substr(1, name.size() - 1 - kSealedSuffix.size()));
  if (!last || *last < *first) return std::nullopt;
  return SegmentName{.first = *first, .last = last};
}

Result<OpenSegment> create_segment(Files& files, const std::string& directory, const SegmentHeader& header) {
  OpenSegment segment;
  segment.name = raw_segment_name(header.first);
  segment.scanned.header = header;
  const std::string path = directory + "/" + segment.name;
  const std::string beside = path + std::string(kNewSuffix);
  MN_TRY(file, files.open(beside, OpenMode::kCreateOrOpen));
  MN_CHECK(file->truncate(0));
  const std::string bytes = encode_segment_header(header);
  const std::string_view piece = bytes;
  MN_CHECK(file->pwrite({&piece, 1}, 0));
  MN_CHECK(file->sync_data());
  MN_CHECK(files.rename(beside, path));
  MN_CHECK(files.sync_directory(directory));
  segment.file = std::move(file);
  segment.file_bytes = bytes.size();
  return segment;
}

Status write_purged(Files& files, const std::string& directory, Seq through) {
  return write_file_atomically(files, directory + "/purged", "through " + std::to_string(through.value) + "\n");
}

Result<Seq> read_purged(Files& files, const std::string& directory) {
  const auto text = read_file(files, directory + "/purged", 64);
  if (!text && text.error().code == Errc::kNotFound) return Seq{0};
  if (!text) return std::unexpected(text.error());
  const std::string_view line = *text;
  if (line.starts_with("through ") && line.ends_with('\n')) {
    if (const auto number = parse_unsigned(line.substr(8, line.size() - 9))) return Seq{*number};
  }
  return fail(Errc::kCorrupt, directory + "/purged: not \"through <sequence>\"");
}

Result<RecoveredJournal> recover_segments(Files& files, const std::string& directory, const SegmentHeader& if_empty) {
  RecoveredJournal recovered;
  // After a kill a name may be in the page cache only. What is removed below because of a name must not outlive it.
  MN_CHECK(files.sync_directory(directory));
  MN_TRY(purged, read_purged(files, directory));
  MN_TRY(found, find_segments(files, directory));
  recovered.purged_through = purged;
  MN_CHECK(finish_purge(files, directory, purged, found));
  for (auto& [first, entry] : found) {
    MN_TRY(segment, recover_one(files, directory, Seq{first}, entry));
    recovered.segments.push_back(std::move(segment));
  }
  MN_CHECK(check_sequence(recovered.segments, purged));
  MN_CHECK(remove_half_made(files, directory));
  if (recovered.segments.empty() || !recovered.segments.back().raw) {
    auto header = if_empty;
    header.first = recovered.segments.empty() ? next(purged) : next(last_of(recovered.segments.back()));
    MN_TRY(made, create_segment(files, directory, header));
    RecoveredSegment empty;
    empty.name = made.name;
    empty.first = header.first;
    empty.file_bytes = made.file_bytes;
    empty.raw = std::move(made);
    recovered.segments.push_back(std::move(empty));
  }
  auto& active = *recovered.segments.back().raw;
  auto& report = recovered.report;
  if (active.scanned.torn_bytes > 0) {
    report.torn_bytes = active.scanned.torn_bytes;
    report.torn_at = active.name + ", byte " + std::to_string(active.scanned.end);
  }
  MN_CHECK(settle_tail(active));
  recovered.segments.back().file_bytes = active.file_bytes;
  report.first = recovered.segments.front().first;
  report.last = last_of(recovered.segments.back());
  report.segments = recovered.segments.size();
  MN_CHECK(files.sync_directory(directory));
  return recovered;
}

Status check_format_file(Files& files, const std::string& path, std::string_view name, IfAbsent if_absent) {
  const auto text = read_file(files, path, 256);
  if (!text && text.error().code == Errc::kNotFound && if_absent == IfAbsent::kCreate) {
    return write_file_atomically(files, path, std::string(name) + " " + std::to_string(kFormatVersion) + "\n");
  }
  if (!text) return fail(text.error().code == Errc::kNotFound ? Errc::kCorrupt : text.error().code, text.error().what);
  std::string_view line = *text;
  if (!line.starts_with(name) || !line.ends_with('\n') || line.size() < name.size() + 3) {
    return fail(Errc::kCorrupt, path + ": not \"" + std::string(name) + " <version>\"");
  }
  const auto version = parse_unsigned(line.substr(name.size() + 1, line.size() - name.size() - 2));
  if (!version) return fail(Errc::kCorrupt, path + ": no version");
  if (*version > kFormatVersion) {
    return fail(Errc::kRefused, path + ": version " + std::to_string(*version) + " is newer than this program, which " +
                                    "reads up to " + std::to_string(kFormatVersion));
  }
  return {};
}

}  // namespace minato

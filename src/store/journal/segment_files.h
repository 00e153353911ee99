// The files of a journal directory: their names, how a segment comes into being, and what a start makes of them.
//
//   lock                                                one process at a time
//   format                                              "minato-journal 1"
//   purged                                              the last sequence that a purge removed; absent: none
//   00000000000000000001-00000000000000016384.sealed    first and last sequence
//   00000000000000016385.raw                            first sequence; the highest one is appended to
//   *.new                                               half made; removed at the start
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/clock.h"
#include "os/files.h"
#include "store/journal/segment_format.h"

namespace minato {

std::string raw_segment_name(Seq first);
std::string sealed_segment_name(Seq first, Seq last);

struct SegmentName {
  Seq first;
  std::optional<Seq> last;  // of a sealed one
};
// nullopt: not the name of a segment.
std::optional<SegmentName> parse_segment_name(std::string_view name);

// A raw segment that is ready to be appended to.
struct OpenSegment {
  std::shared_ptr<File> file;
  std::string name;
  ScannedSegment scanned;
  std::uint64_t file_bytes = 0;
};

// Makes an empty raw segment; durable under its name when this returns.
Result<OpenSegment> create_segment(Files& files, const std::string& directory, const SegmentHeader& header);

// Removes the record of what was purged: everything up to `through` may be deleted after this returns.
Status write_purged(Files& files, const std::string& directory, Seq through);
Result<Seq> read_purged(Files& files, const std::string& directory);

struct RecoveredSegment {
  std::string name;
  Seq first;
  std::optional<Seq> sealed_last;
  std::uint64_t file_bytes = 0;
  std::optional<OpenSegment> raw;  // scanned; of those that are not sealed
};

struct RecoveryReport {
  Seq first, last;
  std::uint64_t segments = 0;
  std::uint64_t torn_bytes = 0;  // cut from the tail; never acknowledged
  std::string torn_at;           // "file, byte offset" when torn_bytes > 0
};

struct RecoveredJournal {
  std::vector<RecoveredSegment> segments;  // in order; the last one is raw and is the one to append to
  Seq purged_through;
  RecoveryReport report;
};

// Judges what is there after a stop or a crash and makes it whole: removes what is half made, cuts a torn tail, makes
// the last group durable, creates what an empty directory lacks. The caller holds the directory's lock. kCorrupt: rot,
// or a file is missing, with its place; then no record was changed. kRefused: written by a newer version.
Result<RecoveredJournal> recover_segments(Files& files, const std::string& directory, const SegmentHeader& if_empty);

// Reads "<name> <version>\n". An absent file is made with `version` when `may_create`. kRefused: newer. kCorrupt: not
// that, or absent.
enum class IfAbsent : std::uint8_t { kCreate, kCorrupt };
Status check_format_file(Files& files, const std::string& path, std::string_view name, IfAbsent if_absent);
inline constexpr std::uint64_t kFormatVersion = 1;

}  // namespace minato

// The end of the active segment. Owned by whoever commits: one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/files.h"
#include "store/journal/segment_files.h"

namespace minato {

class SegmentWriter {
 public:
  explicit SegmentWriter(std::uint64_t zero_ahead_bytes) : zeros_(zero_ahead_bytes, '\0') {}

  // Goes on at the end of this segment.
  void take(const OpenSegment& segment);

  // Writes a group of `records` records, whose encoded bytes are `pieces`, and now and then zeros ahead of it. Not
  // durable before sync(). kUnavailable: no space; take_back() undoes what was half written. Any other error is for
  // good.
  Status write(Seq first, std::uint32_t records, std::span<const std::string_view> pieces);
  // After this the group counts, and the next one goes behind it. An error is for good.
  Status sync();
  // The file as it was before the failed write(), durably. An error is for good.
  Status take_back();
  // Proves the last group (segment_format.h); not synced. A failure does no harm.
  void mark();
  // Gives back what lies ahead of the end: the segment is full.
  Status trim();

  std::uint64_t end() const { return end_; }
  std::uint64_t file_bytes() const { return file_bytes_; }
  // Where the records of the group begin that write() has written or will write.
  std::uint64_t records_begin() const { return end_ + kGroupHeaderBytes; }

 private:
  std::shared_ptr<File> file_;
  std::uint64_t group_mark_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t written_end_ = 0;  // of the group that waits for sync()
  std::uint64_t file_bytes_ = 0;   // zeros from end_ up to here, a marker apart
  bool marked_ = false;
  const std::string zeros_;
};

}  // namespace minato

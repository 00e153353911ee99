#include "store/journal/segment_writer.h"

#include <algorithm>

namespace minato {

void SegmentWriter::take(const OpenSegment& segment) {
  file_ = segment.file;
  group_mark_ = segment.scanned.header.mark;
  end_ = written_end_ = segment.scanned.end;
  file_bytes_ = segment.file_bytes;
  marked_ = segment.scanned.proven;
}

Status SegmentWriter::write(Seq first, std::uint32_t records, std::span<const std::string_view> pieces) {
  std::uint64_t bytes = 0;
  for (const auto piece : pieces) bytes += piece.size();
  const auto header = encode_group_header(
      {.offset = end_, .first = first, .record_bytes = static_cast<std::uint32_t>(bytes), .records = records},
      group_mark_);
  std::vector<std::string_view> all;
  all.reserve(pieces.size() + 2);
  all.push_back(header);
  all.insert(all.end(), pieces.begin(), pieces.end());
  written_end_ = end_ + header.size() + bytes;
  std::uint64_t zeros_end = std::max(written_end_, file_bytes_);
  if (written_end_ > file_bytes_ && !zeros_.empty()) {
    zeros_end = (written_end_ + zeros_.size() - 1) / zeros_.size() * zeros_.size();
    all.push_back(std::string_view(zeros_).substr(0, zeros_end - written_end_));
  }
  marked_ = false;
  MN_CHECK(file_->pwrite(all, end_));
  file_bytes_ = zeros_end;
  return {};
}

Status SegmentWriter::sync() {
  MN_CHECK(file_->sync_data());
  end_ = written_end_;
  return {};
}

Status SegmentWriter::take_back() {
  MN_CHECK(file_->truncate(end_));
  MN_CHECK(file_->sync_data());
  file_bytes_ = written_end_ = end_;
  return {};
}

void SegmentWriter::mark() {
  if (marked_ || end_ == kSegmentHeaderBytes) return;
  const auto header =
      encode_group_header({.offset = end_, .first = Seq{}, .record_bytes = 0, .records = 0}, group_mark_);
  const std::string_view piece = header;
  marked_ = file_->pwrite({&piece, 1}, end_).has_value();
  if (marked_) file_bytes_ = std::max(file_bytes_, end_ + header.size());
}

Status SegmentWriter::trim() {
  if (file_bytes_ == end_) return {};
  MN_CHECK(file_->truncate(end_));
  file_bytes_ = end_;
  marked_ = false;
  return {};
}

}  // namespace minato

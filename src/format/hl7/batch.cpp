#include "format/hl7/batch.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// Walks from line to line; each line end is looked for once.
class Lines {
 public:
  explicit Lines(std::string_view bytes) : bytes_(bytes), begin_(content_begin(bytes)) {}

  bool at_end() const { return begin_ >= bytes_.size(); }
  std::size_t begin() const { return begin_; }
  std::size_t end() {
    if (next_cr_ < begin_ || next_cr_ == 0) next_cr_ = find('\r');
    if (next_lf_ < begin_ || next_lf_ == 0) next_lf_ = find('\n');
    return std::min(next_cr_, next_lf_);
  }
  void advance() { begin_ = skip_blank(bytes_, end()); }

 private:
  std::size_t find(char c) const { return std::min(bytes_.find(c, begin_), bytes_.size()); }

  std::string_view bytes_;
  std::size_t begin_;
  std::size_t next_cr_ = 0;
  std::size_t next_lf_ = 0;
};

enum class Line { kMsh, kFhs, kBhs, kBts, kFts, kOther };

// An id that is followed by a separator; a trailer may stand alone.
Line line_kind(std::string_view bytes, std::size_t begin, std::size_t end) {
  const std::string_view id = bytes.substr(begin, std::min<std::size_t>(3, end - begin));
  const char next = begin + 3 < end ? bytes[begin + 3] : '|';
  const bool longer = (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z') || (next >= '0' && next <= '9') ||
                      next == ' ' || next == '_';
  if (longer) return Line::kOther;
  if (id == "BTS") return Line::kBts;
  if (id == "FTS") return Line::kFts;
  if (begin + 3 >= end) return Line::kOther;
  if (id == "MSH") return Line::kMsh;
  if (id == "FHS") return Line::kFhs;
  if (id == "BHS") return Line::kBhs;
  return Line::kOther;
}

// BTS-1 or FTS-1; nullopt when it is empty or no number.
std::optional<std::size_t> declared_count(std::string_view line) {
  if (line.size() < 5) return std::nullopt;
  const char separator = line[3];
  const std::string_view digits = line.substr(4, line.substr(4).find(separator));
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  std::size_t count = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    count = count * 10 + static_cast<std::size_t>(c - '0');
  }
  return count;
}

class Splitter {
 public:
  explicit Splitter(std::string_view bytes) : bytes_(bytes) {}

  Batch run() {
    for (Lines lines(bytes_); !lines.at_end() && !full_; lines.advance()) on_line(lines);
    close_message(bytes_.size());
    finish();
    return std::move(batch_);
  }

 private:
  void on_line(Lines& lines) {
    const std::size_t begin = lines.begin();
    const Line kind = line_kind(bytes_, begin, lines.end());
    if (kind == Line::kOther) {
      if (message_ == kNone) problem(BatchProblem::kStrayContent);
      return;
    }
    const std::string_view line = bytes_.substr(begin, lines.end() - begin);
    close_message(begin);
    switch (kind) {
      case Line::kMsh:
        open_message(begin);
        break;
      case Line::kFhs:
        open_file(line);
        break;
      case Line::kBhs:
        open_batch(line);
        break;
      case Line::kBts:
        close_batch(line);
        break;
      case Line::kFts:
        close_file(line);
        break;
      case Line::kOther:
        break;
    }
  }

  void open_message(std::size_t begin) {
    full_ = batch_.messages.size() >= kHl7BatchMessagesMax;
    if (full_) return problem(BatchProblem::kTooManyMessages);
    message_ = begin;
    ++in_batch_;
  }

  void close_message(std::size_t end) {
    if (message_ != kNone) batch_.messages.push_back(bytes_.substr(message_, end - message_));
    message_ = kNone;
  }

  void open_file(std::string_view line) {
    if (in_file_) problem(BatchProblem::kTrailerMissing);
    in_file_ = saw_file_ = true;
    batch_.file_header = line;
  }

  void open_batch(std::string_view line) {
    if (batch_open_) problem(BatchProblem::kTrailerMissing);
    batch_open_ = saw_batch_ = true;
    in_batch_ = 0;
    ++batches_;
    batch_.batch_headers.push_back(line);
  }

  void close_batch(std::string_view line) {
    saw_batch_ = true;
    if (!batch_open_) problem(BatchProblem::kHeaderMissing);
    batch_open_ = false;
    const auto declared = declared_count(line);
    if (declared && *declared != in_batch_) problem(BatchProblem::kMessageCountDiffers);
    in_batch_ = 0;
  }

  void close_file(std::string_view line) {
    saw_file_ = true;
    if (!in_file_) problem(BatchProblem::kHeaderMissing);
    if (batch_open_) problem(BatchProblem::kTrailerMissing);
    in_file_ = batch_open_ = false;
    // BHS is optional: messages that stand in a file alone are one batch.
    const std::size_t batches = batches_ == 0 && !batch_.messages.empty() ? 1 : batches_;
    const auto declared = declared_count(line);
    if (declared && *declared != batches) problem(BatchProblem::kBatchCountDiffers);
  }

  void finish() {
    if (in_file_ || batch_open_) problem(BatchProblem::kTrailerMissing);
    if (saw_file_) {
      batch_.kind = BatchKind::kFile;
    } else if (saw_batch_) {
      batch_.kind = BatchKind::kBatch;
    } else if (batch_.messages.size() > 1) {
      batch_.kind = BatchKind::kSeveral;
    } else {
      // One message, or none that can be seen: the parser decides, on all the bytes.
      if (batch_.messages.empty()) problem(BatchProblem::kNoMessages);
      batch_.messages = {bytes_};
      return;
    }
    if (batch_.messages.empty()) problem(BatchProblem::kNoMessages);
  }

  void problem(BatchProblem what) {
    if (std::ranges::find(batch_.problems, what) == batch_.problems.end()) batch_.problems.push_back(what);
  }

  std::string_view bytes_;
  Batch batch_;
  std::size_t message_ = kNone;  // where the message in progress begins
  std::size_t in_batch_ = 0;     // messages since BHS
  std::size_t batches_ = 0;
  bool in_file_ = false;
  bool batch_open_ = false;
  bool saw_file_ = false;
  bool saw_batch_ = false;
  bool full_ = false;
};

}  // namespace

std::string_view name(BatchProblem problem) {
  switch (problem) {
    case BatchProblem::kNoMessages:
      return "no-messages";
    case BatchProblem::kMessageCountDiffers:
      return "message-count-differs";
    case BatchProblem::kBatchCountDiffers:
      return "batch-count-differs";
    case BatchProblem::kTrailerMissing:
      return "trailer-missing";
    case BatchProblem::kHeaderMissing:
      return "header-missing";
    case BatchProblem::kStrayContent:
      return "stray-content";
    case BatchProblem::kTooManyMessages:
      return "too-many-messages";
  }
  return "unknown";
}

Batch split_batch(std::string_view bytes) { return Splitter(bytes).run(); }

}  // namespace minato::hl7

#include "format/hl7/mllp_framer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace minato::mllp {
namespace {

// Index of the first SB or FS; size() when there is none. One memchr for each, the second only up to what the first
// found.
std::size_t first_mark(std::string_view input) {
  const void* fs = std::memchr(input.data(), kEndBlock, input.size());
  const std::size_t end =
      fs == nullptr ? input.size() : static_cast<std::size_t>(static_cast<const char*>(fs) - input.data());
  const void* sb = std::memchr(input.data(), kStartBlock, end);
  return sb == nullptr ? end : static_cast<std::size_t>(static_cast<const char*>(sb) - input.data());
}

// Line ends, padding and end blocks between frames say nothing; anything else may be content whose SB is missing.
bool means_something(std::string_view bytes) {
  return std::ranges::any_of(bytes,
                             [](char c) { return c != '\r' && c != '\n' && c != ' ' && c != '\0' && c != kEndBlock; });
}

}  // namespace

std::string_view name(EventKind kind) {
  switch (kind) {
    case EventKind::kFrame:
      return "frame";
    case EventKind::kEmptyFrame:
      return "empty-frame";
    case EventKind::kHalfFrame:
      return "half-frame";
    case EventKind::kNoStartBlock:
      return "no-start-block";
    case EventKind::kOversize:
      return "oversize";
    case EventKind::kJunk:
      return "junk";
    case EventKind::kCommitAck:
      return "commit-ack";
    case EventKind::kCommitNak:
      return "commit-nak";
    case EventKind::kClosedMidFrame:
      return "closed-mid-frame";
  }
  return "unknown";
}

void Framer::feed(std::string_view input, std::vector<Event>& events) {
  while (!input.empty()) {
    std::size_t used = 0;
    switch (state_) {
      case State::kBetween:
        used = feed_between(input, events);
        break;
      case State::kInFrame:
        used = feed_in_frame(input, events);
        break;
      case State::kAfterFs:
        used = feed_after_fs(input, events);
        break;
      case State::kDiscarding:
        used = feed_discarding(input);
        break;
    }
    input.remove_prefix(used);
  }
}

std::size_t Framer::feed_between(std::string_view input, std::vector<Event>& events) {
  if (std::exchange(pass_over_cr_, false) && input.front() == kCarriageReturn) return 1;
  const std::size_t mark = first_mark(input);
  keep_stray(input.substr(0, mark), events);
  if (mark == input.size()) return mark;
  if (input[mark] == kStartBlock) {
    flush_junk(events);
    state_ = State::kInFrame;
    return mark + 1;
  }
  // FS: content without SB, if there is any content; a lone FS is junk like another.
  if (!stray_content_) {
    keep_stray(input.substr(mark, 1), events);
    return mark + 1;
  }
  has_start_block_ = false;
  state_ = State::kAfterFs;
  return mark + 1;
}

std::size_t Framer::feed_in_frame(std::string_view input, std::vector<Event>& events) {
  const std::size_t mark = first_mark(input);
  append(input.substr(0, mark), events);
  if (mark == input.size()) return mark;
  if (state_ == State::kDiscarding)
    return mark;  // the limit was passed just now: the mark is looked at again, as one to resume at
  if (input[mark] == kEndBlock) {
    has_start_block_ = true;
    state_ = State::kAfterFs;
  } else {
    const std::size_t count = content_.size();
    events.push_back({.kind = EventKind::kHalfFrame, .bytes = std::exchange(content_, {}), .count = count});
  }
  return mark + 1;
}

std::size_t Framer::feed_after_fs(std::string_view input, std::vector<Event>& events) {
  const bool complete = input.front() == kCarriageReturn;
  finish(complete ? FrameEnd::kComplete : FrameEnd::kCrMissing, events);
  return complete ? 1 : 0;
}

// Behind a frame that was too large: the next SB begins a frame, FS ends the skipping.
std::size_t Framer::feed_discarding(std::string_view input) {
  const std::size_t mark = first_mark(input);
  if (mark == input.size()) return mark;
  state_ = input[mark] == kStartBlock ? State::kInFrame : State::kBetween;
  pass_over_cr_ = input[mark] == kEndBlock;
  return mark + 1;
}

void Framer::append(std::string_view piece, std::vector<Event>& events) {
  const std::size_t room = options_.frame_bytes_max - content_.size();
  if (piece.size() <= room) {
    content_ += piece;
    return;
  }
  const std::size_t count = content_.size() + piece.size();
  std::string head = content_.substr(0, kMllpStrayBytesKept);
  head += piece.substr(0, kMllpStrayBytesKept - head.size());
  events.push_back({.kind = EventKind::kOversize, .bytes = std::move(head), .count = count});
  content_ = std::string();
  state_ = State::kDiscarding;
}

void Framer::finish(FrameEnd end, std::vector<Event>& events) {
  state_ = State::kBetween;
  if (!has_start_block_) {
    const std::size_t count = std::exchange(stray_count_, 0);
    stray_content_ = false;
    events.push_back(
        {.kind = EventKind::kNoStartBlock, .bytes = std::exchange(stray_, {}), .count = count, .end = end});
    return;
  }
  EventKind kind = EventKind::kFrame;
  if (content_.empty()) kind = EventKind::kEmptyFrame;
  if (content_.size() == 1 && content_[0] == kAck) kind = EventKind::kCommitAck;
  if (content_.size() == 1 && content_[0] == kNak) kind = EventKind::kCommitNak;
  const std::size_t count = content_.size();
  events.push_back({.kind = kind, .bytes = std::exchange(content_, {}), .count = count, .end = end});
}

void Framer::accept_without_cr(std::vector<Event>& events) {
  if (!awaiting_cr()) return;
  finish(FrameEnd::kCrMissing, events);
  pass_over_cr_ = true;
}

void Framer::close(std::vector<Event>& events) {
  if (awaiting_cr()) {
    finish(FrameEnd::kCrMissing, events);
  } else if (state_ == State::kInFrame) {
    const std::size_t count = content_.size();
    events.push_back({.kind = EventKind::kClosedMidFrame, .bytes = std::exchange(content_, {}), .count = count});
  }
  flush_junk(events);
  state_ = State::kBetween;
  pass_over_cr_ = false;
}

void Framer::keep_stray(std::string_view piece, std::vector<Event>& events) {
  // A stream that never comes to a frame is reported in pieces of a frame's size.
  if (stray_count_ > options_.frame_bytes_max) flush_junk(events);
  stray_count_ += piece.size();
  stray_content_ = stray_content_ || means_something(piece);
  stray_ += piece.substr(0, kMllpStrayBytesKept - stray_.size());
}

void Framer::flush_junk(std::vector<Event>& events) {
  if (stray_count_ > 0) events.push_back({.kind = EventKind::kJunk, .bytes = {}, .count = stray_count_});
  stray_count_ = 0;
  stray_content_ = false;
  stray_ = std::string();
}

std::string encode_frame(std::string_view content) {
  std::string out;
  out.reserve(content.size() + 3);
  out.push_back(kStartBlock);
  out += content;
  out.push_back(kEndBlock);
  out.push_back(kCarriageReturn);
  return out;
}

}  // namespace minato::mllp

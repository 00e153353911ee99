// MLLP framing without input or output: bytes go in, events come out (HL7 v2 MLLP release 1; commit blocks of release
// 2).
//
//   block := SB(0B) content FS(1C) CR(0D)
//
//   Framer framer;
//   std::vector<Event> events;
//   framer.feed(bytes_read, events);        // any number of events, in order of arrival
//   for (Event& event : events) …
//   if (framer.awaiting_cr()) …start a short timer; when it fires: framer.accept_without_cr(events)…
//
// Every byte is looked at once however small the pieces are. Memory: the frame in progress, at most `frame_bytes_max`,
// which is moved into its event. Not thread-safe: one framer a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace minato::mllp {

inline constexpr char kStartBlock = 0x0B;
inline constexpr char kEndBlock = 0x1C;
inline constexpr char kCarriageReturn = 0x0D;
inline constexpr char kAck = 0x06;
inline constexpr char kNak = 0x15;

enum class EventKind : std::uint8_t {
  kFrame,           // `bytes` is the content
  kEmptyFrame,      // SB FS
  kHalfFrame,       // a new SB came inside a frame: `bytes` is the half before it, the new one goes on
  kNoStartBlock,    // content that ended in FS but had no SB: `bytes` is its beginning, `count` its length
  kOversize,        // the frame passed the limit: `bytes` is its beginning; the rest of it is skipped
  kJunk,            // `count` bytes stood outside frames and are dropped
  kCommitAck,       // release 2: 0B 06 1C 0D
  kCommitNak,       // release 2: 0B 15 1C 0D
  kClosedMidFrame,  // from close(): `bytes` is the half. Never acknowledged
};
std::string_view name(EventKind kind);

enum class FrameEnd : std::uint8_t { kComplete, kCrMissing };

struct Event {
  EventKind kind = EventKind::kFrame;
  std::string bytes;
  std::size_t count = 0;               // bytes on the wire that this event stands for, without SB FS CR
  FrameEnd end = FrameEnd::kComplete;  // of kFrame, kEmptyFrame, kNoStartBlock
};

struct FramerOptions {
  std::size_t frame_bytes_max = kMllpFrameBytesMax;
};

class Framer {
 public:
  explicit Framer(FramerOptions options = {}) : options_(options) {}

  // Appends what `input` completes to `events`.
  void feed(std::string_view input, std::vector<Event>& events);
  // A frame is complete but for its CR. The byte that comes next decides: CR, or anything else, which is then kept for
  // what follows.
  bool awaiting_cr() const { return state_ == State::kAfterFs; }
  // The CR did not come in time: the frame is delivered as it is. A CR that comes later is passed over. No effect if
  // !awaiting_cr().
  void accept_without_cr(std::vector<Event>& events);
  // The peer has closed: what is unfinished becomes kClosedMidFrame (or the frame itself, when only its CR is missing),
  // what stood outside frames kJunk. The framer is then as new.
  void close(std::vector<Event>& events);

  // Something is unfinished, so a time-out applies: a frame, or content that has no SB. False when idle.
  bool mid_frame() const { return state_ != State::kBetween || stray_content_; }
  std::size_t buffered_bytes() const { return content_.capacity() + stray_.capacity(); }

 private:
  enum class State : std::uint8_t { kBetween, kInFrame, kAfterFs, kDiscarding };

  std::size_t feed_between(std::string_view input, std::vector<Event>& events);
  std::size_t feed_in_frame(std::string_view input, std::vector<Event>& events);
  std::size_t feed_after_fs(std::string_view input, std::vector<Event>& events);
  std::size_t feed_discarding(std::string_view input);
  void append(std::string_view piece, std::vector<Event>& events);
  void finish(FrameEnd end, std::vector<Event>& events);
  void keep_stray(std::string_view piece, std::vector<Event>& events);
  void flush_junk(std::vector<Event>& events);

  FramerOptions options_;
  State state_ = State::kBetween;
  bool has_start_block_ = true;  // of what ends with the FS of kAfterFs
  bool pass_over_cr_ = false;    // a frame was accepted without its CR
  std::string content_;          // of the frame in progress
  std::string stray_;            // beginning of what stands outside frames
  std::size_t stray_count_ = 0;
  bool stray_content_ = false;  // more than line ends and padding stands there
};

// SB content FS CR.
std::string encode_frame(std::string_view content);

}  // namespace minato::mllp

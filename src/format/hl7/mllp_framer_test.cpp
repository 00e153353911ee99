#include "format/hl7/mllp_framer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>

namespace minato::mllp {
namespace {

const std::string kSb(1, kStartBlock);
const std::string kFs(1, kEndBlock);

std::vector<Event> events_of(std::string_view input, std::size_t piece, FramerOptions options = {}) {
  Framer framer(options);
  std::vector<Event> events;
  for (std::size_t pos = 0; pos < input.size(); pos += piece) framer.feed(input.substr(pos, piece), events);
  framer.close(events);
  return events;
}

// Kinds, contents and counts in one line: "frame(abc) junk:2".
std::string told(const std::vector<Event>& events) {
  std::string out;
  for (const Event& event : events) {
    if (!out.empty()) out += ' ';
    out += name(event.kind);
    if (event.kind == EventKind::kJunk || event.kind == EventKind::kOversize) {
      out += ":" + std::to_string(event.count);
    } else {
      out += "(" + event.bytes + ")";
    }
    if (event.end == FrameEnd::kCrMissing) out += "!";
  }
  return out;
}

struct Case {
  std::string input;
  std::string expected;
};

const std::vector<Case> kCases = {
    {encode_frame("abc"), "frame(abc)"},
    {encode_frame("abc") + encode_frame("d"), "frame(abc) frame(d)"},
    {"\r\n  hello" + encode_frame("abc"), "junk:9 frame(abc)"},
    {std::string(3, '\0') + encode_frame("a") + std::string(2, '\0') + encode_frame("b"),
     "junk:3 frame(a) junk:2 frame(b)"},
    {kSb + "abc" + kFs + kSb + "d" + kFs + "\r", "frame(abc)! frame(d)"},
    {kSb + "abc" + kFs + "xyz" + encode_frame("d"), "frame(abc)! junk:3 frame(d)"},
    {kSb + "abc" + kFs, "frame(abc)!"},
    {kSb + "half" + encode_frame("whole"), "half-frame(half) frame(whole)"},
    {kSb + kSb + "a" + kFs + "\r", "half-frame() frame(a)"},
    {kSb + "abc\r", "closed-mid-frame(abc\r)"},
    {kSb + kFs + "\r", "empty-frame()"},
    {kSb + kFs + "\r" + encode_frame("a"), "empty-frame() frame(a)"},
    {"MSH|x\r" + kFs + "\r" + encode_frame("a"), "no-start-block(MSH|x\r) frame(a)"},
    {kFs + "\r" + kFs + "\r" + encode_frame("a"), "junk:4 frame(a)"},
    {encode_frame("\x06"), "commit-ack(\x06)"},
    {encode_frame("\x15"), "commit-nak(\x15)"},
    {encode_frame("\x1B$BE|G\"\x1B(B"), "frame(\x1B$BE|G\"\x1B(B)"},
    {"junk", "junk:4"},
    {"", ""},
};

TEST(Framer, TellsWhatCameHoweverItIsCutIntoPieces) {
  for (const Case& c : kCases) {
    for (std::size_t piece = 1; piece <= std::max<std::size_t>(c.input.size(), 1); ++piece) {
      EXPECT_EQ(told(events_of(c.input, piece)), c.expected) << "pieces of " << piece;
    }
  }
}

TEST(Framer, AFrameWithoutItsCrWaitsAndIsGivenOnDemand) {
  Framer framer;
  std::vector<Event> events;
  framer.feed(kSb + "abc" + kFs, events);
  EXPECT_TRUE(framer.awaiting_cr());
  EXPECT_TRUE(framer.mid_frame());
  EXPECT_TRUE(events.empty());
  framer.accept_without_cr(events);
  EXPECT_EQ(told(events), "frame(abc)!");
  EXPECT_FALSE(framer.mid_frame());
  // A CR that comes late belongs to the frame that was given already.
  framer.feed("\r" + encode_frame("d"), events);
  EXPECT_EQ(told(events), "frame(abc)! frame(d)");
  framer.accept_without_cr(events);
  EXPECT_EQ(events.size(), 2u);
}

TEST(Framer, ContentWithoutAStartBlockIsUnfinishedUntilItsEndBlock) {
  Framer framer;
  std::vector<Event> events;
  framer.feed("\r\n", events);
  EXPECT_FALSE(framer.mid_frame());
  framer.feed("MSH|", events);
  EXPECT_TRUE(framer.mid_frame());
  framer.feed(kFs + "\r", events);
  EXPECT_EQ(told(events), "no-start-block(\r\nMSH|)");
  EXPECT_FALSE(framer.mid_frame());
}

TEST(Framer, AFrameOverTheLimitIsReportedAtOnceAndSkipped) {
  const FramerOptions options{.frame_bytes_max = 10};
  for (std::size_t piece = 1; piece < 60; ++piece) {
    const std::string input = encode_frame("0123456789") + encode_frame("0123456789a") + encode_frame("b");
    const std::vector<Event> events = events_of(input, piece, options);
    ASSERT_EQ(events.size(), 3u) << piece;
    EXPECT_EQ(events[0].bytes, "0123456789");
    EXPECT_EQ(events[1].kind, EventKind::kOversize);
    EXPECT_EQ(events[2].bytes, "b");
  }
  Framer framer(options);
  std::vector<Event> events;
  framer.feed(kSb + std::string(11, 'x'), events);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::kOversize);
  framer.feed(std::string(1000, 'x'), events);
  framer.feed(encode_frame("next"), events);  // a new SB begins a new frame even while skipping
  EXPECT_EQ(events.back().bytes, "next");
  EXPECT_EQ(events.size(), 2u);
}

TEST(Framer, MemoryIsBoundedByTheLimits) {
  const FramerOptions options{.frame_bytes_max = 1 * kMiB};
  Framer framer(options);
  std::vector<Event> events;
  const std::string noise(64 * kKiB, 'x');
  for (int i = 0; i < 200; ++i) framer.feed(noise, events);
  EXPECT_LE(framer.buffered_bytes(), 2 * kMllpStrayBytesKept + 1 * kKiB);
  framer.feed(kSb, events);
  for (int i = 0; i < 200; ++i) framer.feed(noise, events);
  EXPECT_LE(framer.buffered_bytes(), 3 * kMiB);
  std::size_t junk = 0;
  for (const Event& event : events) junk += event.kind == EventKind::kJunk ? event.count : 0;
  EXPECT_EQ(junk, 200 * noise.size());
}

TEST(Framer, ALargeFrameInSmallPiecesIsReadInLinearTime) {
  const std::string content(16 * kMiB, 'x');
  const std::string input = encode_frame(content);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Event> events = events_of(input, 100);
  const auto taken = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].bytes.size(), content.size());
  // A quadratic framer would need hours for 168,000 pieces of one frame.
  EXPECT_LT(taken, std::chrono::seconds(20));
}

TEST(Framer, HostileRunsOfMarksAreCheap) {
  EXPECT_EQ(events_of(std::string(1 * kMiB, kEndBlock), 1000).size(), 1u);
  EXPECT_EQ(events_of(std::string(100'000, kStartBlock), 1000).size(), 100'000u);
}

RC_GTEST_PROP(FramerProperty, FramesComeBackWholeAndInOrderForAnyCut, ()) {
  const auto contents = *rc::gen::container<std::vector<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(0x20, 0x7F))));
  const auto piece = *rc::gen::inRange<std::size_t>(1, 40);
  std::string input;
  for (const std::string& content : contents) input += encode_frame(content);
  const std::vector<Event> events = events_of(input, piece);
  RC_ASSERT(events.size() == contents.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    RC_ASSERT(events[i].kind == EventKind::kFrame);
    RC_ASSERT(events[i].bytes == contents[i]);
  }
}

// For any bytes: the same events whatever the cut, and no byte unaccounted for.
RC_GTEST_PROP(FramerProperty, AnyBytesGiveTheSameEventsForAnyCut, ()) {
  const auto bytes = *rc::gen::container<std::string>(
      rc::gen::element<char>('a', 'b', '\r', '\n', kStartBlock, kEndBlock, kAck, '\0'));
  const auto piece = *rc::gen::inRange<std::size_t>(1, 20);
  RC_ASSERT(told(events_of(bytes, piece)) == told(events_of(bytes, bytes.size() + 1)));
  std::size_t content = 0;
  for (const Event& event : events_of(bytes, piece)) content += event.count;
  const auto letters = static_cast<std::size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return c == 'a' || c == 'b' || c == kAck; }));
  RC_ASSERT(content >= letters);
}

}  // namespace
}  // namespace minato::mllp

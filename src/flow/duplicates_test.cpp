#include "flow/duplicates.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

constexpr SipKey kKey{.k0 = 0x0706050403020100, .k1 = 0x0f0e0d0c0b0a0908};

DuplicateWindow window(std::size_t messages_max, Duration age_max = std::chrono::hours(1)) {
  return DuplicateWindow({.age_max = age_max, .messages_max = messages_max, .key = kKey});
}
MessageDigest message(const DuplicateWindow& window, std::string_view id, std::string_view bytes) {
  return window.digest({.identity = "", .application = "HIS", .facility = "H", .control_id = id}, bytes);
}

// The test vector of the SipHash authors for 128 bits: key 00..0f, input 00..0e; and the empty input.
TEST(SipHashTest, GivesThePublishedValues) {
  std::string input;
  for (char c = 0; c < 15; ++c) input.push_back(c);
  const Hash128 fifteen = SipHash(kKey).add(input).finish();
  EXPECT_EQ(fifteen.low, 0x11a8b03399e99354u);
  EXPECT_EQ(fifteen.high, 0xd9c3cf970fec087eu);
  const Hash128 nothing = SipHash(kKey).finish();
  EXPECT_EQ(nothing.low, 0xe6a825ba047f81a3u);
  EXPECT_EQ(nothing.high, 0x930255c71472f66du);
}

TEST(SipHashTest, PiecesHashAsTheirConcatenation) {
  const std::string text = "The quick brown fox jumps over the lazy dog, twice";
  const Hash128 whole = SipHash(kKey).add(text).finish();
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string_view view = text;
    EXPECT_EQ(SipHash(kKey).add(view.substr(0, cut)).add(view.substr(cut)).finish(), whole) << cut;
  }
}

TEST(DuplicateWindowTest, FindsTheSameBytesOfTheSameSenderOnly) {
  auto seen = window(10);
  seen.insert(message(seen, "1", "bytes"), {Seq{7}, from_micros(70)});
  const auto found = seen.find(message(seen, "1", "bytes"), from_micros(80));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->seq, Seq{7});
  EXPECT_EQ(found->time, from_micros(70));
  EXPECT_FALSE(seen.find(message(seen, "1", "other"), from_micros(80)));
  const MessageDigest other =
      seen.digest({.identity = "cert:x", .application = "HIS", .facility = "H", .control_id = "1"}, "bytes");
  EXPECT_FALSE(seen.find(other, from_micros(80)));
  EXPECT_FALSE(seen.id_seen(other, from_micros(80)));
}

TEST(DuplicateWindowTest, KnowsAnIdThatCameWithOtherBytes) {
  auto seen = window(10);
  seen.insert(message(seen, "1", "bytes"), {Seq{7}, from_micros(70)});
  EXPECT_TRUE(seen.id_seen(message(seen, "1", "other"), from_micros(80)));
  EXPECT_FALSE(seen.id_seen(message(seen, "2", "bytes"), from_micros(80)));
}

TEST(DuplicateWindowTest, PartsOfTheNameDoNotRunIntoOneAnother) {
  const auto seen = window(10);
  const auto a = seen.digest({.identity = "", .application = "AB", .facility = "C", .control_id = "1"}, "x");
  const auto b = seen.digest({.identity = "", .application = "A", .facility = "BC", .control_id = "1"}, "x");
  EXPECT_NE(a.id, b.id);
}

TEST(DuplicateWindowTest, TheOldestLeaveWhenItIsFullAndTheOthersStay) {
  constexpr std::size_t kMax = 3000;  // past one growth of the ring, and no power of two
  auto seen = window(kMax);
  for (std::uint64_t n = 1; n <= 10'000; ++n) {
    seen.insert(message(seen, std::to_string(n), "x" + std::to_string(n)), {Seq{n}, from_micros(100)});
  }
  EXPECT_EQ(seen.size(), kMax);
  for (std::uint64_t n = 1; n <= 10'000; ++n) {
    const auto digest = message(seen, std::to_string(n), "x" + std::to_string(n));
    const bool kept = n > 10'000 - kMax;
    ASSERT_EQ(seen.find(digest, from_micros(100)).has_value(), kept) << n;
    ASSERT_EQ(seen.id_seen(digest, from_micros(100)), kept) << n;
    if (kept) {
      ASSERT_EQ(seen.find(digest, from_micros(100))->seq, Seq{n});
    }
  }
}

TEST(DuplicateWindowTest, WhatIsTooOldIsNotFoundAndLeavesRoom) {
  auto seen = window(100, std::chrono::seconds(10));
  seen.insert(message(seen, "1", "a"), {Seq{1}, from_micros(0)});
  EXPECT_TRUE(seen.find(message(seen, "1", "a"), from_micros(10'000'000)));
  EXPECT_FALSE(seen.find(message(seen, "1", "a"), from_micros(10'000'001)));
  EXPECT_FALSE(seen.id_seen(message(seen, "1", "b"), from_micros(10'000'001)));
  seen.insert(message(seen, "2", "b"), {Seq{2}, from_micros(20'000'000)});
  EXPECT_EQ(seen.size(), 1u);
}

TEST(DuplicateWindowTest, TheFirstOfTheSameBytesStaysTheFirst) {
  auto seen = window(100);
  seen.insert(message(seen, "1", "a"), {Seq{1}, from_micros(1)});
  seen.insert(message(seen, "1", "a"), {Seq{9}, from_micros(9)});
  EXPECT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen.find(message(seen, "1", "a"), from_micros(9))->seq, Seq{1});
}

TEST(DuplicateWindowTest, OfNoSizeRemembersNothing) {
  auto seen = window(0);
  seen.insert(message(seen, "1", "a"), {Seq{1}, from_micros(1)});
  EXPECT_FALSE(seen.find(message(seen, "1", "a"), from_micros(1)));
}

}  // namespace
}  // namespace minato

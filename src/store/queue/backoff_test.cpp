#include "store/queue/backoff.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace minato {
namespace {

class Seeded : public Random {
 public:
  std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_{1};
};

class Constant : public Random {
 public:
  explicit Constant(std::uint64_t value) : value_(value) {}
  std::uint64_t next() override { return value_; }

 private:
  std::uint64_t value_;
};

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Backoff kBackoff{.first = seconds(1), .max = seconds(60)};

TEST(Backoff, WithoutJitterItDoublesUpToTheLimit) {
  Constant none(0);
  EXPECT_EQ(backoff_delay(kBackoff, 1, none), seconds(1));
  EXPECT_EQ(backoff_delay(kBackoff, 2, none), seconds(2));
  EXPECT_EQ(backoff_delay(kBackoff, 6, none), seconds(32));
  EXPECT_EQ(backoff_delay(kBackoff, 7, none), seconds(60));
  EXPECT_EQ(backoff_delay(kBackoff, 0xffff'ffff, none), seconds(60));
}

TEST(Backoff, JitterTakesAtMostHalf) {
  Seeded random;
  std::set<Duration> seen;
  for (int i = 0; i < 1000; ++i) {
    const Duration pause = backoff_delay(kBackoff, 4, random);
    EXPECT_GE(pause, seconds(4));
    EXPECT_LE(pause, seconds(8));
    seen.insert(pause);
  }
  EXPECT_GT(seen.size(), 900u) << "what failed together comes back together";
  EXPECT_LT(*seen.begin(), milliseconds(4200));
  EXPECT_GT(*seen.rbegin(), milliseconds(7800));
}

TEST(Backoff, OddSettingsNeverGiveNoPauseOrATooLongOne) {
  Seeded random;
  for (const Backoff odd : {Backoff{Duration(0), Duration(0)}, Backoff{seconds(-5), seconds(1)},
                            Backoff{hours(10), seconds(1)}, Backoff{Duration(1), Duration::max()}}) {
    for (const std::uint32_t failures : {0u, 1u, 2u, 63u, 64u, 1000u}) {
      const Duration pause = backoff_delay(odd, failures, random);
      EXPECT_GE(pause, Duration(1));
      EXPECT_LE(pause, std::max(odd.max, Duration(1)));
    }
  }
}

TEST(Backoff, ReceivesAreExhaustedPastTheLimitAndNeverWithoutOne) {
  EXPECT_FALSE(receives_exhausted(8, 8));
  EXPECT_TRUE(receives_exhausted(9, 8));
  EXPECT_FALSE(receives_exhausted(1'000'000, 0));
}

}  // namespace
}  // namespace minato

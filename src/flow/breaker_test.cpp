#include "flow/breaker.h"

#include <gtest/gtest.h>

namespace minato {
namespace {

using std::chrono::seconds;
constexpr BreakerOptions kOptions{.failures_max = 3, .pause_first = seconds(10), .pause_max = seconds(60)};

void fail_times(Breaker& breaker, int times, seconds now) {
  for (int i = 0; i < times; ++i) breaker.failed(now);
}

TEST(Breaker, FailuresInARowOpenItAndASuccessBetweenThemDoesNot) {
  Breaker breaker(kOptions);
  fail_times(breaker, 2, seconds(1));
  breaker.succeeded();
  fail_times(breaker, 2, seconds(2));
  EXPECT_TRUE(breaker.allow(seconds(2)));
  breaker.failed(seconds(2));
  EXPECT_EQ(breaker.state(), BreakerState::kOpen);
  EXPECT_FALSE(breaker.allow(seconds(11)));
}

TEST(Breaker, AfterThePauseOneProbePassesAndItsOutcomeDecides) {
  Breaker breaker(kOptions);
  fail_times(breaker, 3, seconds(0));
  EXPECT_TRUE(breaker.allow(seconds(10)));
  EXPECT_FALSE(breaker.allow(seconds(10)));
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen);
  breaker.succeeded();
  EXPECT_TRUE(breaker.allow(seconds(10)));
  EXPECT_EQ(breaker.open_until(), Deadline::duration::zero());
}

TEST(Breaker, EachFailedProbeDoublesThePauseUpToItsMaximum) {
  Breaker breaker(kOptions);
  fail_times(breaker, 3, seconds(0));
  seconds now(10);
  for (const int pause : {20, 40, 60, 60}) {
    ASSERT_TRUE(breaker.allow(now));
    breaker.failed(now);
    EXPECT_EQ(breaker.open_until(), now + seconds(pause));
    EXPECT_FALSE(breaker.allow(now + seconds(pause) - seconds(1)));
    now += seconds(pause);
  }
}

TEST(Breaker, FailuresOfCallsThatBeganBeforeItOpenedChangeNothing) {
  Breaker breaker(kOptions);
  fail_times(breaker, 3, seconds(0));
  fail_times(breaker, 5, seconds(9));
  EXPECT_TRUE(breaker.allow(seconds(10)));
}

TEST(Breaker, AProbeThatNeverReportsIsGivenUpAfterTheLongestPause) {
  Breaker breaker(kOptions);
  fail_times(breaker, 3, seconds(0));
  ASSERT_TRUE(breaker.allow(seconds(10)));
  EXPECT_FALSE(breaker.allow(seconds(69)));
  EXPECT_TRUE(breaker.allow(seconds(70)));
}

}  // namespace
}  // namespace minato

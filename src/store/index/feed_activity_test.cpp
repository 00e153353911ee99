#include "store/index/feed_activity.h"

#include <chrono>

#include "store/sql/sqlite.h"

namespace minato {
namespace {

using namespace std::chrono_literals;

// A Monday, midnight.
const Time kMonday = *from_rfc3339("2026-11-02T00:00:00Z");

class FeedActivityTest : public testing::Test {
 protected:
  FeedActivityTest() : db_(std::move(*Sqlite::open_writer(":memory:", {}))), activity_(*db_) {
    EXPECT_TRUE(db_->execute(FeedActivity::schema().sql.c_str()));
  }
  void note(const FeedKey& feed, Time time, FeedEvent event = FeedEvent::kAccepted) {
    ASSERT_TRUE(activity_.note(feed, Seq{++seq_}, time, 100, event));
  }
  FeedSilence silence_of(const FeedKey& feed, Time now) {
    EXPECT_TRUE(activity_.flush());
    const auto silences = *read_silences(*db_, now);
    for (const auto& silence : silences) {
      if (silence.feed == feed) return silence;
    }
    ADD_FAILURE() << "no such feed";
    return {};
  }

  std::unique_ptr<Sqlite> db_;
  FeedActivity activity_;
  std::uint64_t seq_ = 0;
  const FeedKey lab_ = {"results", "LAB", "H1"};
  const FeedKey his_ = {"adt", "HIS", "H1"};
};

TEST_F(FeedActivityTest, TotalsAndBucketsAddUpOverBatches) {
  note(lab_, kMonday + 1min);
  note(lab_, kMonday + 2min, FeedEvent::kRefused);
  ASSERT_TRUE(activity_.flush());
  note(lab_, kMonday + 3min, FeedEvent::kDuplicate);
  note(lab_, kMonday + 11min);
  note(his_, kMonday + 5min);
  ASSERT_TRUE(activity_.flush());
  const auto feeds = *read_feeds(*db_);
  ASSERT_EQ(feeds.size(), 2U);
  EXPECT_EQ(feeds[1].feed, lab_);
  EXPECT_EQ(feeds[1].accepted, 2U);
  EXPECT_EQ(feeds[1].refused, 1U);
  EXPECT_EQ(feeds[1].duplicates, 1U);
  EXPECT_EQ(feeds[1].bytes, 400U);
  EXPECT_EQ(feeds[1].first_seen, kMonday + 1min);
  EXPECT_EQ(feeds[1].last_seen, kMonday + 11min);
  EXPECT_EQ(feeds[1].last_seq, Seq{4});
  const auto buckets = *read_buckets(*db_, lab_, kMonday, kMonday + 1h);
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(buckets[0].begin, kMonday);
  EXPECT_EQ(buckets[0].accepted, 1U);
  EXPECT_EQ(buckets[1].begin, kMonday + 10min);
  EXPECT_EQ(read_buckets(*db_, lab_, kMonday + 1us, kMonday + 10min)->size(), 0U);
  EXPECT_EQ(read_buckets(*db_, lab_, kMonday + 1us, kMonday + 11min)->size(), 1U);
}

TEST_F(FeedActivityTest, WhatARollbackTookIsNotCounted) {
  note(lab_, kMonday);
  ASSERT_TRUE(activity_.flush());
  ASSERT_TRUE(db_->run("BEGIN"));
  note(his_, kMonday);
  note(lab_, kMonday);
  ASSERT_TRUE(db_->run("ROLLBACK"));
  activity_.forget();
  note(lab_, kMonday);
  ASSERT_TRUE(activity_.flush());
  const auto feeds = *read_feeds(*db_);
  ASSERT_EQ(feeds.size(), 1U);
  EXPECT_EQ(feeds[0].accepted, 2U);
}

TEST_F(FeedActivityTest, ALaboratoryThatSleepsOnSundaysIsMissedOnMondayOnly) {
  for (int day = 0; day < 28; ++day) {
    if (day % 7 == 6) continue;
    for (int minute = 0; minute < 24 * 60; ++minute) note(lab_, kMonday + 24h * day + 1min * minute);
  }
  const Time sunday_noon = kMonday + 24h * 27 + 12h;
  const auto asleep = silence_of(lab_, sunday_noon);
  EXPECT_GT(asleep.silent, 12h);
  EXPECT_LT(asleep.expected, 20.0);
  const Time monday_morning = kMonday + 24h * 28 + 30min;
  note(lab_, kMonday + 24h * 28);
  const auto missed = silence_of(lab_, monday_morning);
  EXPECT_EQ(missed.silent, 30min);
  EXPECT_GT(missed.expected, 10.0);
  EXPECT_GE(missed.usual_gap, 50s);
  EXPECT_LE(missed.usual_gap, 3min);
}

TEST_F(FeedActivityTest, AYoungFeedIsJudgedByItsMeanAndANewOneNotAtAll) {
  for (int minute = 0; minute < 120; ++minute) note(his_, kMonday + 1min * minute);
  const auto young = silence_of(his_, kMonday + 140min);
  EXPECT_NEAR(young.expected, 18, 6);
  note(lab_, kMonday);
  const auto fresh = silence_of(lab_, kMonday + 30min);
  EXPECT_EQ(fresh.expected, 0.0);
  EXPECT_EQ(fresh.usual_gap, Duration(0));
}

TEST_F(FeedActivityTest, TheLeastExpectedSilenceComesFirst) {
  for (int minute = 0; minute < 300; ++minute) note(his_, kMonday + 1min * minute);
  for (int hour = 0; hour < 5; ++hour) note(lab_, kMonday + 1h * hour);
  ASSERT_TRUE(activity_.flush());
  const auto silences = *read_silences(*db_, kMonday + 6h);
  ASSERT_EQ(silences.size(), 2U);
  EXPECT_EQ(silences[0].feed, his_);
  EXPECT_GT(silences[0].expected, silences[1].expected);
}

TEST_F(FeedActivityTest, ANowBeforeTheLastMessageIsNoSilence) {
  note(lab_, kMonday + 1h);
  const auto silence = silence_of(lab_, kMonday);
  EXPECT_EQ(silence.silent, Duration(0));
  EXPECT_EQ(silence.expected, 0.0);
}

TEST_F(FeedActivityTest, BucketsOlderThanTheHistoryAreDropped) {
  note(lab_, kMonday);
  ASSERT_TRUE(activity_.flush());
  note(lab_, kMonday + kFeedHistory + 1h);
  ASSERT_TRUE(activity_.flush());
  EXPECT_EQ(read_buckets(*db_, lab_, kMonday, kMonday + kFeedHistory + 2h)->size(), 1U);
  EXPECT_EQ(read_feeds(*db_)->front().accepted, 2U);
}

}  // namespace
}  // namespace minato

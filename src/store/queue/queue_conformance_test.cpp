// The queue's contract, sentence by sentence, on every kind of queue.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/limits.h"
#include "store/queue/queues_for_test.h"

namespace minato {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Time kNow{Duration(1'700'000'000'000'000)};

using Lanes = std::vector<std::string>;

class QueueTest : public ::testing::TestWithParam<QueueKind> {
 protected:
  QueueTest() : queue_(GetParam()) {}
  void SetUp() override {
    if (!queue_.there()) GTEST_SKIP() << PostgresForTest::kMissing;
  }

  static ItemId id(std::uint64_t number) { return {Seq{number}, 0}; }
  static NewItem item(std::uint64_t number, Lanes lanes, const std::string& step = "process") {
    return {id(number), Seq{number}, step, std::move(lanes), "{}", {}};
  }
  static Enqueue enqueue(std::uint64_t number, Lanes lanes, Time at = kNow) {
    return {item(number, std::move(lanes)), at};
  }
  void apply(const std::vector<QueueChange>& changes) {
    const Status applied = queue_->apply(changes, Seq{position_}, Seq{position_ + 1});
    ASSERT_TRUE(applied) << applied.error().what;
    ++position_;
  }
  std::vector<Leased> lease_all(const std::string& worker = "w", Time now = kNow, std::size_t lanes_max = 100,
                                const std::vector<std::string>& steps = {}) {
    auto leased = queue_->lease(worker, now, {steps, lanes_max, seconds(30)});
    EXPECT_TRUE(leased) << leased.error().what;
    return leased ? std::move(*leased) : std::vector<Leased>();
  }
  static std::vector<std::uint64_t> numbers(const std::vector<Leased>& leased) {
    std::vector<std::uint64_t> out;
    for (const auto& one : leased) out.push_back(one.item.id.created_by.value);
    std::ranges::sort(out);
    return out;
  }
  std::vector<std::uint64_t> lease(Time now = kNow) { return numbers(lease_all("w", now)); }
  ItemView view(std::uint64_t number) {
    const auto views = queue_->items({.ids = {id(number)}}, {}, 10);
    EXPECT_TRUE(views && views->size() == 1);
    return views && views->size() == 1 ? views->front() : ItemView();
  }

  using Numbers = std::vector<std::uint64_t>;
  QueueForTest queue_;
  std::uint64_t position_ = 0;
};

TEST_P(QueueTest, AnItemRunsOnlyWhenEveryEarlierOneOfItsLaneHasEnded) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"}), enqueue(3, {"b"}), enqueue(4, {"a"})});
  EXPECT_EQ(lease(), Numbers({1, 3}));
  EXPECT_EQ(lease(), Numbers());
  apply({Finish{id(1)}});
  EXPECT_EQ(lease(), Numbers({2}));
  apply({Finish{id(3)}, Finish{id(2)}});
  EXPECT_EQ(lease(), Numbers({4}));
  apply({Finish{id(4)}});
  EXPECT_EQ(lease(), Numbers());
  EXPECT_EQ(queue_->stats()->lanes, 0u) << "a lane without items leaves nothing behind";
}

TEST_P(QueueTest, ABarrierWaitsForBothItsLanesAndHoldsBoth) {
  apply({enqueue(1, {"a"}), enqueue(2, {"b"}), enqueue(3, {"a", "b"}), enqueue(4, {"a"}), enqueue(5, {"b"})});
  EXPECT_EQ(lease(), Numbers({1, 2}));
  apply({Finish{id(2)}});
  EXPECT_EQ(lease(), Numbers());
  apply({Finish{id(1)}});
  const auto merge = lease_all();
  EXPECT_EQ(numbers(merge), Numbers({3}));
  EXPECT_EQ(merge.at(0).item.lanes, Lanes({"a", "b"}));
  EXPECT_EQ(merge.at(0).fences.size(), 2u);
  EXPECT_EQ(lease(), Numbers());
  apply({Finish{id(3)}});
  EXPECT_EQ(lease(), Numbers({4, 5}));
}

TEST_P(QueueTest, ABarrierIsLeasedEvenByAWorkerThatTakesOneLane) {
  apply({enqueue(1, {"a", "b"})});
  EXPECT_EQ(numbers(lease_all("w", kNow, 1)), Numbers({1}));
}

TEST_P(QueueTest, AMergeOfAnIdWithItselfIsAnOrdinaryItem) {
  apply({enqueue(1, {"a", "a"}), enqueue(2, {"a"})});
  EXPECT_EQ(lease_all().at(0).fences.size(), 1u);
  apply({Park{id(1), "reason", kNow}});
  EXPECT_EQ(lease(), Numbers({2}));
}

TEST_P(QueueTest, AParkedItemLetsItsLaneGoOnAndLaterOnesSaySo) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"}), enqueue(3, {"b"})});
  for (const auto& one : lease_all()) EXPECT_FALSE(one.after_parked);
  apply({Park{id(1), "no such patient", kNow + seconds(1)}});
  const auto next = lease_all();
  ASSERT_EQ(numbers(next), Numbers({2}));
  EXPECT_TRUE(next[0].after_parked);
  EXPECT_TRUE(view(2).after_parked);
  EXPECT_FALSE(view(3).after_parked);
  const ItemView parked = view(1);
  EXPECT_EQ(parked.state, ItemState::kParked);
  EXPECT_EQ(parked.parked_reason, "no such patient");
  EXPECT_EQ(parked.parked_at, kNow + seconds(1));
}

TEST_P(QueueTest, AParkedBarrierHoldsBothLanesUntilItIsRedriven) {
  apply({enqueue(1, {"a", "b"}), enqueue(2, {"a"}), enqueue(3, {"b"}), enqueue(4, {"c"})});
  apply({Park{id(1), "unsure", kNow}});
  EXPECT_EQ(lease(), Numbers({4}));
  apply({Redrive{{id(1)}, kNow}});
  EXPECT_EQ(lease(), Numbers({1}));
  apply({Finish{id(1)}});
  EXPECT_EQ(lease(), Numbers({2, 3}));
}

TEST_P(QueueTest, AParkedBarrierThatIsDiscardedSetsBothLanesFree) {
  apply({enqueue(1, {"a", "b"}), enqueue(2, {"a"}), enqueue(3, {"b"})});
  apply({Park{id(1), "unsure", kNow}});
  EXPECT_EQ(lease(), Numbers());
  apply({Discard{{id(1)}, kNow}});
  EXPECT_EQ(lease(), Numbers({2, 3}));
}

TEST_P(QueueTest, BarriersInAChainRunOneAfterTheOther) {
  apply({enqueue(1, {"a", "b"}), enqueue(2, {"b", "c"}), enqueue(3, {"c", "a"}), enqueue(4, {"c", "d"})});
  for (const std::uint64_t number : {1u, 2u, 3u, 4u}) {
    EXPECT_EQ(lease(), Numbers({number}));
    apply({Finish{id(number)}});
  }
}

TEST_P(QueueTest, AFailedItemKeepsItsPlaceAndHoldsItsLaneUntilItsTime) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"})});
  EXPECT_EQ(lease(), Numbers({1}));
  apply({Fail{id(1), "connection refused", kNow, kNow + seconds(10)}});
  EXPECT_EQ(lease(kNow + seconds(9)), Numbers());
  EXPECT_EQ(queue_->next_runnable(kNow, {}).value(), kNow + seconds(10));
  const auto again = lease_all("w", kNow + seconds(10));
  ASSERT_EQ(numbers(again), Numbers({1}));
  EXPECT_EQ(again[0].failures, 1u);
  EXPECT_EQ(again[0].receives, 2u);
}

TEST_P(QueueTest, AnItemForLaterHoldsItsLaneToo) {
  NewItem digest = item(1, {"mail|x"}, "mail");
  digest.not_before = kNow + hours(8);
  apply({Enqueue{digest, kNow}, enqueue(2, {"mail|x"})});
  EXPECT_EQ(lease(), Numbers());
  EXPECT_EQ(queue_->next_runnable(kNow, {"mail"}).value(), kNow + hours(8));
  EXPECT_EQ(queue_->next_runnable(kNow, {"process"}).value(), std::nullopt);
  EXPECT_EQ(lease(kNow + hours(8)), Numbers({1}));
}

TEST_P(QueueTest, RedrivenItemsComeBackBeforeLaterOnesPacedInTheGivenOrder) {
  apply({enqueue(1, {"a"}), enqueue(2, {"b"}), enqueue(3, {"c"}), enqueue(4, {"a"}), enqueue(5, {"d"})});
  apply({Park{id(1), "r", kNow}, Park{id(2), "r", kNow}, Park{id(3), "r", kNow}});
  apply({Redrive{{id(3), id(5), id(1), id(2)}, kNow, 2}});
  EXPECT_EQ(lease(), Numbers({3, 5})) << "5 was not parked and uses up no place";
  EXPECT_EQ(lease(kNow + std::chrono::milliseconds(499)), Numbers());
  EXPECT_EQ(lease(kNow + std::chrono::milliseconds(500)), Numbers({1}));
  EXPECT_EQ(lease(kNow + seconds(1)), Numbers({2}));
}

TEST_P(QueueTest, ARedrivenItemBehindOneThatStaysParkedRunsAndSaysSo) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"}), enqueue(3, {"a"})});
  apply({Park{id(1), "r", kNow}, Park{id(2), "r", kNow}});
  apply({Redrive{{id(2)}, kNow}});
  const auto leased = lease_all();
  ASSERT_EQ(numbers(leased), Numbers({2}));
  EXPECT_TRUE(leased[0].after_parked);
  apply({Finish{id(2)}});
  EXPECT_EQ(lease(), Numbers({3}));
}

TEST_P(QueueTest, ABarrierRunsWhicheverOfItsLanesWasFreeLast) {
  apply({enqueue(1, {"a"}), enqueue(2, {"b"}), enqueue(3, {"a", "b"}), enqueue(4, {"a", "b"})});
  apply({Finish{id(1)}});
  EXPECT_EQ(lease(), Numbers({2}));
  apply({Finish{id(2)}});
  EXPECT_EQ(lease(), Numbers({3}));
  apply({Finish{id(3)}});
  EXPECT_EQ(lease(), Numbers({4}));
}

TEST_P(QueueTest, ARedrivenItemStartsAnewButItsHistoryIsKept) {
  apply({enqueue(1, {"a"})});
  lease();
  apply({Fail{id(1), "first", kNow, kNow}});
  lease();
  apply({Park{id(1), "second", kNow + seconds(5)}});
  apply({Redrive{{id(1)}, kNow}});
  const auto again = lease_all();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].receives, 1u);
  EXPECT_EQ(again[0].failures, 0u);
  const auto attempts = view(1).attempts;
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].error, "first");
  EXPECT_EQ(attempts[1].error, "second");
  EXPECT_EQ(attempts[1].at, kNow + seconds(5));
}

// An operator redrives while a later item of the lane is being worked on: that one is left to end.
TEST_P(QueueTest, ARedriveDoesNotPutTwoWorkersOnOneLane) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"}), enqueue(3, {"a"})});
  apply({Park{id(1), "r", kNow}});
  EXPECT_EQ(lease(), Numbers({2}));
  apply({Redrive{{id(1)}, kNow}});
  EXPECT_EQ(lease(), Numbers());
  apply({Finish{id(2)}});
  EXPECT_EQ(lease(), Numbers({1}));
  apply({Finish{id(1)}});
  EXPECT_EQ(lease(), Numbers({3}));
}

TEST_P(QueueTest, EveryAttemptIsKeptUntilThereAreTooManyAndThenTheFirstAndTheNewest) {
  apply({enqueue(1, {"a"})});
  const std::uint32_t count = kQueueAttemptsKept + 10;
  for (std::uint32_t i = 1; i <= count; ++i)
    apply({Fail{id(1), "error " + std::to_string(i), kNow + seconds(i), kNow}});
  apply({Park{id(1), "gave up", kNow}});
  const auto attempts = view(1).attempts;
  ASSERT_EQ(attempts.size(), kQueueAttemptsKept);
  EXPECT_EQ(attempts.front().error, "error 1");
  EXPECT_EQ(attempts.front().times, 11u);
  EXPECT_EQ(attempts[1].error, "error 12");
  EXPECT_EQ(attempts.back().error, "error " + std::to_string(count));
  apply({Discard{{id(1)}, kNow}, enqueue(2, {"a"})});
  EXPECT_TRUE(view(2).attempts.empty());
}

TEST_P(QueueTest, ALongErrorIsCutBetweenCharacters) {
  std::string error(kQueueErrorBytesMax - 1, 'x');
  error += "港";
  apply({enqueue(1, {"a"})});
  apply({Fail{id(1), error, kNow, kNow}});
  EXPECT_EQ(view(1).attempts.at(0).error, std::string(kQueueErrorBytesMax - 1, 'x'));
}

TEST_P(QueueTest, TheSecondOutcomeOfAnItemMakesNoChildren) {
  apply({enqueue(1, {"a"})});
  const Finish outcome{id(1), kNow, {item(10, {"mail|a"}, "mail"), item(11, {"lab|a"}, "forward:lab")}};
  apply({outcome});
  Finish second = outcome;
  second.children[0].id = id(20);
  second.children[1].id = id(21);
  apply({second});
  EXPECT_EQ(lease(), Numbers({10, 11}));
}

TEST_P(QueueTest, ChangesThatDoNotFitChangeNothing) {
  apply({enqueue(1, {"a"}), enqueue(2, {"b"})});
  apply({Park{id(1), "first", kNow}});
  apply({Park{id(1), "second", kNow}, Fail{id(1), "late", kNow, kNow}, Redrive{{id(2)}, kNow}, Discard{{id(2)}, kNow},
         Finish{id(99)}, Fail{id(99), "e", kNow, kNow}, Park{id(99), "r", kNow}, Redrive{{id(99)}, kNow},
         enqueue(2, {"other"}), Finish{{Seq{~0ull}, ~0u}}, Discard{{{Seq{1}, 65'536}}, kNow}});
  EXPECT_EQ(view(1).parked_reason, "first");
  EXPECT_TRUE(view(1).attempts.empty());
  EXPECT_EQ(view(2).item.lanes, Lanes({"b"}));
  EXPECT_EQ(queue_->stats()->parked, 1u);
  EXPECT_EQ(lease(), Numbers({2}));
}

TEST_P(QueueTest, ALateSuccessEndsAParkedItem) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a"})});
  apply({Park{id(1), "timed out", kNow}});
  apply({Finish{id(1)}});
  EXPECT_EQ(queue_->stats()->parked, 0u);
  EXPECT_FALSE(view(2).after_parked);
}

TEST_P(QueueTest, ManyChangesOfOneItemInOneBatchLeaveTheLastWord) {
  apply({enqueue(1, {"a"}), Fail{id(1), "e1", kNow, kNow + hours(1)}, Park{id(1), "r", kNow}, enqueue(2, {"a", "b"}),
         Redrive{{id(1)}, kNow}, enqueue(3, {"b"}), Finish{id(1), kNow, {item(4, {"c"})}}, Finish{id(4)},
         enqueue(1, {"z"})});
  EXPECT_EQ(lease(), Numbers({2}));
  EXPECT_EQ(queue_->stats()->lanes, 2u);
}

TEST_P(QueueTest, AnApplyFromAnotherPositionIsAConflictAndChangesNothing) {
  apply({enqueue(1, {"a"})});
  for (const std::uint64_t from : {0u, 2u}) {
    const auto refused = queue_->apply(std::vector<QueueChange>{Finish{id(1)}}, Seq{from}, Seq{from + 1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kConflict);
  }
  EXPECT_EQ(queue_->position().value(), Seq{1});
  EXPECT_EQ(lease(), Numbers({1}));
  ASSERT_TRUE(queue_->apply({}, Seq{1}, Seq{500})) << "records that the queue does not care about move it too";
  EXPECT_EQ(queue_->position().value(), Seq{500});
}

TEST_P(QueueTest, WhatIsOverALimitIsRefusedWhole) {
  NewItem none = item(2, {});
  NewItem three = item(2, {"a", "b", "c"});
  NewItem ordinal = item(2, {"a"});
  ordinal.id.ordinal = 65'536;
  NewItem args = item(2, {"a"});
  args.args.assign(kQueueArgsBytesMax + 1, 'x');
  NewItem step = item(2, {"a"}, std::string(kQueueStepBytesMax + 1, 's'));
  for (const auto& [bad, code] :
       {std::pair(none, Errc::kRefused), std::pair(three, Errc::kRefused), std::pair(ordinal, Errc::kTooLarge),
        std::pair(args, Errc::kTooLarge), std::pair(step, Errc::kTooLarge)}) {
    for (const QueueChange& change : {QueueChange(Enqueue{bad, kNow}), QueueChange(Finish{id(1), kNow, {bad}})}) {
      const auto refused = queue_->apply(std::vector<QueueChange>{enqueue(1, {"a"}), change}, Seq{0}, Seq{1});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, code);
    }
  }
  EXPECT_EQ(queue_->position().value(), Seq{0});
  EXPECT_EQ(queue_->stats()->waiting, 0u);
}

TEST_P(QueueTest, TheLargestItemsAndNumbersAreTaken) {
  NewItem large = item(1, {std::string(kQueueLaneBytesMax, 'l')}, std::string(kQueueStepBytesMax, 's'));
  large.id = {Seq{(1ull << 47) - 1}, 65'535};
  large.args.assign(kQueueArgsBytesMax, 'x');
  apply({Enqueue{large, kNow}});
  const auto leased = lease_all();
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].item.id, large.id);
  EXPECT_EQ(leased[0].item.lanes, large.lanes);
  EXPECT_EQ(leased[0].item.args, large.args);
}

TEST_P(QueueTest, NamesThatAHostileSenderChoseAreKeptApart) {
  const std::string nul("a\0b", 3), broken = "\xff\xc0|'; DROP TABLE queue_items; --";
  const std::string front(100'000, 'x');
  apply({enqueue(1, {nul}), enqueue(2, {"a"}), enqueue(3, {broken}), enqueue(4, {front + "1"}),
         enqueue(5, {front + "2"}), enqueue(6, {front + "1"}), enqueue(7, {""}), enqueue(8, {""})});
  EXPECT_EQ(lease(), Numbers({1, 2, 3, 4, 5, 7}));
  EXPECT_EQ(queue_->count({.lane = front + "1"}).value(), 2u);
  EXPECT_EQ(queue_->count({.lane = nul}).value(), 1u);
  EXPECT_EQ(view(3).item.lanes, Lanes({broken}));
  EXPECT_LE(view(4).item.lanes.at(0).size(), kQueueLaneBytesMax);
  apply({Fail{id(3), broken + nul, kNow, kNow}, Park{id(1), nul, kNow}});
  EXPECT_EQ(view(3).attempts.at(0).error, broken + nul);
  EXPECT_EQ(view(1).parked_reason, nul);
}

TEST_P(QueueTest, WorkersLeaseTheStepsThatTheyServe) {
  apply({Enqueue{item(1, {"p|a"}, "process"), kNow}, Enqueue{item(2, {"f|a"}, "forward:lab"), kNow},
         Enqueue{item(3, {"g|a"}, "forward:ward"), kNow}, Enqueue{item(4, {"m|a"}, "mail"), kNow},
         Enqueue{item(5, {"n|a"}, "forward"), kNow}});
  EXPECT_EQ(numbers(lease_all("w", kNow, 100, {"nothing", "nothing:"})), Numbers());
  EXPECT_EQ(numbers(lease_all("w", kNow, 100, {"forward:lab"})), Numbers({2}));
  EXPECT_EQ(numbers(lease_all("w", kNow, 100, {"forward:"})), Numbers({3}));
  EXPECT_EQ(numbers(lease_all("w", kNow, 0)), Numbers());
  EXPECT_EQ(numbers(lease_all("w", kNow, 100, {"mail", "process"})), Numbers({1, 4}));
  EXPECT_EQ(lease(), Numbers({5}));
}

TEST_P(QueueTest, TheLongestWaitingAreLeasedFirst) {
  apply({enqueue(1, {"a"}, kNow - seconds(1)), enqueue(2, {"b"}, kNow - seconds(3)),
         enqueue(3, {"c"}, kNow - seconds(2)), enqueue(4, {"d"}, kNow - seconds(9))});
  apply({Fail{id(4), "e", kNow, kNow - std::chrono::milliseconds(2500)}});
  const auto leased = lease_all("w", kNow, 3);
  ASSERT_EQ(leased.size(), 3u);
  EXPECT_EQ(leased[0].item.id, id(2));
  EXPECT_EQ(leased[1].item.id, id(4)) << "a repeated one waits since its time came";
  EXPECT_EQ(leased[2].item.id, id(3));
}

TEST_P(QueueTest, AClockThatJumpsBackHoldsNothingUp) {
  apply({enqueue(1, {"a"}, kNow + hours(5)), enqueue(2, {"b"}, kNow)});
  EXPECT_EQ(lease(), Numbers({1, 2}));
}

TEST_P(QueueTest, ALeaseThatRanOutIsTakenOverWithAGreaterEpoch) {
  apply({enqueue(1, {"a", "b"}), enqueue(2, {"c"})});
  const auto first = lease_all("one", kNow);
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(lease_all("two", kNow + seconds(29)).size(), 0u);
  EXPECT_EQ(queue_->next_runnable(kNow, {}).value(), kNow + seconds(30));
  const auto second = lease_all("two", kNow + seconds(30));
  ASSERT_EQ(second.size(), 2u);
  std::map<std::string, std::uint64_t> epochs;
  for (const auto& one : first) {
    for (const auto& fence : one.fences) epochs[fence.lane] = fence.epoch;
  }
  ASSERT_EQ(epochs.size(), 3u);
  for (const auto& one : second) {
    EXPECT_EQ(one.receives, 2u);
    for (const auto& fence : one.fences) EXPECT_GT(fence.epoch, epochs[fence.lane]);
  }
  EXPECT_EQ(queue_->renew("one", kNow + seconds(31), seconds(30)).value(), 0u);
  EXPECT_EQ(queue_->renew("two", kNow + seconds(31), seconds(30)).value(), 2u);
}

TEST_P(QueueTest, ARenewedLeaseHolds) {
  apply({enqueue(1, {"a"}), enqueue(2, {"a", "b"})});
  EXPECT_EQ(lease_all("one", kNow).size(), 1u);
  EXPECT_EQ(queue_->renew("one", kNow + seconds(20), seconds(30)).value(), 1u);
  EXPECT_EQ(lease_all("two", kNow + seconds(49)).size(), 0u);
  EXPECT_EQ(lease_all("two", kNow + seconds(50)).size(), 1u);
}

TEST_P(QueueTest, AReleasedItemIsFreeAtOnceAndItsReceiveIsNotCounted) {
  apply({enqueue(1, {"a", "b"}), enqueue(2, {"c"})});
  EXPECT_EQ(lease(), Numbers({1, 2}));
  ASSERT_TRUE(queue_->release(id(1), "another worker"));
  EXPECT_EQ(lease(), Numbers());
  ASSERT_TRUE(queue_->release(id(1), "w"));
  ASSERT_TRUE(queue_->release(id(1), "w"));
  ASSERT_TRUE(queue_->release(id(77), "w"));
  EXPECT_EQ(view(1).state, ItemState::kWaiting);
  EXPECT_EQ(view(1).receives, 0u);
  const auto again = lease_all();
  ASSERT_EQ(numbers(again), Numbers({1}));
  EXPECT_EQ(again[0].receives, 1u);
}

TEST_P(QueueTest, StatesAndCountsAgree) {
  apply({enqueue(1, {"a"}, kNow - hours(2)), enqueue(2, {"a"}, kNow - hours(1)), enqueue(3, {"b"}), enqueue(4, {"c"}),
         enqueue(5, {"d"})});
  apply({Park{id(1), "r", kNow}, Park{id(4), "r", kNow + seconds(1)}});
  lease_all("w", kNow, 1);
  const auto stats = queue_->stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->waiting, 2u);
  EXPECT_EQ(stats->leased, 1u);
  EXPECT_EQ(stats->parked, 2u);
  EXPECT_EQ(stats->lanes, 4u);
  EXPECT_EQ(stats->oldest_waiting, kNow - hours(1));
  EXPECT_EQ(queue_->count({}).value(), 5u);
  EXPECT_EQ(queue_->count({.state = ItemState::kWaiting}).value(), 2u);
  EXPECT_EQ(queue_->count({.state = ItemState::kLeased}).value(), 1u);
  EXPECT_EQ(queue_->count({.state = ItemState::kParked}).value(), 2u);
  EXPECT_EQ(queue_->count({.parked_from = kNow, .parked_to = kNow + seconds(1)}).value(), 1u);
  EXPECT_EQ(queue_->count({.ids = {id(1), id(1), id(5), {Seq{1}, 70'000}}}).value(), 2u);
}

TEST_P(QueueTest, PagesCoverEverythingOnceInOrder) {
  std::vector<QueueChange> changes;
  for (std::uint64_t number = 1; number <= 250; ++number) {
    changes.push_back(Enqueue{item(number, {"l" + std::to_string(number % 7)}, number % 3 ? "process" : "mail"), kNow});
  }
  apply(changes);
  changes.clear();
  for (std::uint64_t number = 5; number <= 250; number += 5) changes.push_back(Park{id(number), "r", kNow});
  apply(changes);
  for (const ItemFilter& filter : {ItemFilter{}, ItemFilter{.step = "process"}, ItemFilter{.state = ItemState::kParked},
                                   ItemFilter{.lane = "l3"}}) {
    std::optional<ItemId> after;
    std::uint64_t seen = 0;
    while (true) {
      const auto page = queue_->items(filter, after, 7);
      ASSERT_TRUE(page);
      if (page->empty()) break;
      for (const auto& one : *page) {
        EXPECT_TRUE(!after || one.item.id > *after);
        after = one.item.id;
        ++seen;
      }
    }
    EXPECT_EQ(seen, queue_->count(filter).value());
    EXPECT_GT(seen, 0u);
  }
}

TEST_P(QueueTest, ARestartKeepsEverythingThatWasApplied) {
  if (!queue_.survives_restarts()) GTEST_SKIP() << "a queue in memory does not outlive its object";
  apply({enqueue(1, {"a"}), enqueue(2, {"a"}), enqueue(3, {"b"})});
  EXPECT_EQ(lease(), Numbers({1, 3}));
  apply({Fail{id(3), "e", kNow, kNow + seconds(5)}, Park{id(1), "r", kNow}});
  queue_.restart();
  EXPECT_EQ(queue_->position().value(), Seq{2});
  EXPECT_EQ(view(1).parked_reason, "r");
  EXPECT_EQ(view(3).attempts.size(), 1u);
  EXPECT_EQ(view(3).receives, 1u) << "a crash loop must be seen";
  EXPECT_EQ(lease(kNow + seconds(5)), Numbers({2, 3}));
}

// Workers lease, a follower applies what they did, all at once: each item runs once, in the order of its lanes.
class Workshop {
 public:
  Workshop(Queue& queue, std::uint64_t items) : queue_(queue), items_(items) {}

  void run(int workers) {
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) threads.emplace_back([this, i] { work("w" + std::to_string(i)); });
    follow();
    for (auto& thread : threads) thread.join();
  }

  std::vector<std::uint64_t> order;  // in which items were leased
  int errors = 0;

 private:
  void work(const std::string& worker) {
    while (true) {
      auto leased = queue_.lease(worker, kNow, {{}, 5, hours(1)});
      const std::lock_guard lock(mutex_);
      if (!leased) {
        errors += leased.error().code == Errc::kRetry ? 0 : 1;
        continue;
      }
      for (const auto& one : *leased) {
        order.push_back(one.item.id.created_by.value);
        outcomes_.push_back(Finish{one.item.id});
      }
      if (finished_) return;
    }
  }

  void follow() {
    std::uint64_t applied = 0;
    std::uint64_t position = queue_.position().value().value;
    // Only a queue that forgets an item comes near it.
    const auto deadline = std::chrono::steady_clock::now() + seconds(60);
    while (applied < items_ && errors == 0) {
      if (std::chrono::steady_clock::now() > deadline) ++errors;
      std::vector<QueueChange> batch;
      {
        const std::lock_guard lock(mutex_);
        batch.swap(outcomes_);
      }
      const Status status = queue_.apply(batch, Seq{position}, Seq{position + 1});
      if (status) {
        ++position;
        applied += batch.size();
        continue;
      }
      const std::lock_guard lock(mutex_);
      errors += status.error().code == Errc::kRetry ? 0 : 1;
      outcomes_.insert(outcomes_.begin(), batch.begin(), batch.end());
    }
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }

  Queue& queue_;
  const std::uint64_t items_;
  std::mutex mutex_;
  std::vector<QueueChange> outcomes_;
  bool finished_ = false;
};

TEST_P(QueueTest, WorkersAndTheFollowerAtOnceRunEachItemOnceInTheOrderOfItsLanes) {
  constexpr std::uint64_t kItems = 600;
  std::vector<QueueChange> changes;
  std::map<std::uint64_t, Lanes> lanes;
  for (std::uint64_t number = 1; number <= kItems; ++number) {
    lanes[number] = {"l" + std::to_string(number * 7 % 20)};
    if (number % 9 == 0) lanes[number].push_back("l" + std::to_string((number * 7 + 1 + number % 5) % 20));
    changes.push_back(enqueue(number, lanes[number]));
  }
  apply(changes);
  Workshop workshop(*queue_, kItems);
  workshop.run(3);
  EXPECT_EQ(workshop.errors, 0);
  ASSERT_EQ(workshop.order.size(), kItems);
  EXPECT_EQ(std::set(workshop.order.begin(), workshop.order.end()).size(), kItems);
  std::map<std::string, std::uint64_t> last;
  for (const std::uint64_t number : workshop.order) {
    for (const auto& lane : lanes[number]) {
      EXPECT_GT(number, last[lane]) << "in lane " << lane;
      last[lane] = number;
    }
  }
  EXPECT_EQ(queue_->stats()->lanes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Queues, QueueTest,
                         ::testing::Values(QueueKind::kFile, QueueKind::kMemory, QueueKind::kPostgres), name_of);

TEST(ItemIdText, GoesThereAndBack) {
  const ItemId id{Seq{1234}, 7};
  EXPECT_EQ(to_string(id), "1234.7");
  EXPECT_EQ(parse_item_id("1234.7"), id);
  EXPECT_EQ(parse_item_id("18446744073709551615.4294967295"), (ItemId{Seq{~0ull}, ~0u}));
  for (const char* bad : {"", ".", "1", "1.", ".1", "1.1 ", " 1.1", "1.-1", "+1.1", "1.1.1", "1,1",
                          "18446744073709551616.0", "1.4294967296", "0x1.0"}) {
    EXPECT_EQ(parse_item_id(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace minato

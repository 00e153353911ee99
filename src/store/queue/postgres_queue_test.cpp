// What only a queue in PostgreSQL does: several processes share it, and survive each other's death and the server's.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "store/queue/queues_for_test.h"
#include "store/sql/lane_fence.h"

namespace minato {
namespace {

using std::chrono::seconds;

constexpr Time kNow{Duration(1'700'000'000'000'000)};

class PostgresQueueTest : public ::testing::Test {
 protected:
  PostgresQueueTest() : queue_(QueueKind::kPostgres) {}
  void SetUp() override {
    if (!queue_.there()) GTEST_SKIP() << PostgresForTest::kMissing;
    auto db = Postgres::connect(queue_.postgres());
    ASSERT_TRUE(db);
    db_ = std::move(*db);
  }

  static ItemId id(std::uint64_t number) { return {Seq{number}, 0}; }
  // One item in each of `lanes`, and a barrier over the last two lanes.
  void enqueue(std::uint64_t lanes) {
    std::vector<QueueChange> changes;
    for (std::uint64_t number = 1; number < lanes; ++number) {
      std::vector<std::string> names = {"lane" + std::to_string(number)};
      if (number == lanes - 1) names.push_back("lane" + std::to_string(lanes));
      changes.push_back(Enqueue{{id(number), Seq{number}, "process", names, "{}", {}}, kNow});
    }
    ASSERT_TRUE(queue_->apply(changes, Seq{0}, Seq{1}));
  }

  // As the journal asks, in the transaction that appends.
  std::size_t held(const std::vector<Fence>& fences) {
    std::vector<PostgresBlob> names;
    std::vector<std::int64_t> epochs;
    for (const auto& fence : fences) {
      names.push_back({fence.lane});
      epochs.push_back(static_cast<std::int64_t>(fence.epoch));
    }
    const auto rows = db_->query(kHeldFencesSql, names, epochs);
    EXPECT_TRUE(rows) << rows.error().what;
    return rows ? static_cast<std::size_t>(rows->size()) : 0;
  }
  static std::vector<Fence> fences_of(const std::vector<Leased>& leased) {
    std::vector<Fence> fences;
    for (const auto& one : leased) fences.insert(fences.end(), one.fences.begin(), one.fences.end());
    return fences;
  }

  QueueForTest queue_;
  std::unique_ptr<Postgres> db_;
};

// Leases everything in a process of its own, tells the fences through a pipe, and then hangs until it is killed.
std::vector<Fence> leased_by_a_process_that_is_killed(const PostgresOptions& options, Time now) {
  int pipe[2] = {-1, -1};
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto queue = open_postgres_queue(options);
    if (!queue) ::_exit(1);
    const auto leased = (*queue)->lease("killed", now, {{}, 100, seconds(30)});
    if (!leased) ::_exit(2);
    std::string text;
    for (const auto& one : *leased) {
      for (const auto& fence : one.fences) text += fence.lane + " " + std::to_string(fence.epoch) + "\n";
    }
    text += "end\n";
    if (::write(pipe[1], text.data(), text.size()) < 0) ::_exit(3);
    while (true) ::pause();
  }
  std::string text;
  char c = 0;
  ::close(pipe[1]);
  while (!text.ends_with("end\n") && ::read(pipe[0], &c, 1) == 1) text.push_back(c);
  ::close(pipe[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::vector<Fence> fences;
  for (std::size_t at = 0; at < text.size();) {
    const auto line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    const auto space = line.find(' ');
    if (space != std::string::npos) fences.push_back({line.substr(0, space), std::stoull(line.substr(space + 1))});
  }
  return fences;
}

TEST_F(PostgresQueueTest, AKilledProcessIsFollowedByAnotherAndItsLateWordIsRefused) {
  enqueue(5);
  const auto stale = leased_by_a_process_that_is_killed(queue_.postgres(), kNow);
  ASSERT_EQ(stale.size(), 5u);
  EXPECT_EQ(held(stale), 5u) << "nobody took them over yet";
  EXPECT_TRUE(queue_->lease("other", kNow + seconds(29), {})->empty());

  const auto taken = queue_->lease("other", kNow + seconds(30), {});
  ASSERT_TRUE(taken);
  ASSERT_EQ(taken->size(), 4u);
  const auto fences = fences_of(*taken);
  ASSERT_EQ(fences.size(), 5u);
  EXPECT_EQ(held(fences), 5u);
  EXPECT_EQ(held(stale), 0u);
  std::map<std::string, std::uint64_t> before;
  for (const auto& fence : stale) before[fence.lane] = fence.epoch;
  for (const auto& fence : fences) EXPECT_GT(fence.epoch, before.at(fence.lane));
  for (const auto& one : *taken) EXPECT_EQ(one.receives, 2u);
}

TEST_F(PostgresQueueTest, AFenceIsLostWhenItsItemEndsOrIsGivenBack) {
  enqueue(4);
  const auto leased = queue_->lease("w", kNow, {});
  ASSERT_EQ(leased->size(), 3u);
  ASSERT_TRUE(queue_->apply(std::vector<QueueChange>{Finish{id(1)}, Fail{id(2), "e", kNow, kNow}}, Seq{1}, Seq{2}));
  ASSERT_TRUE(queue_->release(id(3), "w"));
  for (const auto& one : *leased) EXPECT_EQ(held(one.fences), 0u) << to_string(one.item.id);
}

TEST_F(PostgresQueueTest, EpochsDoNotComeAgainWhenTheTablesAreMadeAnew) {
  enqueue(4);
  const auto before = fences_of(*queue_->lease("w", kNow, {}));
  queue_.remove();
  enqueue(4);
  const auto after = fences_of(*queue_->lease("w", kNow, {}));
  ASSERT_EQ(before.size(), after.size());
  EXPECT_EQ(held(before), 0u);
  EXPECT_EQ(held(after), after.size());
}

// Between the journal's check and its commit nobody may take the lane over, or two outcomes of one item would both
// count.
TEST_F(PostgresQueueTest, ALaneWhoseFenceIsBeingCheckedIsPassedOver) {
  enqueue(4);
  const auto fences = fences_of(*queue_->lease("late", kNow, {{}, 1, seconds(30)}));
  ASSERT_EQ(fences.size(), 1u);
  {
    auto append = db_->begin();
    ASSERT_TRUE(append);
    ASSERT_EQ(held(fences), 1u);
    const auto leased = queue_->lease("other", kNow + seconds(60), {});
    ASSERT_TRUE(leased);
    EXPECT_EQ(leased->size(), 2u);
    for (const auto& one : *leased) EXPECT_NE(one.item.lanes[0], fences[0].lane);
  }
  EXPECT_EQ(queue_->lease("other", kNow + seconds(60), {})->size(), 1u);
}

TEST_F(PostgresQueueTest, TwoNodesThatApplyTheSameRecordsDoItOnce) {
  const auto other = queue_.open_another();
  constexpr std::uint64_t kRecords = 300;
  // Both follow the same journal as fast as they can; whoever loses reads the position and goes on from there.
  const auto follow = [](Queue& queue, int& applied, int& errors) {
    while (true) {
      const auto position = queue.position();
      if (!position) return void(++errors);
      const std::uint64_t seq = position->value + 1;
      if (seq > kRecords) return;
      std::vector<QueueChange> changes = {
          Enqueue{{id(seq), Seq{seq}, "process", {"lane" + std::to_string(seq % 10)}, "{}", {}}, kNow}};
      if (seq % 2 == 0)
        changes.push_back(Finish{id(seq - 1), kNow, {{{Seq{seq}, 1}, Seq{seq}, "mail", {"m"}, "{}", {}}}});
      const Status status = queue.apply(changes, *position, Seq{seq});
      if (status) {
        ++applied;
      } else if (status.error().code != Errc::kConflict && status.error().code != Errc::kRetry) {
        ++errors;
      }
    }
  };
  int applied[2] = {0, 0}, errors[2] = {0, 0};
  std::thread thread([&] { follow(*other, applied[1], errors[1]); });
  follow(*queue_, applied[0], errors[0]);
  thread.join();
  EXPECT_EQ(errors[0] + errors[1], 0);
  EXPECT_EQ(applied[0] + applied[1], static_cast<int>(kRecords));
  EXPECT_EQ(queue_->count({.step = "process"}).value(), kRecords / 2);
  EXPECT_EQ(queue_->count({.step = "mail"}).value(), kRecords / 2);
}

TEST_F(PostgresQueueTest, TwoNodesShareTheLanesAndNoneIsLeasedTwice) {
  enqueue(400);
  const auto other = queue_.open_another();
  std::vector<ItemId> ours, theirs;
  const auto take = [](Queue& queue, const std::string& worker, std::vector<ItemId>& into) {
    for (int i = 0; i < 200; ++i) {
      const auto leased = queue.lease(worker, kNow, {{}, 3, seconds(30)});
      if (!leased) return;
      for (const auto& one : *leased) into.push_back(one.item.id);
    }
  };
  std::thread thread([&] { take(*other, "theirs", theirs); });
  take(*queue_, "ours", ours);
  thread.join();
  std::set<ItemId> all(ours.begin(), ours.end());
  all.insert(theirs.begin(), theirs.end());
  EXPECT_EQ(all.size(), ours.size() + theirs.size());
  EXPECT_EQ(all.size(), 399u);
  EXPECT_EQ(queue_->renew("ours", kNow, seconds(30)).value(), ours.size());
  EXPECT_EQ(other->renew("theirs", kNow, seconds(30)).value(), theirs.size());
}

// After a pause of the follower, outcomes of long ago are applied while their items are leased anew.
TEST_F(PostgresQueueTest, AnApplyAndLeasesOfTheSameItemsDoNotBlockEachOtherForGood) {
  std::vector<QueueChange> changes, failures;
  for (std::uint64_t number = 1; number <= 50; ++number) {
    changes.push_back(Enqueue{{id(number), Seq{number}, "process", {"lane" + std::to_string(number)}, "{}", {}}, kNow});
    failures.push_back(Fail{id(number), "error", kNow, kNow});
  }
  ASSERT_TRUE(queue_->apply(changes, Seq{0}, Seq{1}));
  int errors = 0;
  std::thread worker([&] {
    Time now = kNow;
    for (int i = 0; i < 150; ++i) {
      now += seconds(60);
      if (!queue_->lease("w", now, {{}, 100, seconds(30)})) ++errors;
    }
  });
  for (std::uint64_t seq = 1; seq < 150; ++seq) {
    const Status applied = queue_->apply(failures, Seq{seq}, Seq{seq + 1});
    EXPECT_TRUE(applied) << applied.error().what;
    if (!applied) break;
  }
  worker.join();
  EXPECT_EQ(errors, 0);
}

TEST_F(PostgresQueueTest, AStepThatAnotherNodeSawFirstIsLeasedHereToo) {
  const auto other = queue_.open_another();
  EXPECT_TRUE(queue_->lease("w", kNow, {})->empty());
  ASSERT_TRUE(other->apply(std::vector<QueueChange>{Enqueue{{id(1), Seq{1}, "forward:new", {"a"}, "{}", {}}, kNow}},
                           Seq{0}, Seq{1}));
  EXPECT_EQ(queue_->lease("w", kNow, {{"forward:"}, 10, seconds(30)})->size(), 1u);
}

TEST_F(PostgresQueueTest, AServerThatWasKilledIsFoundAgainWithAllThatWasApplied) {
  enqueue(4);
  PostgresForTest* const server = PostgresForTest::shared();
  ASSERT_TRUE(server->command("kill"));
  const auto lost = queue_->apply({}, Seq{1}, Seq{2});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::kUnavailable);
  EXPECT_EQ(queue_->lease("w", kNow, {}).error().code, Errc::kUnavailable);
  EXPECT_EQ(queue_->stats().error().code, Errc::kUnavailable);
  ASSERT_TRUE(server->command("start"));
  // Each connection comes back after a pause of its own.
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (!queue_->position() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  while (!queue_->apply({}, Seq{1}, Seq{2}) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  auto leased = queue_->lease("w", kNow, {});
  while (!leased && std::chrono::steady_clock::now() < deadline) leased = queue_->lease("w", kNow, {});
  ASSERT_TRUE(leased);
  EXPECT_EQ(leased->size(), 3u);
  EXPECT_EQ(queue_->position().value(), Seq{2});
}

TEST_F(PostgresQueueTest, TablesOfANewerVersionAreRefusedAndOfAnOlderOneBegunAnew) {
  enqueue(4);
  ASSERT_TRUE(db_->run("UPDATE queue_meta SET version = 99"));
  EXPECT_EQ(open_postgres_queue(queue_.postgres()).error().code, Errc::kRefused);
  ASSERT_TRUE(db_->run("UPDATE queue_meta SET version = 0"));
  const auto fresh = open_postgres_queue(queue_.postgres());
  ASSERT_TRUE(fresh);
  EXPECT_EQ((*fresh)->position().value(), Seq{0});
}

}  // namespace
}  // namespace minato

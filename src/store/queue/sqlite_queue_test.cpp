// What only a queue in a file does: it survives kills, notices damage, and belongs to one process.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "store/queue/queues_for_test.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

constexpr Time kNow{Duration(1'700'000'000'000'000)};

// What record number `seq` does to the queue: the same in every process.
std::vector<QueueChange> changes_of(std::uint64_t seq) {
  const auto id = [](std::uint64_t number) { return ItemId{Seq{number}, 0}; };
  std::vector<QueueChange> changes = {
      Enqueue{{id(seq), Seq{seq}, "process", {"lane" + std::to_string(seq % 5)}, "{}", {}}, kNow}};
  if (seq % 3 == 0) changes.push_back(Finish{id(seq - 2)});
  if (seq % 7 == 0) changes.push_back(Park{id(seq - 1), "reason", kNow});
  if (seq % 11 == 0) changes.push_back(Fail{id(seq - 3), "error", kNow, kNow});
  if (seq % 13 == 0) changes.push_back(Redrive{{id(seq - 7), id(seq - 14)}, kNow, 1});
  return changes;
}

Status apply(Queue& queue, std::uint64_t seq) { return queue.apply(changes_of(seq), Seq{seq - 1}, Seq{seq}); }

std::string told(Queue& queue) {
  std::string out;
  const auto views = queue.items({}, {}, 10'000);
  if (!views) return views.error().what;
  for (const auto& view : *views) {
    out += to_string(view.item.id) + (view.state == ItemState::kParked ? " parked" : " waiting") +
           (view.after_parked ? " after parked " : " ") + std::to_string(view.attempts.size()) + "\n";
  }
  return out + std::to_string(queue.stats()->lanes) + " lanes";
}

class SqliteQueueTest : public ::testing::Test {
 protected:
  SqliteQueueTest() : queue_(QueueKind::kFile) {}
  QueueForTest queue_;
};

// A process of its own that applies and leases until it is killed.
class Victim {
 public:
  explicit Victim(const std::string& path) {
    EXPECT_EQ(::pipe(pipe_), 0);
    child_ = ::fork();
    if (child_ != 0) return;
    auto queue = open_sqlite_queue(path);
    if (!queue) ::_exit(1);
    for (std::uint64_t seq = (*queue)->position()->value + 1;; ++seq) {
      if (!apply(**queue, seq)) ::_exit(2);
      if (!(*queue)->lease("victim", kNow, {{}, 3, std::chrono::hours(1)})) ::_exit(3);
      if (::write(pipe_[1], "x", 1) != 1) ::_exit(4);
    }
  }
  // Lets it apply about so many, then kills it wherever it is.
  void kill_after(int applied) {
    char c = 0;
    for (int i = 0; i < applied; ++i) ASSERT_EQ(::read(pipe_[0], &c, 1), 1);
    ::kill(child_, SIGKILL);
    int status = 0;
    ::waitpid(child_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << WEXITSTATUS(status);
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }

 private:
  int pipe_[2] = {-1, -1};
  pid_t child_ = -1;
};

TEST_F(SqliteQueueTest, AKillAtAnyMomentLeavesTheStateOfSomePosition) {
  const std::string path = queue_.path() + "-killed";
  const auto expected = open_sqlite_queue(":memory:");
  ASSERT_TRUE(expected);
  std::uint64_t position = 0;
  for (int round = 0; round < 12; ++round) {
    Victim victim(path);
    victim.kill_after(5 + round * 13 % 40);
    const auto queue = open_sqlite_queue(path);
    ASSERT_TRUE(queue) << queue.error().what;
    const auto reached = (*queue)->position();
    ASSERT_TRUE(reached);
    ASSERT_GE(reached->value, position + 5) << "what was applied was lost";
    while (position < reached->value) ASSERT_TRUE(apply(**expected, ++position));
    EXPECT_EQ(told(**queue), told(**expected)) << "at " << position;
  }
}

TEST_F(SqliteQueueTest, LeasesOfAProcessThatEndedAreFreeAtOnceAndTheirReceivesAreKept) {
  ASSERT_TRUE(apply(*queue_, 1));
  ASSERT_EQ(queue_->lease("before", kNow, {})->size(), 1u);
  queue_.restart();
  const auto leased = queue_->lease("after", kNow, {});
  ASSERT_TRUE(leased);
  ASSERT_EQ(leased->size(), 1u);
  EXPECT_EQ(leased->front().receives, 2u);
}

TEST_F(SqliteQueueTest, ASecondOpeningInOneProcessIsAConflict) {
  EXPECT_EQ(open_sqlite_queue(queue_.path()).error().code, Errc::kConflict);
  EXPECT_EQ(remove_sqlite_queue(queue_.path()).error().code, Errc::kConflict);
}

TEST_F(SqliteQueueTest, AFileOfAnotherVersionIsBegunAnew) {
  const std::string path = queue_.path() + "-old";
  {
    const auto db = Sqlite::open_writer(path, {});
    ASSERT_TRUE((*db)->execute("CREATE TABLE queue_meta (position INTEGER)"));
    ASSERT_TRUE((*db)->set_user_version(999));
  }
  const auto queue = open_sqlite_queue(path);
  ASSERT_TRUE(queue) << queue.error().what;
  EXPECT_EQ((*queue)->position().value(), Seq{0});
  EXPECT_TRUE(apply(**queue, 1));
}

TEST_F(SqliteQueueTest, ADamagedFileIsCorruptAndCanBeRemovedAndRebuilt) {
  const std::string path = queue_.path() + "-damaged";
  std::ofstream(path) << std::string(20'000, 'x');
  EXPECT_EQ(open_sqlite_queue(path).error().code, Errc::kCorrupt);
  ASSERT_TRUE(remove_sqlite_queue(path));
  EXPECT_TRUE(open_sqlite_queue(path));
}

}  // namespace
}  // namespace minato

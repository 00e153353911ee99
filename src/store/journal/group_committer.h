// Group commit: everything that is submitted while one commit runs shares the next one.
//
// The thread that submits and finds no commit running becomes the leader and commits at once, on itself: one pending
// frame needs no hand-over to another thread, which costs more than a fast disk's fdatasync. Others queue. A leader is
// not trapped: it commits once, and what has queued up meanwhile is handed to the committer's own thread, which leads
// until the queue is empty (docs/adr/0010). With Mode::kThread every commit runs on that thread.
//
// What a commit does is the target's business; this class knows no files and no database.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/limits.h"
#include "os/clock.h"
#include "store/journal/journal.h"
#include "store/journal/journal_events.h"

namespace minato {

struct CommitItem {
  std::vector<Record> records;
  std::vector<Fence> fences;
  std::vector<std::string> encoded;  // for the target: pieces to be written one after another
  std::size_t encoded_bytes = 0;
  std::vector<std::uint32_t> record_bytes;  // for the target: of each record, encoded
  std::size_t held_bytes = 0;               // counted against the pending bytes
  CommitSink* sink = nullptr;
  std::uint64_t ticket = 0;
  std::uint32_t record_count = 0;
  Result<Seq> result = Seq{};
};

class CommitTarget {
 public:
  virtual ~CommitTarget() = default;
  // Checks the item and gets it ready, on the submitting thread, without any lock. An error refuses its whole batch.
  virtual Status prepare(CommitItem& item) = 0;
  // Makes the items durable together and sets the result of each. An error is for good: all of them fail with it, and
  // so does everything after. One call at a time.
  virtual Status commit(std::span<CommitItem> group) = 0;
  // Nothing is queued, and the committing thread is about to rest. Like commit(), never at the same time as another.
  virtual void rest() {}
};

class GroupCommitter {
 public:
  struct Options {
    CommitMode mode = CommitMode::kAdaptive;
    std::size_t group_bytes_max = kJournalGroupBytesMax;
    std::size_t pending_bytes_max = kJournalPendingBytesMax;
    bool own_thread = true;  // false (simulation): the leader goes on until nothing is queued
    JournalEvents events = {};
  };
  GroupCommitter(CommitTarget& target, Clock& clock, Options options);
  ~GroupCommitter();  // close()
  GroupCommitter(const GroupCommitter&) = delete;
  GroupCommitter& operator=(const GroupCommitter&) = delete;

  Status submit(std::vector<Submission> batch);
  Result<Seq> append(std::vector<Record> records, std::vector<Fence> fences);

  // Runs `work` while no commit runs and none can begin. Submissions queue up meanwhile.
  Status exclusively(const std::function<Status()>& work);
  // Refuses everything from now on, as after a failed commit.
  void fail_for_good(const Error& error);
  std::optional<Error> failure() const;

  // Commits what is queued, then refuses. Idempotent.
  void close();

  std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }

 private:
  struct Group;

  Result<CommitItem> prepare(Submission submission);
  Status check_open() const;
  std::shared_ptr<Group> enqueue(CommitItem item);
  void lead(std::unique_lock<std::mutex>& lock);
  void hand_over_or_rest(std::unique_lock<std::mutex>& lock);
  void commit_front(std::unique_lock<std::mutex>& lock);
  void wait_for_company(std::unique_lock<std::mutex>& lock);
  void commit_group(Group& group);
  void run_thread();

  CommitTarget& target_;
  Clock& clock_;
  const Options options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;            // leading_ ended, or the thread's turn, or closing
  std::deque<std::shared_ptr<Group>> groups_;  // queued, the oldest in front
  std::size_t queued_items_ = 0;
  std::size_t pending_bytes_ = 0;      // queued and being committed
  bool leading_ = false;               // somebody commits, or has been told to
  bool thread_turn_ = false;           // and it is the thread
  std::size_t exclusive_waiting_ = 0;  // the thread lets them in between two groups
  bool closing_ = false;
  bool thread_stop_ = false;
  std::optional<Error> failure_;
  std::size_t last_group_items_ = 0;
  Deadline::duration last_commit_time_{};
  std::atomic<std::uint64_t> commits_{0};
  std::thread thread_;
};

}  // namespace minato

#include "store/journal/group_committer.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "os/priority.h"

namespace minato {

namespace {

// A leader waits for company at most this share of a commit's time, and never longer than the bound.
constexpr int kCompanyShare = 3;
constexpr auto kCompanyTimeMax = std::chrono::microseconds(200);

std::size_t held_bytes(const Submission& submission) {
  std::size_t bytes = sizeof(CommitItem);
  for (const auto& record : submission.records) bytes += sizeof(Record) + record.meta.size() + record.body.size();
  for (const auto& fence : submission.fences) bytes += sizeof(Fence) + fence.lane.size();
  return bytes;
}

// Tells each sink once of its committed tickets, and of its failed ones once for each error.
void tell_sinks(std::span<const CommitItem> items) {
  struct Told {
    CommitSink* sink;
    std::vector<CommitSink::Committed> committed;
  };
  std::vector<Told> told;
  for (const auto& item : items) {
    if (item.sink == nullptr) continue;
    if (!item.result) {
      item.sink->failed({&item.ticket, 1}, item.result.error());
      continue;
    }
    auto found = std::ranges::find(told, item.sink, &Told::sink);
    if (found == told.end()) found = told.insert(told.end(), {item.sink, {}});
    found->committed.push_back({.ticket = item.ticket, .seq = *item.result});
  }
  for (const auto& one : told) one.sink->committed(one.committed);
}

}  // namespace

struct GroupCommitter::Group {
  std::vector<CommitItem> items;
  std::size_t bytes = 0;
  std::atomic<std::uint32_t> done{0};  // append() waits on it
};

GroupCommitter::GroupCommitter(CommitTarget& target, Clock& clock, Options options)
    : target_(target), clock_(clock), options_(std::move(options)) {
  if (options_.own_thread) thread_ = std::thread([this] { run_thread(); });
}

GroupCommitter::~GroupCommitter() { close(); }

Result<CommitItem> GroupCommitter::prepare(Submission submission) {
  CommitItem item;
  if (submission.records.empty()) return fail(Errc::kRefused, "journal: a submission without records");
  item.held_bytes = held_bytes(submission);
  item.record_count = static_cast<std::uint32_t>(submission.records.size());
  item.records = std::move(submission.records);
  item.fences = std::move(submission.fences);
  item.sink = submission.sink;
  item.ticket = submission.ticket;
  MN_CHECK(target_.prepare(item));
  return item;
}

Status GroupCommitter::check_open() const {
  if (failure_) return std::unexpected(*failure_);
  if (closing_) return fail(Errc::kUnavailable, "journal: closed");
  return {};
}

std::shared_ptr<GroupCommitter::Group> GroupCommitter::enqueue(CommitItem item) {
  if (groups_.empty() || groups_.back()->bytes + item.held_bytes > options_.group_bytes_max) {
    groups_.push_back(std::make_shared<Group>());
  }
  auto& group = *groups_.back();
  group.bytes += item.held_bytes;
  pending_bytes_ += item.held_bytes;
  ++queued_items_;
  group.items.push_back(std::move(item));
  return groups_.back();
}

Status GroupCommitter::submit(std::vector<Submission> batch) {
  std::vector<CommitItem> items;
  items.reserve(batch.size());
  std::size_t bytes = 0;
  for (auto& submission : batch) {
    MN_TRY(item, prepare(std::move(submission)));
    bytes += item.held_bytes;
    items.push_back(std::move(item));
  }
  std::unique_lock lock(mutex_);
  MN_CHECK(check_open());
  if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.pending_bytes_max) {
    return fail(Errc::kUnavailable, "journal: too much is waiting to be committed");
  }
  for (auto& item : items) enqueue(std::move(item));
  if (!leading_ && !groups_.empty()) lead(lock);
  return {};
}

Result<Seq> GroupCommitter::append(std::vector<Record> records, std::vector<Fence> fences) {
  MN_TRY(item, prepare({.records = std::move(records), .fences = std::move(fences)}));
  std::shared_ptr<Group> group;
  std::size_t place = 0;
  {
    std::unique_lock lock(mutex_);
    MN_CHECK(check_open());
    if (pending_bytes_ > 0 && pending_bytes_ + item.held_bytes > options_.pending_bytes_max) {
      return fail(Errc::kUnavailable, "journal: too much is waiting to be committed");
    }
    group = enqueue(std::move(item));
    place = group->items.size() - 1;
    if (!leading_) lead(lock);
  }
  while (group->done.load(std::memory_order_acquire) == 0) group->done.wait(0, std::memory_order_acquire);
  return group->items[place].result;
}

void GroupCommitter::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  if (options_.own_thread && options_.mode != CommitMode::kAdaptive) {
    thread_turn_ = true;
    changed_.notify_all();
    return;
  }
  commit_front(lock);
  hand_over_or_rest(lock);
}

// The leader on a caller's thread is through: the thread goes on with what is queued, or nobody does.
void GroupCommitter::hand_over_or_rest(std::unique_lock<std::mutex>& lock) {
  while (!groups_.empty() && !options_.own_thread) commit_front(lock);
  if (groups_.empty() && !failure_) {
    lock.unlock();
    target_.rest();
    lock.lock();
    while (!groups_.empty() && !options_.own_thread) commit_front(lock);
  }
  if (groups_.empty()) {
    leading_ = false;
  } else {
    thread_turn_ = true;
  }
  changed_.notify_all();
}

// After a large group, those who were waiting for it come back within moments: committing the first of them alone
// would halve the rate. A lone sender is never delayed.
void GroupCommitter::wait_for_company(std::unique_lock<std::mutex>& lock) {
  const std::size_t wanted = last_group_items_ - last_group_items_ / 4;
  if (wanted < 4 || closing_) return;
  const auto bound = std::min<Deadline::duration>(last_commit_time_ / kCompanyShare, kCompanyTimeMax);
  const auto until = std::chrono::steady_clock::now() + bound;
  while (queued_items_ < wanted && std::chrono::steady_clock::now() < until) {
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

void GroupCommitter::commit_front(std::unique_lock<std::mutex>& lock) {
  if (options_.own_thread) wait_for_company(lock);
  const auto group = groups_.front();
  groups_.pop_front();
  queued_items_ -= group->items.size();
  last_group_items_ = group->items.size();
  lock.unlock();
  commit_group(*group);
  lock.lock();
  pending_bytes_ -= group->bytes;
}

void GroupCommitter::commit_group(Group& group) {
  auto failed = failure();
  const auto begun = clock_.steady();
  if (!failed) {
    if (const auto status = target_.commit(group.items); !status) {
      fail_for_good(status.error());
      failed = status.error();
    }
  }
  const auto time = clock_.steady() - begun;
  CommitFigures figures{.submissions = group.items.size(), .records = 0, .bytes = group.bytes, .time = time};
  for (auto& item : group.items) {
    if (failed) item.result = std::unexpected(*failed);
    if (item.result) figures.records += item.record_count;
  }
  if (figures.records > 0) commits_.fetch_add(1, std::memory_order_relaxed);
  last_commit_time_ = time;
  tell_sinks(group.items);
  group.done.store(1, std::memory_order_release);
  group.done.notify_all();
  if (figures.records > 0 && options_.events.committed) options_.events.committed(figures);
}

void GroupCommitter::run_thread() {
  os::name_this_thread("journal-commit");
  if (options_.mode == CommitMode::kRealtimeThread) os::request_realtime(10);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return thread_turn_ || thread_stop_; });
    if (!thread_turn_) return;
    while (!groups_.empty() && exclusive_waiting_ == 0) commit_front(lock);
    if (groups_.empty()) {
      lock.unlock();
      target_.rest();
      lock.lock();
    }
    if (!groups_.empty() && exclusive_waiting_ == 0) continue;
    thread_turn_ = false;
    leading_ = false;
    changed_.notify_all();
  }
}

Status GroupCommitter::exclusively(const std::function<Status()>& work) {
  std::unique_lock lock(mutex_);
  ++exclusive_waiting_;
  changed_.wait(lock, [this] { return !leading_; });
  --exclusive_waiting_;
  leading_ = true;
  Status status;
  if (failure_) {
    status = std::unexpected(*failure_);
  } else {
    lock.unlock();
    status = work();
    lock.lock();
  }
  hand_over_or_rest(lock);
  return status;
}

void GroupCommitter::fail_for_good(const Error& error) {
  {
    const std::lock_guard guard(mutex_);
    if (failure_) return;
    failure_ = error;
  }
  if (options_.events.refused_for_good) options_.events.refused_for_good(error);
}

std::optional<Error> GroupCommitter::failure() const {
  const std::lock_guard guard(mutex_);
  return failure_;
}

void GroupCommitter::close() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  changed_.wait(lock, [this] { return !leading_ && groups_.empty(); });
  thread_stop_ = true;
  changed_.notify_all();
  lock.unlock();
  if (thread_.joinable()) thread_.join();
}

}  // namespace minato

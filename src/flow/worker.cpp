#include "flow/worker.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "os/thread.h"
#include "store/queue/backoff.h"

namespace minato {
namespace {

// Longer than any one step may take (mail 60 s, an answer by MLLP 40 s); between steps it is renewed.
constexpr auto kLease = std::chrono::seconds(120);
constexpr auto kRenewEvery = std::chrono::seconds(15);
// How long an idle worker sleeps at most when nothing tells it of work: bounds what a lost wake-up or another node's
// lease can cost.
constexpr auto kIdleMax = std::chrono::seconds(1);
constexpr auto kCatchUpMax = std::chrono::seconds(30);

// Waits until all submissions of a batch are durable or refused.
class BatchSink : public CommitSink {
 public:
  explicit BatchSink(std::size_t count) : left_(count) {}
  void committed(std::span<const Committed> batch) override { finish(batch.size()); }
  void failed(std::span<const std::uint64_t> tickets, const Error& error) override {
    {
      const std::lock_guard lock(mutex_);
      if (first_error_.what.empty()) first_error_ = error;
    }
    finish(tickets.size());
  }
  // The first error, if any; a lost lease (kConflict) is one.
  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
    if (first_error_.what.empty()) return {};
    return std::unexpected(first_error_);
  }

 private:
  void finish(std::size_t count) {
    const std::lock_guard lock(mutex_);
    left_ -= std::min(count, left_);
    // Under the lock: the waiter may destroy this object as soon as it sees zero.
    if (left_ == 0) changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_;
  Error first_error_;
};

Record record_of(RecordKind kind, Time now, std::string meta) { return Record{kind, now, std::move(meta), {}}; }

}  // namespace

StepResult StepResult::skipped(std::string why) {
  StepResult out;
  out.state = State::kSkipped;
  out.reason = std::move(why);
  return out;
}
StepResult StepResult::retry(std::string error, std::optional<Time> at) {
  StepResult out;
  out.state = State::kRetry;
  out.reason = std::move(error);
  out.retry_at = at;
  return out;
}
StepResult StepResult::park(std::string reason, std::string detail) {
  StepResult out;
  out.state = State::kPark;
  out.reason = std::move(reason);
  out.detail = std::move(detail);
  return out;
}
StepResult StepResult::give_back() {
  StepResult out;
  out.state = State::kGiveBack;
  return out;
}

class WorkerPool::Thread {
 public:
  Thread(const WorkerContext& context, const WorkerGroup& group, std::string worker)
      : context_(context),
        group_(group),
        worker_(std::move(worker)),
        done_(context.metrics.counter("minato_steps_total", "Steps that ended.",
                                      {{"step", group.name}, {"state", "done"}})),
        retried_(context.metrics.counter("minato_steps_total", "Steps that ended.",
                                         {{"step", group.name}, {"state", "retry"}})),
        parked_(context.metrics.counter("minato_steps_total", "Steps that ended.",
                                        {{"step", group.name}, {"state", "parked"}})),
        seconds_(context.metrics.histogram("minato_step_seconds", "Time that a step took.", {{"step", group.name}})),
        thread_(start_thread("work-" + group.name, [this](std::stop_token stop) { run(stop); })) {}

  void request_stop() { thread_.request_stop(); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const Seq seen = context_.progress.position();
      const Time now = context_.clock.now();
      auto leased = context_.queue.lease(worker_, now, {group_.steps, group_.lanes_max, kLease});
      if (!leased) {
        log::warning("worker.lease_failed", {{"group", log::own(group_.name)}, {"error", leased.error()}});
        context_.progress.wait_past(seen, after(kIdleMax), stop);
        continue;
      }
      if (leased->empty()) {
        context_.progress.wait_past(seen, after(idle(now)), stop);
        continue;
      }
      work(*leased, stop);
    }
  }

  static Deadline after(Duration duration) {
    return std::chrono::steady_clock::now() + std::chrono::duration_cast<Deadline::duration>(duration);
  }

  // Until the next item becomes runnable, but never longer than kIdleMax.
  Duration idle(Time now) {
    const auto next = context_.queue.next_runnable(now, group_.steps);
    if (!next || !*next) return kIdleMax;
    return std::clamp<Duration>(**next - now, std::chrono::milliseconds(1), kIdleMax);
  }

  // Runs the items one after another and appends the outcomes together.
  void work(const std::vector<Leased>& leased, const std::stop_token& stop) {
    auto renewed = std::chrono::steady_clock::now();
    std::vector<Submission> outcomes;
    for (const Leased& item : leased) {
      if (stop.stop_requested()) {
        give_back(item);
        continue;
      }
      if (std::chrono::steady_clock::now() - renewed > kRenewEvery) {
        if (const auto kept = context_.queue.renew(worker_, context_.clock.now(), kLease); !kept) {
          log::warning("worker.renew_failed", {{"group", log::own(group_.name)}, {"error", kept.error()}});
        }
        renewed = std::chrono::steady_clock::now();
        // What is finished must not wait for a slow neighbour: its lease would only grow older.
        append(std::move(outcomes));
        outcomes.clear();
      }
      if (auto record = run_one(item, stop)) {
        Submission submission;
        submission.records.push_back(std::move(*record));
        submission.fences = item.fences;
        outcomes.push_back(std::move(submission));
      }
    }
    append(std::move(outcomes));
  }

  void append(std::vector<Submission> outcomes) {
    if (outcomes.empty()) return;
    BatchSink sink(outcomes.size());
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      outcomes[i].sink = &sink;
      outcomes[i].ticket = i;
    }
    const Status submitted = context_.journal.submit(std::move(outcomes));
    const Status status = submitted ? sink.wait() : submitted;
    // A lost lease: another node has the item and our outcome must not count. Anything else: the lease runs out and the
    // step runs again.
    if (!status) log::warning("worker.outcome_refused", {{"group", log::own(group_.name)}, {"error", status.error()}});
  }

  void give_back(const Leased& item) {
    if (const Status status = context_.queue.release(item.item.id, worker_); !status) {
      log::warning("worker.release_failed", {{"group", log::own(group_.name)}, {"error", status.error()}});
    }
  }

  // nullopt: nothing is to be recorded (given back, or ended by somebody else meanwhile).
  std::optional<Record> run_one(const Leased& leased, const std::stop_token& stop) {
    if (leased.receives > 1 && !still_wanted(leased, stop)) return std::nullopt;
    if (leased.receives > group_.retry.receives_max) {
      return outcome(leased, StepResult::park("attempts-exhausted", "received " + std::to_string(leased.receives - 1) +
                                                                        " times without an end"));
    }
    const auto origin = context_.journal.read(leased.item.origin, {.records_max = 1});
    if (!origin || origin->empty()) {
      const Error error =
          origin ? Error{Errc::kNotFound, "the message is not in the journal any more"} : origin.error();
      if (error.code == Errc::kNotFound) return outcome(leased, StepResult::park("message-purged", error.what));
      return outcome(leased, StepResult::retry("read the message: " + error.what));
    }
    const auto begin = std::chrono::steady_clock::now();
    StepResult result = group_.step->run({leased, origin->front(), stop});
    seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    if (result.state == StepResult::State::kGiveBack) {
      give_back(leased);
      return std::nullopt;
    }
    return outcome(leased, std::move(result));
  }

  // An earlier holder died or was slow: its outcome may stand in the journal already. Only when everything that stands
  // there is applied does the queue's word count.
  bool still_wanted(const Leased& leased, const std::stop_token& stop) {
    if (!context_.progress.wait_for(context_.journal.stats().last, after(kCatchUpMax), stop)) {
      give_back(leased);
      return false;
    }
    ItemFilter filter;
    filter.ids = {leased.item.id};
    const auto count = context_.queue.count(filter);
    return count && *count > 0;
  }

  Record outcome(const Leased& leased, StepResult result) {
    const Time now = context_.clock.now();
    const NewItem& item = leased.item;
    switch (result.state) {
      case StepResult::State::kRetry:
        return retry_or_park(leased, now, std::move(result));
      case StepResult::State::kPark:
        parked_.add();
        return record_of(RecordKind::kParked, now,
                         to_json(ParkedMeta{item.id, item.origin, item.step, result.reason, result.detail,
                                            std::move(result.children), std::move(result.effects)}));
      default:
        break;
    }
    done_.add();
    OutcomeMeta meta;
    meta.item = item.id;
    meta.origin = item.origin;
    meta.step = item.step;
    meta.state = result.state == StepResult::State::kSkipped ? "skipped" : "done";
    meta.note = std::move(result.reason);
    meta.children = std::move(result.children);
    meta.also = std::move(result.also);
    meta.effects = std::move(result.effects);
    return record_of(RecordKind::kOutcome, now, to_json(meta));
  }

  Record retry_or_park(const Leased& leased, Time now, StepResult result) {
    const NewItem& item = leased.item;
    if (leased.receives >= group_.retry.receives_max) {
      parked_.add();
      return record_of(
          RecordKind::kParked, now,
          to_json(ParkedMeta{
              item.id, item.origin, item.step, "attempts-exhausted", result.reason, {}, std::move(result.effects)}));
    }
    retried_.add();
    const Duration wait = backoff_delay({group_.retry.first, group_.retry.max}, leased.failures + 1, context_.random);
    const Time not_before = std::max(result.retry_at.value_or(now), now + wait);
    return record_of(RecordKind::kAttemptFailed, now,
                     to_json(AttemptFailedMeta{item.id, item.origin, item.step, result.reason, not_before,
                                               std::move(result.effects)}));
  }

  const WorkerContext& context_;
  const WorkerGroup& group_;
  const std::string worker_;
  metrics::Counter& done_;
  metrics::Counter& retried_;
  metrics::Counter& parked_;
  metrics::Histogram& seconds_;
  std::jthread thread_;  // last: it uses the members above
};

WorkerPool::WorkerPool(const WorkerContext& context) : context_(context) {}
WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::add(WorkerGroup group) { groups_.push_back(std::move(group)); }

void WorkerPool::start() {
  for (const WorkerGroup& group : groups_) {
    for (std::uint32_t i = 0; i < group.threads; ++i) {
      std::string worker = context_.node + "/" + group.name + "/" + std::to_string(i);
      threads_.push_back(std::make_unique<Thread>(context_, group, std::move(worker)));
    }
  }
}

void WorkerPool::stop() {
  for (auto& thread : threads_) thread->request_stop();
  for (auto& thread : threads_) thread->join();
  threads_.clear();
}

}  // namespace minato

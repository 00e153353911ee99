// Threads that lease items, run their step and append what came of it to the journal. The follower applies the outcome,
// which ends the lease; a worker that dies in between leaves a lease that runs out, and the item runs again.
//
//   WorkerPool pool({.journal = journal, .queue = queue, .progress = follower, .clock = clock, .random = random});
//   pool.add({.steps = {"process"}, .step = process_step, .threads = 2, .lanes_max = 64});
//   pool.add({.steps = {"forward:lab"}, .step = forward_step});       // a slow destination has threads of its own
//   pool.start();
//   pool.stop(deadline);    // gives back what has not begun, waits for what has
//
// One lease's outcomes are one group in the journal, so a batch of items costs one fsync.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "flow/progress.h"
#include "flow/step.h"
#include "os/clock.h"
#include "store/journal/journal.h"
#include "store/queue/queue.h"

namespace minato {

struct RetryPolicy {
  std::uint32_t receives_max =
      8;  // after so many the item is parked: a message that kills the process must not kill it for ever
  Duration first = std::chrono::seconds(1);
  Duration max = std::chrono::minutes(10);
};

struct WorkerGroup {
  std::string name;                // for thread names and metrics
  std::vector<std::string> steps;  // as in LeaseRequest
  std::shared_ptr<Step> step;
  std::uint32_t threads = 1;
  std::size_t lanes_max = 32;
  RetryPolicy retry;
};

struct WorkerContext {
  Journal& journal;
  Queue& queue;
  Progress& progress;
  Clock& clock;
  Random& random;
  metrics::Registry& metrics;
  std::string node;  // distinguishes the processes that share a queue
};

class WorkerPool {
 public:
  explicit WorkerPool(const WorkerContext& context);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void add(WorkerGroup group);  // before start()
  void start();
  void stop();  // idempotent; returns when every thread has ended

 private:
  class Thread;
  WorkerContext context_;
  std::vector<WorkerGroup> groups_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace minato

// One thread that waits for many descriptors and timers (epoll, level-triggered). A worker owns its loop and calls
// run(); post() and stop() may be called from any thread, all else from the loop's own thread, or before run().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

namespace minato {

enum class Interest : std::uint8_t { kNothing = 0, kRead = 1, kWrite = 2, kReadWrite = 3 };

struct Ready {
  bool readable = false;  // also at the peer's end and after an error: reading tells which
  bool writable = false;
  bool hung_up = false;  // both sides ended, or an error is pending; reported whatever the interest is
};

class EventHandler {
 public:
  virtual ~EventHandler() = default;
  virtual void on_ready(Ready ready) = 0;
};

class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // The handler must live until remove(fd). kConflict: the descriptor is there already.
  Status add(int fd, Interest interest, EventHandler* handler);
  // Costs a system call only when the interest changes.
  Status modify(int fd, Interest interest);
  // Call it before the descriptor is closed. After it the handler is not called again, also not for events that have
  // already been fetched: a handler may remove and destroy itself or any other.
  void remove(int fd);
  std::size_t watched() const { return watched_; }

  using Task = std::function<void()>;
  // A timer's place; {} is none, and cancelling it does nothing.
  using TimerId = std::pair<Deadline, std::uint64_t>;
  // Runs once, not before the deadline. Timers of one deadline run in the order in which they were made.
  TimerId at(Deadline deadline, Task task);
  void cancel(TimerId timer);

  // Runs `task` on the loop's thread, in the order of the posts. Tasks still waiting when the loop ends are dropped
  // unrun.
  void post(Task task);

  // Until stop(). May be called again after that.
  void run();
  void stop();
  // Waits at most until `deadline`, handles what is ready and returns: for tests, and for loops within loops.
  void run_once(Deadline deadline);

 private:
  struct Slot {
    EventHandler* handler = nullptr;
    std::uint32_t generation = 0;
    Interest interest = Interest::kNothing;
  };
  EventLoop(Fd epoll, Fd wake);
  int wait_ms(Deadline deadline) const;
  void run_timers();
  void run_posted();
  Status control(int operation, int fd, Interest interest);

  Fd epoll_;
  Fd wake_;                  // eventfd
  std::vector<Slot> slots_;  // by descriptor
  std::size_t watched_ = 0;
  std::map<TimerId, Task> timers_;
  std::uint64_t timers_made_ = 0;
  std::mutex mutex_;  // guards the two below
  std::vector<Task> posted_;
  bool stop_ = false;
};

}  // namespace minato

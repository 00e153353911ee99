#include "os/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "os/wait.h"

namespace minato {
namespace {

constexpr int kEventsPerWait = 128;
constexpr std::uint64_t kWakeToken = ~std::uint64_t{0};

std::uint64_t token(int fd, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

std::uint32_t epoll_events(Interest interest) {
  std::uint32_t events = 0;
  if ((static_cast<int>(interest) & static_cast<int>(Interest::kRead)) != 0) events |= EPOLLIN | EPOLLRDHUP;
  if ((static_cast<int>(interest) & static_cast<int>(Interest::kWrite)) != 0) events |= EPOLLOUT;
  return events;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !wake.valid()) {
    return fail(Errc::kUnavailable, std::string("epoll: ") + strerrordesc_np(errno));
  }
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeToken}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return fail(Errc::kUnavailable, std::string("epoll_ctl: ") + strerrordesc_np(errno));
  }
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(Fd epoll, Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
EventLoop::~EventLoop() = default;

Status EventLoop::control(int operation, int fd, Interest interest) {
  epoll_event event{.events = epoll_events(interest),
                    .data = {.u64 = token(fd, slots_[static_cast<std::size_t>(fd)].generation)}};
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) == 0) return {};
  return fail(Errc::kUnavailable, std::string("epoll_ctl: ") + strerrordesc_np(errno));
}

Status EventLoop::add(int fd, Interest interest, EventHandler* handler) {
  if (fd < 0) return fail(Errc::kRefused, "no descriptor");
  const auto at = static_cast<std::size_t>(fd);
  if (at >= slots_.size()) slots_.resize(at + 1);
  if (slots_[at].handler != nullptr) return fail(Errc::kConflict, "the descriptor is watched already");
  MN_CHECK(control(EPOLL_CTL_ADD, fd, interest));
  slots_[at].handler = handler;
  slots_[at].interest = interest;
  ++watched_;
  return {};
}

Status EventLoop::modify(int fd, Interest interest) {
  const auto at = static_cast<std::size_t>(fd);
  if (fd < 0 || at >= slots_.size() || slots_[at].handler == nullptr) return fail(Errc::kNotFound, "not watched");
  if (slots_[at].interest == interest) return {};
  MN_CHECK(control(EPOLL_CTL_MOD, fd, interest));
  slots_[at].interest = interest;
  return {};
}

void EventLoop::remove(int fd) {
  const auto at = static_cast<std::size_t>(fd);
  if (fd < 0 || at >= slots_.size() || slots_[at].handler == nullptr) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  slots_[at].handler = nullptr;
  ++slots_[at].generation;  // events that were fetched before this no longer match
  --watched_;
}

EventLoop::TimerId EventLoop::at(Deadline deadline, Task task) {
  const TimerId id{deadline, ++timers_made_};
  timers_.emplace(id, std::move(task));
  return id;
}

void EventLoop::cancel(TimerId timer) { timers_.erase(timer); }

void EventLoop::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);  // full means that it is awake already
}

void EventLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  post([] {});
}

void EventLoop::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(stop_, false)) return;
    }
    run_once(Deadline::max());
  }
}

void EventLoop::run_timers() {
  const auto now = std::chrono::steady_clock::now();
  // A timer that a timer makes waits for the next round, so that descriptors have their turn.
  const std::uint64_t last = timers_made_;
  while (!timers_.empty() && timers_.begin()->first.first <= now && timers_.begin()->first.second <= last) {
    const Task task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    task();
  }
}

void EventLoop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const Task& task : tasks) task();
}

int EventLoop::wait_ms(Deadline deadline) const {
  if (!timers_.empty()) deadline = std::min(deadline, timers_.begin()->first.first);
  if (deadline == Deadline::max()) return -1;
  return milliseconds_until(deadline);
}

void EventLoop::run_once(Deadline deadline) {
  std::array<epoll_event, kEventsPerWait> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerWait, wait_ms(deadline));
  bool posted = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kWakeToken) {
      std::uint64_t drained = 0;
      posted = ::read(wake_.get(), &drained, sizeof drained) > 0 || posted;
      continue;
    }
    const Slot& slot = slots_[event.data.u64 & 0xFFFFFFFF];
    if (slot.handler == nullptr || slot.generation != event.data.u64 >> 32) continue;
    EventHandler* const handler = slot.handler;  // the call may grow slots_
    handler->on_ready({.readable = (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
                       .writable = (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
                       .hung_up = (event.events & (EPOLLHUP | EPOLLERR)) != 0});
  }
  run_timers();
  if (posted) run_posted();
}

}  // namespace minato

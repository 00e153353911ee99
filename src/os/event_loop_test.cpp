#include "os/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "os/thread.h"

namespace minato {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

struct Call final : EventHandler {
  std::function<void(Ready)> body;
  explicit Call(std::function<void(Ready)> f) : body(std::move(f)) {}
  void on_ready(Ready ready) override { body(ready); }
};

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ours = Fd(fds[0]);
    theirs = Fd(fds[1]);
  }
  void send() { EXPECT_EQ(::write(theirs.get(), "x", 1), 1); }
  Fd ours, theirs;
};

TEST(EventLoop, CallsTheHandlerWhileTheDescriptorIsReady) {
  const auto loop = std::move(*EventLoop::create());
  Pair pair;
  int calls = 0;
  Call handler([&](Ready ready) { calls += ready.readable ? 1 : 100; });
  ASSERT_TRUE(loop->add(pair.ours.get(), Interest::kRead, &handler));
  loop->run_once(in(0ms));
  EXPECT_EQ(calls, 0);
  pair.send();
  loop->run_once(in(5s));
  loop->run_once(in(5s));
  EXPECT_EQ(calls, 2) << "level-triggered: nothing was read, so it is still ready";
  ASSERT_TRUE(loop->modify(pair.ours.get(), Interest::kNothing));
  loop->run_once(in(0ms));
  EXPECT_EQ(calls, 2);
  ASSERT_TRUE(loop->modify(pair.ours.get(), Interest::kReadWrite));
  bool writable = false;
  handler.body = [&](Ready ready) { writable = ready.writable; };
  loop->run_once(in(5s));
  EXPECT_TRUE(writable);
  loop->remove(pair.ours.get());
}

TEST(EventLoop, TheEndOfThePeerIsReadableAndHungUp) {
  const auto loop = std::move(*EventLoop::create());
  Pair pair;
  Ready seen;
  Call handler([&](Ready ready) { seen = ready; });
  ASSERT_TRUE(loop->add(pair.ours.get(), Interest::kRead, &handler));
  pair.theirs.reset();
  loop->run_once(in(5s));
  EXPECT_TRUE(seen.readable);
  EXPECT_TRUE(seen.hung_up);
  loop->remove(pair.ours.get());
}

TEST(EventLoop, ARemovedHandlerIsNotCalledForEventsAlreadyFetched) {
  const auto loop = std::move(*EventLoop::create());
  Pair a, b;
  int calls = 0;
  std::unique_ptr<Call> first, second;
  const auto remove_both = [&](Ready) {
    ++calls;
    loop->remove(a.ours.get());
    loop->remove(b.ours.get());
    // A new descriptor may get the number of a closed one at once; the old event must not reach its handler.
    first.release();  // is running: deleted below
    second.reset();
  };
  first = std::make_unique<Call>(remove_both);
  second = std::make_unique<Call>(remove_both);
  const std::unique_ptr<Call> keep_alive(first.get());
  ASSERT_TRUE(loop->add(a.ours.get(), Interest::kRead, first.get()));
  ASSERT_TRUE(loop->add(b.ours.get(), Interest::kRead, first.get()));
  a.send();
  b.send();
  loop->run_once(in(5s));
  loop->run_once(in(0ms));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(loop->watched(), 0u);
}

TEST(EventLoop, AnOldEventDoesNotReachTheNextOwnerOfTheDescriptor) {
  const auto loop = std::move(*EventLoop::create());
  Pair a, b;
  int wrong = 0;
  Call next([&](Ready) { ++wrong; });
  int other = -1;
  Call handler([&](Ready) {
    // Both are in the batch that is being handled; the other's number is given to a silent socket.
    if (other < 0) return;
    loop->remove(other);
    Pair silent;
    EXPECT_EQ(::dup3(silent.ours.get(), other, O_CLOEXEC), other);
    EXPECT_TRUE(loop->add(other, Interest::kNothing, &next));
    other = -1;
  });
  Call handler_a([&](Ready ready) { other = other == -2 ? b.ours.get() : -1, handler.on_ready(ready); });
  Call handler_b([&](Ready ready) { other = other == -2 ? a.ours.get() : -1, handler.on_ready(ready); });
  ASSERT_TRUE(loop->add(a.ours.get(), Interest::kRead, &handler_a));
  ASSERT_TRUE(loop->add(b.ours.get(), Interest::kRead, &handler_b));
  a.send();
  b.send();
  other = -2;
  loop->run_once(in(5s));
  EXPECT_EQ(wrong, 0);
}

TEST(EventLoop, DescriptorsAreAddedOnceAndUnknownOnesAreNotFound) {
  const auto loop = std::move(*EventLoop::create());
  Pair pair;
  Call handler([](Ready) {});
  ASSERT_TRUE(loop->add(pair.ours.get(), Interest::kRead, &handler));
  EXPECT_EQ(loop->add(pair.ours.get(), Interest::kRead, &handler).error().code, Errc::kConflict);
  EXPECT_EQ(loop->modify(pair.theirs.get(), Interest::kRead).error().code, Errc::kNotFound);
  loop->remove(pair.theirs.get());
  loop->remove(pair.ours.get());
  EXPECT_TRUE(loop->add(pair.ours.get(), Interest::kRead, &handler));
}

TEST(EventLoop, TimersRunInOrderOnceAndNotWhenCancelled) {
  const auto loop = std::move(*EventLoop::create());
  std::string order;
  const auto now = std::chrono::steady_clock::now();
  loop->at(now + 2ms, [&] { order += 'c'; });
  loop->at(now + 1ms, [&] { order += 'a'; });
  loop->at(now + 1ms, [&] { order += 'b'; });
  const auto cancelled = loop->at(now + 1ms, [&] { order += 'x'; });
  loop->cancel(cancelled);
  loop->cancel({});
  bool done = false;
  loop->at(now + 3ms, [&] { done = true; });
  while (!done) loop->run_once(in(5s));
  EXPECT_EQ(order, "abc");
  EXPECT_GE(std::chrono::steady_clock::now(), now + 3ms);
}

TEST(EventLoop, ATimerThatMakesTimersDoesNotStarveDescriptors) {
  const auto loop = std::move(*EventLoop::create());
  Pair pair;
  int rounds = 0;
  bool seen = false;
  Call handler([&](Ready) { seen = true; });
  ASSERT_TRUE(loop->add(pair.ours.get(), Interest::kRead, &handler));
  std::function<void()> again = [&] {
    if (++rounds == 1) pair.send();
    loop->at(Deadline::min(), again);
  };
  loop->at(Deadline::min(), again);
  while (!seen && rounds < 1000) loop->run_once(in(5s));
  EXPECT_TRUE(seen);
  EXPECT_LT(rounds, 10);
  loop->remove(pair.ours.get());
}

TEST(EventLoop, PostsOfManyThreadsAllRunOnTheLoopsThread) {
  const auto loop = std::move(*EventLoop::create());
  std::thread::id runner;
  int count = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(start_thread("poster", [&](std::stop_token) {
      for (int k = 0; k < 500; ++k) {
        loop->post([&] {
          runner = std::this_thread::get_id();
          if (++count == 2000) loop->stop();
        });
      }
    }));
  }
  loop->run();
  EXPECT_EQ(count, 2000);
  EXPECT_EQ(runner, std::this_thread::get_id());
}

TEST(EventLoop, StopsFromAnotherThreadWhileItWaitsForNothing) {
  const auto loop = std::move(*EventLoop::create());
  auto thread = start_thread("loop", [&](std::stop_token) { loop->run(); });
  loop->stop();
  thread.join();
}

TEST(Thread, HasItsNameAndTakesNoSignals) {
  std::string name;
  sigset_t mask;
  start_thread("a-name-that-is-too-long", [&](std::stop_token) {
    char text[32] = "";
    pthread_getname_np(pthread_self(), text, sizeof text);
    name = text;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  }).join();
  EXPECT_EQ(name, "a-name-that-is-");
  EXPECT_EQ(sigismember(&mask, SIGTERM), 1);
  sigset_t ours;
  pthread_sigmask(SIG_SETMASK, nullptr, &ours);
  EXPECT_EQ(sigismember(&ours, SIGTERM), 0);
}

}  // namespace
}  // namespace minato

// A clock that stands still until the test moves it.
#pragma once

#include <atomic>

#include "os/clock.h"

namespace minato::sim {

class SimClock final : public Clock {
 public:
  explicit SimClock(Time start = from_micros(1'800'000'000'000'000)) : wall_(to_micros(start)) {}

  Time now() const override { return from_micros(wall_.load()); }
  Deadline::duration steady() const override { return std::chrono::microseconds(steady_.load()); }

  // Time passes on both clocks; `span` is not negative.
  void advance(Duration span) {
    wall_ += span.count();
    steady_ += span.count();
  }
  // Somebody sets the wall clock, either way. The steady clock does not notice.
  void jump(Duration span) { wall_ += span.count(); }

 private:
  std::atomic<std::int64_t> wall_;
  std::atomic<std::int64_t> steady_{1'000'000};
};

}  // namespace minato::sim

#include "flow/breaker.h"

#include <algorithm>

namespace minato {

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half-open";
  }
  return "unknown";
}

Breaker::Breaker(const BreakerOptions& options) : options_(options), pause_(options.pause_first) {}

bool Breaker::allow(Deadline::duration now) {
  const std::lock_guard lock(mutex_);
  if (state_ == BreakerState::kClosed) return true;
  if (now < until_) return false;
  state_ = BreakerState::kHalfOpen;
  until_ = now + options_.pause_max;
  return true;
}

void Breaker::succeeded() {
  const std::lock_guard lock(mutex_);
  state_ = BreakerState::kClosed;
  failures_ = 0;
  pause_ = options_.pause_first;
  until_ = {};
}

void Breaker::failed(Deadline::duration now) {
  const std::lock_guard lock(mutex_);
  // Calls that were under way when the breaker opened say nothing new.
  if (state_ == BreakerState::kOpen) return;
  if (state_ == BreakerState::kHalfOpen) {
    pause_ = std::min(pause_ * 2, options_.pause_max);
  } else if (++failures_ < options_.failures_max) {
    return;
  }
  state_ = BreakerState::kOpen;
  until_ = now + pause_;
}

BreakerState Breaker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Deadline::duration Breaker::open_until() const {
  const std::lock_guard lock(mutex_);
  return until_;
}

}  // namespace minato

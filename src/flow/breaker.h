// A circuit breaker: after some failures in a row the peer is left alone for a while, then one call is let through to
// see.
//
//   if (!breaker.allow(clock.steady())) return fail(Errc::kUnavailable, "pix: circuit open");
//   const auto answer = ask();
//   answer ? breaker.succeeded() : breaker.failed(clock.steady());
//
// Closed: every call passes. Open: none does, until the pause is over. Half open: one call passes (the probe), all
// others wait for what becomes of it. Each failed probe doubles the pause up to `pause_max`. A probe whose outcome is
// never told counts as failed after `pause_max`, so that a lost one cannot keep the breaker shut for ever. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

#include "base/time.h"

namespace minato {

struct BreakerOptions {
  std::uint32_t failures_max = 5;  // in a row
  Deadline::duration pause_first = std::chrono::seconds(5);
  Deadline::duration pause_max = std::chrono::minutes(5);
};

enum class BreakerState : std::uint8_t { kClosed, kOpen, kHalfOpen };
std::string_view name(BreakerState state);  // "closed", "open", "half-open"

class Breaker {
 public:
  explicit Breaker(const BreakerOptions& options = {});

  // Whether a call may be made now. When true, tell what became of it with succeeded() or failed(). `now` is
  // Clock::steady().
  bool allow(Deadline::duration now);
  // The peer answered, whatever it said.
  void succeeded();
  void failed(Deadline::duration now);

  BreakerState state() const;
  // When allow() may say yes again, on the same clock; zero while closed.
  Deadline::duration open_until() const;

 private:
  const BreakerOptions options_;
  mutable std::mutex mutex_;  // guards all below; a leaf, see docs/locks.md
  BreakerState state_ = BreakerState::kClosed;
  std::uint32_t failures_ = 0;
  Deadline::duration pause_{};
  Deadline::duration until_{};
};

}  // namespace minato

// What is left until a deadline, in the form that poll and epoll take.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace minato {

// Rounded up, so that a wait never ends just before the deadline; 0 when it has passed; at most a minute, after which
// the caller looks at the clock again.
inline int milliseconds_until(Deadline deadline) {
  const auto now = std::chrono::steady_clock::now();
  if (deadline <= now) return 0;
  if (deadline - now > std::chrono::minutes(1)) return 60'000;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count());
}
inline bool passed(Deadline deadline) { return std::chrono::steady_clock::now() >= deadline; }

}  // namespace minato

// When a failed step is tried again, and when it no longer is. Pure functions: the randomness is the caller's.
//
//   const Time not_before = now + backoff_delay({.first = seconds(1), .max = minutes(10)}, leased.failures + 1,
//   random);
#pragma once

#include <cstdint>

#include "base/time.h"
#include "os/clock.h"

namespace minato {

struct Backoff {
  Duration first = std::chrono::seconds(1);
  Duration max = std::chrono::minutes(10);
};

// The pause after the `failures`-th failure in a row, from 1: doubles from `first` up to `max`, then a random half of
// it is taken off, so that what failed together does not come back together. Always in [d/2, d] of the undisturbed
// pause d, and at least 1 µs.
Duration backoff_delay(const Backoff& backoff, std::uint32_t failures, Random& random);

// True when an item that was leased `receives` times without ending must be parked and not run again: a message that
// kills its worker must not do so for ever. 0 stands for no limit.
bool receives_exhausted(std::uint32_t receives, std::uint32_t receives_max);

}  // namespace minato

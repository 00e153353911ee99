// Time and randomness as parameters, so that tests decide both.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace minato {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;                   // wall clock; may jump either way
  virtual Deadline::duration steady() const = 0;  // never goes back; since an arbitrary start
};
Clock& real_clock();

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;  // uniform over 64 bits; any thread
};
Random& real_random();  // from the operating system

}  // namespace minato

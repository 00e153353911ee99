// Randomness that repeats: the same seed gives the same numbers on every machine (splitmix64, Steele and others 2014).
#pragma once

#include <atomic>

#include "os/clock.h"

namespace minato::sim {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() override {
    std::uint64_t bits = state_.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }
  // Uniform over [0, bound); `bound` is not 0. The bias is below 2^-32 for bounds that tests use.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // True in `percent` of 100 cases.
  bool chance(std::uint64_t percent) { return below(100) < percent; }

 private:
  std::atomic<std::uint64_t> state_;
};

}  // namespace minato::sim

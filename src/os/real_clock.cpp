#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

#include "os/clock.h"

namespace minato {

namespace {

class RealClock final : public Clock {
 public:
  Time now() const override { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }
  Deadline::duration steady() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

class RealRandom final : public Random {
 public:
  std::uint64_t next() override {
    std::uint64_t bits = 0;
    // Up to 256 bytes come whole once the kernel's generator is seeded (getrandom(2)); before that it waits.
    while (::getrandom(&bits, sizeof bits, 0) != sizeof bits) {
      if (errno != EINTR) std::abort();  // an identifier that can be guessed is worse than a stop
    }
    return bits;
  }
};

}  // namespace

Clock& real_clock() {
  static RealClock clock;
  return clock;
}

Random& real_random() {
  static RealRandom random;
  return random;
}

}  // namespace minato

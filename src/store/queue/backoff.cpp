#include "store/queue/backoff.h"

#include <algorithm>

namespace minato {

Duration backoff_delay(const Backoff& backoff, std::uint32_t failures, Random& random) {
  Duration pause = std::max(backoff.first, Duration(1));
  for (std::uint32_t i = 1; i < failures && pause < backoff.max; ++i) {
    pause = pause > backoff.max / 2 ? backoff.max : pause * 2;
  }
  pause = std::max(std::min(pause, backoff.max), Duration(1));
  const auto half = static_cast<std::uint64_t>(pause.count() / 2);
  return pause - Duration(static_cast<Duration::rep>(random.next() % (half + 1)));
}

bool receives_exhausted(std::uint32_t receives, std::uint32_t receives_max) {
  return receives_max != 0 && receives > receives_max;
}

}  // namespace minato

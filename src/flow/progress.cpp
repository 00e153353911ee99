#include "flow/progress.h"

namespace minato {

Seq Progress::position() const {
  const std::lock_guard lock(mutex_);
  return position_;
}

void Progress::advance(Seq applied) {
  {
    const std::lock_guard lock(mutex_);
    if (applied <= position_) return;
    position_ = applied;
  }
  changed_.notify_all();
}

bool Progress::wait_for(Seq seq, Deadline deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, stop, deadline, [&] { return position_ >= seq; });
}

Seq Progress::wait_past(Seq seen, Deadline deadline, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, deadline, [&] { return position_ > seen; });
  return position_;
}

}  // namespace minato

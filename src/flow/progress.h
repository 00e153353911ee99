// How far the follower has come, for those who must not run ahead of it or sleep past it. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/ids.h"
#include "base/time.h"

namespace minato {

class Progress {
 public:
  Seq position() const;
  // Called by the follower after each batch.
  void advance(Seq applied);
  // Waits until everything up to `seq` is applied. False: the deadline passed or stop was asked for.
  bool wait_for(Seq seq, Deadline deadline, const std::stop_token& stop);
  // Waits until something new was applied since `seen`, or the deadline, or stop. Returns the position.
  Seq wait_past(Seq seen, Deadline deadline, const std::stop_token& stop);

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  Seq position_;
};

}  // namespace minato

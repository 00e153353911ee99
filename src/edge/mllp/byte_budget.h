// How many bytes all connections hold together, and who may go on reading above the limit: one at a time, or frames
// that all are half read would wait for one another.
#pragma once

#include <atomic>
#include <cstddef>

namespace minato::mllp {

// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // The holder of `before` bytes has `after` now.
  void change(std::size_t before, std::size_t after) {
    used_.fetch_add(after - before, std::memory_order_relaxed);  // wraps around when it falls, as unsigned numbers may
  }
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  bool over() const { return used() >= bytes_max_; }

  // Whether `who` may read: below the limit everybody, above it the one who has the turn.
  bool may_read(const void* who) {
    if (!over()) return true;
    const void* nobody = nullptr;
    return turn_.compare_exchange_strong(nobody, who) || nobody == who;
  }
  // When `who` holds no half frame any more, or ends.
  void end_turn(const void* who) {
    if (turn_.load(std::memory_order_relaxed) == who) turn_.store(nullptr);
  }

 private:
  const std::size_t bytes_max_;
  std::atomic<std::size_t> used_{0};
  std::atomic<const void*> turn_{nullptr};
};

}  // namespace minato::mllp

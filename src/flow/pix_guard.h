// What stands between the flow and a patient master: a cache of answers and a circuit breaker.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flow/pix.h"

namespace minato {

// At most `entries_max` values, each for a while; the one that was used least recently goes first. Not thread-safe.
template <typename T>
class ExpiringCache {
 public:
  explicit ExpiringCache(std::size_t entries_max) : entries_max_(entries_max) {}

  const T* find(const std::string& key, Deadline::duration now) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    if (found->second->expires <= now) {
      entries_.erase(found->second);
      by_key_.erase(found);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  void put(const std::string& key, T value, Deadline::duration expires) {
    if (entries_max_ == 0) return;
    if (const auto old = by_key_.find(key); old != by_key_.end()) {
      entries_.erase(old->second);
      by_key_.erase(old);
    }
    while (entries_.size() >= entries_max_) {
      by_key_.erase(entries_.back().key);
      entries_.pop_back();
    }
    entries_.push_front({key, std::move(value), expires});
    by_key_[key] = entries_.begin();
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string key;
    T value;
    Deadline::duration expires{};
  };
  std::size_t entries_max_;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> by_key_;
};

// Asks `inner` only when the cache has no answer and the breaker lets the call through. kRetry, kUnavailable, kTooLarge
// and kCorrupt are failures of the master; kRefused is an answer. Errors are not cached. The clock outlives it.
// Thread-safe if `inner` is.
class GuardedMaster final : public PatientMaster {
 public:
  GuardedMaster(std::unique_ptr<PatientMaster> inner, const MasterOptions& options, Clock& clock);
  Result<std::vector<Identifier>> identifiers(const Identifier& of) override;
  Result<std::vector<MasterPerson>> people(const Identifier& with) override;
  BreakerState breaker_state() const { return breaker_.state(); }

 private:
  template <typename T, typename Ask>
  Result<T> guarded(ExpiringCache<T>& cache, const Identifier& key, Ask ask);

  std::unique_ptr<PatientMaster> inner_;
  const std::chrono::seconds cache_for_, cache_unknown_for_;
  Clock& clock_;
  Breaker breaker_;
  std::mutex mutex_;  // guards the two below; a leaf
  ExpiringCache<std::vector<Identifier>> identifiers_;
  ExpiringCache<std::vector<MasterPerson>> people_;
};

}  // namespace minato

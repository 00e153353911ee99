// What is counted and shown at /metrics, in the Prometheus text format 0.0.4.
//
//   metrics::Registry registry;
//   metrics::Counter& frames = registry.counter("minato_mllp_frames_total", "Frames received.", {{"listener", "adt"}});
//   frames.add();
//
// A series is looked up once, when the service that counts is made; after that an increment is one relaxed atomic add.
// Series live as long as the registry and are never removed, so a label must have few values: a listener, a step, a
// lane class; never a patient, a peer or an id. Everything here may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minato::metrics {

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) noexcept { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  // `bounds` are upper bounds, inclusive, ascending; one more bucket, up to infinity, is added.
  explicit Histogram(std::vector<double> bounds);
  void observe(double value) noexcept;

  std::uint64_t count() const noexcept;
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }
  // The value below which the share `q` (0 to 1) of all observations lies, as histogram_quantile of Prometheus
  // estimates it: linear within its bucket, and the highest bound when it lies above that. 0 when nothing was observed.
  double quantile(double q) const noexcept;

  const std::vector<double>& bounds() const { return bounds_; }
  std::uint64_t bucket(std::size_t i) const noexcept { return buckets_[i].load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> buckets_;  // one more than bounds_
  std::atomic<double> sum_{0};
};

// 50 µs to 60 s in steps of about 2: for seconds of waiting on a disk or a peer.
std::vector<double> latency_bounds();
// 256 B to 128 MiB in steps of 4: for sizes.
std::vector<double> size_bounds();

using Labels = std::vector<std::pair<std::string, std::string>>;

class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The series of this name with these labels; the same one each time. Names obey [a-zA-Z_:][a-zA-Z0-9_:]*, label names
  // [a-zA-Z_][a-zA-Z0-9_]*; one name has one type and one help text. Breaking either is a fault of ours and aborts.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  // `bounds` counts for the first series of the name only; the others share them.
  Histogram& histogram(std::string_view name, std::string_view help, const Labels& labels = {},
                       const std::vector<double>& bounds = latency_bounds());

  // Called at the start of each exposition, to set gauges that nobody keeps current (age of the oldest item, free
  // disk). It may use the registry's series, and must outlive it or own what it uses.
  void before_exposition(std::function<void()> refresh);
  std::string exposition() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minato::metrics

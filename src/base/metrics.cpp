#include "base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <variant>

namespace minato::metrics {
namespace {

[[noreturn]] void fault(std::string_view name, const char* what) {
  std::fprintf(stderr, "metric %.*s: %s\n", static_cast<int>(name.size()), name.data(), what);
  std::abort();
}

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool good_name(std::string_view name, std::string_view also) {
  if (name.empty() || digit(name.front())) return false;
  return std::ranges::all_of(name, [also](char c) { return letter(c) || digit(c) || also.contains(c); });
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), buckets_(bounds_.size() + 1) {}

void Histogram::observe(double value) noexcept {
  const auto at = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  buckets_[static_cast<std::size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const noexcept {
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  return total;
}

double Histogram::quantile(double q) const noexcept {
  const std::uint64_t total = count();
  if (total == 0 || bounds_.empty()) return 0;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    const auto here = static_cast<double>(bucket(i));
    if (here > 0 && below + here >= rank) {
      const double low = i == 0 ? std::min(0.0, bounds_[0]) : bounds_[i - 1];
      return low + (bounds_[i] - low) * std::max(0.0, rank - below) / here;
    }
    below += here;
  }
  return bounds_.back();
}

std::vector<double> latency_bounds() {
  return {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60};
}

std::vector<double> size_bounds() {
  std::vector<double> bounds;
  for (double bytes = 256; bytes <= 128.0 * 1024 * 1024; bytes *= 4) bounds.push_back(bytes);
  return bounds;
}

namespace {

using Metric = std::variant<Counter*, Gauge*, Histogram*>;

struct Family {
  std::string help;
  std::size_t type = 0;  // index in Metric
  std::vector<double> bounds;
  std::map<Labels, Metric> series;
};

prometheus::ClientMetric shown(const Labels& labels, const Metric& metric) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : labels) {
    prometheus::ClientMetric::Label label;
    label.name = name;
    label.value = value;
    out.label.push_back(std::move(label));
  }
  if (const auto* counter = std::get_if<Counter*>(&metric)) {
    out.counter.value = static_cast<double>((*counter)->value());
  } else if (const auto* gauge = std::get_if<Gauge*>(&metric)) {
    out.gauge.value = (*gauge)->value();
  } else {
    const Histogram& histogram = *std::get<Histogram*>(metric);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
      below += histogram.bucket(i);
      const bool last = i == histogram.bounds().size();
      out.histogram.bucket.push_back({below, last ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]});
    }
    out.histogram.sample_count = below;
    out.histogram.sample_sum = histogram.sum();
  }
  return out;
}

constexpr prometheus::MetricType kTypes[] = {prometheus::MetricType::Counter, prometheus::MetricType::Gauge,
                                             prometheus::MetricType::Histogram};

}  // namespace

struct Registry::State {
  mutable std::mutex mutex;  // guards all below; the series themselves are atomic
  std::map<std::string, Family, std::less<>> families;
  std::deque<Counter> counters;
  std::deque<Gauge> gauges;
  std::deque<Histogram> histograms;
  std::vector<std::function<void()>> refreshes;

  Family& family(std::string_view name, std::string_view help, std::size_t type) {
    if (!good_name(name, ":")) fault(name, "not a metric name");
    auto [at, made] = families.try_emplace(std::string(name));
    if (made) {
      at->second.help = help;
      at->second.type = type;
    }
    if (at->second.type != type) fault(name, "registered with another type");
    if (at->second.help != help) fault(name, "registered with another help text");
    return at->second;
  }

  // The series of the family with these labels, or the place for it.
  static Metric& series(Family& family, std::string_view name, Labels labels, Metric none) {
    for (const auto& label : labels) {
      if (!good_name(label.first, "") || label.first == "le") fault(name, "not a label name");
    }
    std::ranges::sort(labels);
    return family.series.try_emplace(std::move(labels), none).first->second;
  }
};

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(state_->mutex);
  Metric& metric = State::series(state_->family(name, help, 0), name, labels, static_cast<Counter*>(nullptr));
  auto& held = std::get<Counter*>(metric);
  if (held == nullptr) held = &state_->counters.emplace_back();
  return *held;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const std::lock_guard lock(state_->mutex);
  Metric& metric = State::series(state_->family(name, help, 1), name, labels, static_cast<Gauge*>(nullptr));
  auto& held = std::get<Gauge*>(metric);
  if (held == nullptr) held = &state_->gauges.emplace_back();
  return *held;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, const Labels& labels,
                               const std::vector<double>& bounds) {
  const std::lock_guard lock(state_->mutex);
  Family& family = state_->family(name, help, 2);
  if (family.bounds.empty()) family.bounds = bounds;
  Metric& metric = State::series(family, name, labels, static_cast<Histogram*>(nullptr));
  auto& held = std::get<Histogram*>(metric);
  if (held == nullptr) held = &state_->histograms.emplace_back(family.bounds);
  return *held;
}

void Registry::before_exposition(std::function<void()> refresh) {
  const std::lock_guard lock(state_->mutex);
  state_->refreshes.push_back(std::move(refresh));
}

std::string Registry::exposition() const {
  std::vector<std::function<void()>> refreshes;
  {
    const std::lock_guard lock(state_->mutex);
    refreshes = state_->refreshes;
  }
  for (const auto& refresh : refreshes) refresh();  // unlocked: it may ask for series
  std::vector<prometheus::MetricFamily> shown_families;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [name, family] : state_->families) {
      auto& out = shown_families.emplace_back();
      out.name = name;
      out.help = family.help;
      out.type = kTypes[family.type];
      for (const auto& [labels, metric] : family.series) out.metric.push_back(shown(labels, metric));
    }
  }
  return prometheus::TextSerializer().Serialize(shown_families);
}

}  // namespace minato::metrics

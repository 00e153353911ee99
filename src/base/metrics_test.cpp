#include "base/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace minato::metrics {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, OneSeriesPerNameAndLabels) {
  Registry registry;
  Counter& adt = registry.counter("frames_total", "Frames.", {{"listener", "adt"}, {"tls", "no"}});
  Counter& same = registry.counter("frames_total", "Frames.", {{"tls", "no"}, {"listener", "adt"}});
  Counter& lab = registry.counter("frames_total", "Frames.", {{"listener", "lab"}, {"tls", "no"}});
  EXPECT_EQ(&adt, &same);
  EXPECT_NE(&adt, &lab);
}

TEST(Metrics, ExpositionShowsEverySeries) {
  Registry registry;
  registry.counter("frames_total", "Frames received.", {{"listener", "a\"b\n"}}).add(3);
  registry.gauge("depth", "Items waiting.").set(2.5);
  Histogram& histogram = registry.histogram("ack_seconds", "Acknowledgement.", {}, {0.1, 1});
  for (const double seconds : {0.1, 0.5, 7.0}) histogram.observe(seconds);
  const std::string text = registry.exposition();
  EXPECT_TRUE(has_line(text, "# HELP frames_total Frames received.")) << text;
  EXPECT_TRUE(has_line(text, "# TYPE frames_total counter")) << text;
  EXPECT_TRUE(has_line(text, R"(frames_total{listener="a\"b\n"} 3)")) << text;
  EXPECT_TRUE(has_line(text, "depth 2.5")) << text;
  EXPECT_TRUE(has_line(text, R"(ack_seconds_bucket{le="0.1"} 1)")) << text;
  EXPECT_TRUE(has_line(text, R"(ack_seconds_bucket{le="1"} 2)")) << text;
  EXPECT_TRUE(has_line(text, R"(ack_seconds_bucket{le="+Inf"} 3)")) << text;
  EXPECT_TRUE(has_line(text, "ack_seconds_count 3")) << text;
}

TEST(Metrics, RefreshRunsBeforeEachExpositionAndMayAskForSeries) {
  Registry registry;
  int calls = 0;
  registry.before_exposition([&] { registry.gauge("age_seconds", "Age.").set(++calls); });
  EXPECT_TRUE(has_line(registry.exposition(), "age_seconds 1"));
  EXPECT_TRUE(has_line(registry.exposition(), "age_seconds 2"));
}

TEST(Metrics, NoIncrementIsLostBetweenThreads) {
  Registry registry;
  Counter& counter = registry.counter("n_total", "N.");
  Histogram& histogram = registry.histogram("h", "H.", {}, {1, 2});
  Gauge& gauge = registry.gauge("g", "G.");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) counter.add(), histogram.observe(1.5), gauge.add(1);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter.value(), 40'000u);
  EXPECT_EQ(histogram.bucket(1), 40'000u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 60'000.0);
  EXPECT_DOUBLE_EQ(gauge.value(), 40'000.0);
}

TEST(Metrics, QuantileLiesInTheBucketThatHoldsIt) {
  Histogram histogram({1, 2, 4, 8});
  EXPECT_EQ(histogram.quantile(0.99), 0);
  for (int i = 0; i < 99; ++i) histogram.observe(1.5);
  histogram.observe(100);
  EXPECT_NEAR(histogram.quantile(0.5), 1.505, 0.01);
  EXPECT_DOUBLE_EQ(histogram.quantile(0.99), 2.0);
  EXPECT_DOUBLE_EQ(histogram.quantile(1.0), 8.0) << "above the highest bound, the highest bound is all that is known";
  EXPECT_GT(histogram.quantile(0.0), 0.99);
}

TEST(MetricsDeathTest, AFaultOfOursAborts) {
  Registry registry;
  registry.counter("n_total", "N.");
  EXPECT_DEATH(registry.gauge("n_total", "N."), "another type");
  EXPECT_DEATH(registry.counter("n_total", "M."), "another help");
  EXPECT_DEATH(registry.counter("n-total", "N."), "not a metric name");
  EXPECT_DEATH(registry.counter("m_total", "N.", {{"a-b", "c"}}), "not a label name");
}

}  // namespace
}  // namespace minato::metrics

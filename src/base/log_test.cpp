#include "base/log.h"

#include <gtest/gtest.h>

#include <thread>

namespace minato {
namespace {

using namespace std::chrono_literals;

// What must not compile, asked of the type system: text that nobody vouched for, and patient data in any dress.
static_assert(!std::is_constructible_v<log::Value, std::string>);
static_assert(!std::is_constructible_v<log::Value, std::string_view>);
static_assert(!std::is_constructible_v<log::Value, const char*>);
static_assert(!std::is_constructible_v<log::Value, Phi<std::string>>);
static_assert(!std::is_constructible_v<log::Value, Phi<int>>);
static_assert(!std::is_constructible_v<log::Literal, std::string>);
static_assert(!std::is_convertible_v<Phi<std::string>, std::string>);
static_assert(!std::is_convertible_v<Phi<std::string>, std::string_view>);
template <typename T>
concept CanBeOwn = requires(T value) { log::own(value); };
static_assert(CanBeOwn<std::string>);
static_assert(!CanBeOwn<Phi<std::string>>);

class Lines {
 public:
  std::vector<std::string> all;

 private:
  log::Redirect redirect_{[this](std::string_view line) { all.emplace_back(line); }};
};

// The line without its time, which is checked for its shape.
std::string without_time(const std::string& line) {
  const std::string start = R"({"time":"2026-11-24T05:06:07.000008Z",)";
  EXPECT_GT(line.size(), start.size());
  EXPECT_EQ(line.substr(0, 9), start.substr(0, 9));
  EXPECT_EQ(line.substr(start.size() - 3, 3), start.substr(start.size() - 3));
  return "{" + line.substr(start.size());
}

TEST(Log, WritesOneJsonObjectWithTypedFields) {
  Lines lines;
  const std::string listener = "adt \"1\"\n";
  log::warning("mllp.accepted", {{"listener", log::own(listener)},
                                 {"bytes", std::size_t{812}},
                                 {"delta", -3},
                                 {"waited_ms", 1500us},
                                 {"tls", true},
                                 {"mode", "enhanced"}});
  ASSERT_EQ(lines.all.size(), 1u);
  EXPECT_EQ(without_time(lines.all[0]),
            R"({"level":"warning","event":"mllp.accepted","listener":"adt \"1\"\n","bytes":812,"delta":-3,)"
            R"("waited_ms":1.5,"tls":true,"mode":"enhanced"})");
}

TEST(Log, WritesTheTextOfAnError) {
  Lines lines;
  log::error("journal.failed", {{"error", Error{Errc::kCorrupt, "segment 7 at byte 12"}}});
  ASSERT_EQ(lines.all.size(), 1u);
  EXPECT_EQ(without_time(lines.all[0]), R"({"level":"error","event":"journal.failed","error":"segment 7 at byte 12"})");
}

TEST(Log, DropsWhatIsBelowTheLevel) {
  Lines lines;
  log::debug("a.b");
  EXPECT_TRUE(lines.all.empty());
  log::set_level(log::Level::kDebug);
  log::debug("a.b");
  log::set_level(log::Level::kAlarm);
  log::error("a.b");
  log::alarm("a.c");
  log::set_level(log::Level::kInfo);
  ASSERT_EQ(lines.all.size(), 2u);
  EXPECT_NE(lines.all[1].find("\"alarm\""), std::string::npos);
}

TEST(Log, LevelsAreReadByTheNamesThatLinesCarry) {
  for (const auto level :
       {log::Level::kDebug, log::Level::kInfo, log::Level::kWarning, log::Level::kError, log::Level::kAlarm}) {
    EXPECT_EQ(log::parse_level(log::name(level)), level);
  }
  EXPECT_FALSE(log::parse_level("INFO"));
}

TEST(Log, LinesOfManyThreadsStayWhole) {
  Lines lines;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int k = 0; k < 250; ++k) log::info("thread.line", {{"thread", i}, {"line", k}});
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(lines.all.size(), 1000u);
  for (const auto& line : lines.all) {
    EXPECT_EQ(line.front(), '{');
    EXPECT_EQ(line.find('{', 1), std::string::npos);
    EXPECT_EQ(line.find('}'), line.size() - 1);
  }
}

TEST(Log, GoesToStandardErrorUnlessRedirected) {
  testing::internal::CaptureStderr();
  log::info("a.b", {{"n", 1}});
  const std::string captured = testing::internal::GetCapturedStderr();
  ASSERT_FALSE(captured.empty());
  EXPECT_EQ(captured.back(), '\n');
  EXPECT_EQ(without_time(captured.substr(0, captured.size() - 1)), R"({"level":"info","event":"a.b","n":1})");
}

}  // namespace
}  // namespace minato

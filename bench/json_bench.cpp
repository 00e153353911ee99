// How fast JSON is read into our document, every value validated and every number's text kept, and written again.
// links: minato_json simdjson
//
//   cmake --build --preset release --target json_bench && build/release/bin/json_bench
//
// Yardstick: simdjson's own DOM over the same bytes in the same run. "ratio" is our rate over that of the yardstick.
#include <simdjson.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "base/json_writer.h"
#include "format/json/json.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRunFor = std::chrono::milliseconds(700);

// Records such as an import brings: names in two scripts, numbers with and without a point, nesting.
std::string records(int count) {
  std::string out;
  minato::JsonWriter json(out);
  json.begin_array();
  for (int i = 0; i < count; ++i) {
    json.begin_object().member("id", 100'000 + i).member("name", "山田 太郎").member("kana", "ヤマダ タロウ");
    json.key("weight").number("62.50").member("active", true).key("none").null();
    json.key("identifiers").begin_array();
    json.begin_object().member("domain", "GHH").member("value", "56782445").end_object().end_array().end_object();
  }
  json.end_array();
  return out;
}

template <typename Run>
double megabytes_per_second(std::size_t bytes, Run run) {
  const auto start = Clock::now();
  std::size_t rounds = 0;
  while (Clock::now() - start < kRunFor) run(), ++rounds;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return static_cast<double>(bytes * rounds) / 1e6 / seconds;
}

void measure(const char* what, int count) {
  const std::string text = records(count);
  simdjson::dom::parser parser;
  const double theirs = megabytes_per_second(text.size(), [&] {
    if (parser.parse(text).error() != simdjson::SUCCESS) std::abort();
  });
  const double ours = megabytes_per_second(text.size(), [&] {
    if (!minato::json::parse(text)) std::abort();
  });
  const auto document = minato::json::parse(text);
  const double writing = megabytes_per_second(text.size(), [&] {
    if (minato::json::to_text(document->root()).size() != text.size()) std::abort();
  });
  std::printf("%-8s %9zu bytes  read %7.0f MB/s  simdjson DOM %7.0f MB/s  ratio %.2f  write %7.0f MB/s\n", what,
              text.size(), ours, theirs, ours / theirs, writing);
}

}  // namespace

int main() {
  measure("request", 4);
  measure("import", 20'000);
}

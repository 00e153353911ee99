// How fast the plain dictionary reads clinical text; see the last lines for what is printed.
// links: minato_language
//
//   cmake --build --preset release --target dictionary_bench && build/release/bin/dictionary_bench
//
// Yardstick: folding alone (width, case, accents, blanks) over the same bytes in the same run. "ratio" is our rate over
// that of the yardstick.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "language/dictionary.h"
#include "language/fold.h"

namespace {

using namespace minato::language;
using Clock = std::chrono::steady_clock;

constexpr auto kRunFor = std::chrono::milliseconds(700);

constexpr std::string_view kEnglish =
    "58 y/o woman brought from Lakeside Rehab by ambulance, s/p PE. IV line in the left arm, PT and OT to go on, ABT "
    "ended on Monday. Family "
    "reports pain when walking; at night severe agitation and discomfort, better after talking, she no longer required "
    "the sitter. Cognitive "
    "status at her baseline. Known for bipolar disorder, chronic fatigue syndrome, diabetes and a-fib. Takes "
    "propanolol 10Mg. ";
constexpr std::string_view kJapanese =
    "７２歳女性。糖尿病、高血圧症で通院中。昨日より発熱、咳嗽あり、本日呼吸困難が増悪し救急搬送。胸痛は認めず。既往に心"
    "房細動、脳梗塞。家族歴：父に胃癌。"
    "内服：アムロジピン５ｍｇ　分１朝食後、ロキソニン錠60mg 1日3回毎食後。肺炎疑いで入院とした。";

template <typename Work>
double megabytes_per_second(const std::string& text, Work work) {
  std::size_t bytes = 0, sum = 0;
  const auto begin = Clock::now();
  while (Clock::now() - begin < kRunFor) {
    sum += work(text);
    bytes += text.size();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (sum == 0) std::printf("nothing was found\n");
  return static_cast<double>(bytes) / seconds / 1e6;
}

void measure(const char* what, std::string_view note) {
  std::string text;
  while (text.size() < 60'000) text += note;
  const auto dictionary = builtin_dictionary();
  const double ours = megabytes_per_second(
      text, [&](const std::string& t) { return dictionary->extract(t, Language::kUnknown).size(); });
  const double folding = megabytes_per_second(text, [](const std::string& t) { return fold(t).lower.size(); });
  std::printf("%-9s extract %7.1f MB/s   fold alone %7.1f MB/s   ratio %.2f\n", what, ours, folding, ours / folding);
}

void measure_one_note() {
  const auto dictionary = builtin_dictionary();
  const std::string note(kEnglish);
  std::vector<double> micros;
  for (int i = 0; i < 20'000; ++i) {
    const auto begin = Clock::now();
    if (dictionary->extract(note, Language::kEnglish).empty()) std::printf("nothing was found\n");
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::ranges::sort(micros);
  std::printf("one note of %zu bytes: p50 %.1f us, p99 %.1f us\n", note.size(), micros[micros.size() / 2],
              micros[micros.size() * 99 / 100]);
}

}  // namespace

int main() {
  const auto begin = Clock::now();
  (void)builtin_dictionary();
  std::printf("table loaded in %.2f ms\n", std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  measure("English", kEnglish);
  measure("Japanese", kJapanese);
  measure_one_note();
  return 0;
}

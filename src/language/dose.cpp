#include "language/dose.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "language/fold.h"

namespace minato::language {
namespace {

// Between the name and the strength.
constexpr std::string_view kNameWords[] = {"tablet",
                                           "tablets",
                                           "tab",
                                           "tabs",
                                           "capsule",
                                           "capsules",
                                           "cap",
                                           "caps",
                                           "er",
                                           "xr",
                                           "sr",
                                           "xl",
                                           "cr",
                                           "la",
                                           "dr",
                                           "hcl",
                                           "oral",
                                           "sodium",
                                           "hydrochloride",
                                           "injection",
                                           "inhaler",
                                           "gel",
                                           "cream",
                                           "patch",
                                           "solution"};
constexpr std::string_view kNameWordsJa[] = {"カプセル", "口腔内崩壊錠", "od錠", "徐放錠", "錠",   "散",       "細粒",
                                             "顆粒",     "注射液",       "注",   "テープ", "軟膏", "シロップ", "吸入"};
constexpr std::string_view kUnits[] = {
    "mg/kg", "mg/day",   "mg/ml",   "mcg/hr", "mcg/h", "mg",    "mcg",  "ug",      "\xC2\xB5g", "kg",   "g",   "ml/hr",
    "ml",    "cc",       "units",   "unit",   "iu",    "meq",   "mmol", "tablets", "tablet",    "tabs", "tab", "caps",
    "cap",   "capsules", "capsule", "puffs",  "puff",  "drops", "drop", "patches", "patch",     "%"};
constexpr std::string_view kUnitsJa[] = {"錠",   "カプセル", "単位", "包", "滴", "枚",
                                         "吸入", "回",       "日分", "本", "瓶", "筒"};
constexpr std::string_view kSigWords[] = {
    "po",     "iv",    "im",      "sc",     "sq",    "subq",  "sl",   "pr",      "bid",     "b.i.d.", "tid",
    "t.i.d.", "qid",   "q.i.d.",  "qd",     "qday",  "qod",   "qhs",  "qam",     "qpm",     "prn",    "daily",
    "once",   "twice", "nightly", "weekly", "times", "time",  "a",    "per",     "day",     "every",  "hours",
    "hour",   "at",    "bedtime", "by",     "mouth", "in",    "the",  "morning", "evening", "with",   "meals",
    "each",   "as",    "needed",  "x",      "days",  "three", "four", "orally",  "q4h",     "q6h",    "q8h",
    "q12h",   "q24h",  "q4",      "q6",     "q8",    "q12",   "stat", "ac",      "pc",      "week",   "monthly"};
constexpr std::string_view kSigWordsJa[] = {"毎食後", "毎食前", "朝食後", "昼食後", "夕食後", "食後",   "食前", "食間",
                                            "朝夕",   "朝",     "昼",     "夕",     "眠前",   "就寝前", "頓用", "頓服",
                                            "内服",   "点滴",   "静注",   "皮下注", "筋注",   "1日",    "1回",  "分1",
                                            "分2",    "分3",    "分4",    "毎日",   "週1回",  "連日"};
// Small words that may stand inside a direction but never end one.
constexpr std::string_view kJoining[] = {"a",    "per", "every", "at",    "by",    "in",  "the",
                                         "with", "as",  "x",     "times", "three", "four"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class DoseParser {
 public:
  DoseParser(std::string_view text, std::size_t begin, std::size_t end) : text_(text.substr(0, end)), pos_(begin) {}

  DoseRange parse() {
    skip_name_words();
    DoseRange out;
    out.begin = pos_;
    for (bool joining = false; part(joining);) {
      if (!joining) out.end = pos_;
      skip_blanks();
    }
    return out;
  }

 private:
  char at(std::size_t pos) const { return pos < text_.size() ? text_[pos] : '\0'; }

  void skip_blanks() {
    while (at(pos_) == ' ' || at(pos_) == ',' || at(pos_) == '\n') ++pos_;
  }

  void skip_name_words() {
    for (int words = 0; words < 4; ++words) {
      while (at(pos_) == ' ' || at(pos_) == ',' || at(pos_) == ':' || at(pos_) == '(' || at(pos_) == '\n') ++pos_;
      if (!literal(kNameWordsJa) && !word_of(kNameWords)) return;
    }
  }

  template <std::size_t N>
  bool literal(const std::string_view (&literals)[N]) {
    for (const std::string_view text : literals) {
      if (!text_.substr(pos_).starts_with(text)) continue;
      pos_ += text.size();
      return true;
    }
    return false;
  }

  // A whole word, so that "po" is not the beginning of "poorly".
  template <std::size_t N>
  bool word_of(const std::string_view (&words)[N]) {
    std::string_view best;
    for (const std::string_view word : words) {
      if (word.size() <= best.size() || !text_.substr(pos_).starts_with(word)) continue;
      const std::size_t after = pos_ + word.size();
      const bool letters = word_class(static_cast<unsigned char>(word.back())) == WordClass::kWord;
      if (!letters || after >= text_.size() || word_class(decode_at(text_, after).code_point) != WordClass::kWord) {
        best = word;
      }
    }
    pos_ += best.size();
    return !best.empty();
  }

  // 10, 2.5, 5/325, 10-20, 1,000
  bool number() {
    std::size_t end = pos_;
    while (is_digit(at(end)) ||
           (end > pos_ && is_digit(at(end + 1)) && std::string_view("./-,").find(at(end)) != std::string_view::npos)) {
      ++end;
    }
    const bool found = end > pos_;
    pos_ = end;
    return found;
  }

  bool amount() {
    const std::size_t start = pos_;
    if (number()) {
      if (at(pos_) == ' ') ++pos_;
      if (literal(kUnitsJa) || word_of(kUnits)) return true;
    }
    pos_ = start;
    return false;
  }

  // "x 7 days", "every 6 hours": a bare number, but only between words of a direction.
  bool bare_number() {
    const std::size_t start = pos_;
    if (number() && at(pos_) == ' ') {
      ++pos_;
      const std::size_t word = pos_;
      if (word_of(kSigWords)) {
        pos_ = word;
        return true;
      }
    }
    pos_ = start;
    return false;
  }

  bool part(bool& joining) {
    joining = false;
    const std::size_t start = pos_;
    if (amount() || literal(kSigWordsJa)) return started_ = true;
    if (started_ && bare_number()) return joining = true;
    if (!word_of(kSigWords)) return false;
    joining = std::ranges::find(kJoining, text_.substr(start, pos_ - start)) != std::end(kJoining);
    // A direction begins with a word that says something by itself: "in the morning" alone is no dose.
    if (joining && !started_) return false;
    return started_ = true;
  }

  std::string_view text_;
  std::size_t pos_;
  bool started_ = false;
};

}  // namespace

DoseRange dose_after(std::string_view folded, std::size_t begin, std::size_t end) {
  return DoseParser(folded, begin, end).parse();
}

}  // namespace minato::language

// From clinical text to findings: the interface that every engine of language/ has.
//
//   std::unique_ptr<Extractor> extractor = builtin_dictionary();
//   for (const Finding& finding : extractor->extract(note, Language::kEnglish)) …
//
// Pure code: no files, no clock. An Extractor is immutable after it was made; any number of threads may use one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minato::language {

enum class Language : std::uint8_t { kUnknown, kEnglish, kJapanese };

enum class Category : std::uint8_t {
  kCondition,   // a disease or state somebody diagnosed
  kSymptom,     // what is felt or seen
  kMedication,  // a drug by its generic or brand name
};
std::string_view name(Category category);  // "condition" …

// A half-open range of the text that was given to extract(), in bytes and in code points (each byte that is not part of
// valid UTF-8 counts as one code point).
struct Span {
  std::size_t begin = 0, end = 0;
  std::size_t begin_code_point = 0, end_code_point = 0;
  bool operator==(const Span&) const = default;
};

struct Finding {
  Category category = Category::kCondition;
  Span span;
  std::string text;          // as written, the bytes of span
  std::string preferred;     // English name: "propranolol" for "propanolol"
  std::string preferred_ja;  // Japanese name
  std::string code_system;   // "ICD-10-CM", "RxNorm"; empty when there is no code
  std::string code;
  // What the words around it say. They are cues, not a diagnosis: several may be true.
  bool negated = false;     // "denies chest pain", 胸痛なし
  bool historical = false;  // "s/p PE", 心筋梗塞の既往
  bool uncertain = false;   // "possible pneumonia", 肺炎疑い
  bool family = false;      // somebody else has it: "mother with DM", 家族歴
  std::string dose;         // medications only, as written: "10Mg", "5 mg PO BID", 1日3回; empty when none stands there
  Span dose_span;

  // Neither negated nor somebody else's: what a summary of this patient may say.
  bool affirmed() const { return !negated && !family; }
};

class Extractor {
 public:
  virtual ~Extractor() = default;
  // Any bytes; what is no UTF-8 separates words. Findings come in the order of the text and never overlap. `hint` is
  // the language that the text is probably in. Time is linear in the text.
  virtual std::vector<Finding> extract(std::string_view utf8, Language hint) const = 0;
};

}  // namespace minato::language

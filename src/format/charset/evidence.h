// Statistics about bytes whose encoding is in doubt: how much they look like Japanese text in one or the other
// encoding.
#pragma once

#include <cstddef>
#include <string_view>

namespace minato::charset {

// Of the characters above ASCII, read as one encoding.
struct JapaneseEvidence {
  std::size_t kana = 0;     // full-width hiragana, katakana
  std::size_t common = 0;   // JIS level 1 kanji
  std::size_t symbols = 0;  // rows 1-8, 13: punctuation, full-width letters
  std::size_t rare = 0;     // level 2 kanji, extensions
  std::size_t half_kana = 0;
  std::size_t invalid = 0;  // bytes that are no character
  std::size_t lead_c1 = 0;  // characters whose lead byte is 80-9F, which no text in ISO 8859 has
  long score() const;
};
JapaneseEvidence shift_jis_evidence(std::string_view bytes);
JapaneseEvidence euc_jp_evidence(std::string_view bytes);

struct LatinEvidence {
  std::size_t letters = 0;  // one to three bytes C0-FF beside an ASCII letter: é, ÖÖ in a Western word
  std::size_t others = 0;   // any other byte above 7F
};
LatinEvidence latin_evidence(std::string_view bytes);

// A designation of a Japanese set (ESC $ B, ESC ( J …) stands in it.
bool has_japanese_escape(std::string_view bytes);
bool has_high_byte(std::string_view bytes);

}  // namespace minato::charset

// Text made comparable: width, accents, hyphens and blanks folded, each byte traceable to where it came from.
//
//   Folded text = fold("Ａ－Ｆｉｂ");   // lower "a fib", cased "A Fib"
//
// Full-width ASCII becomes ASCII, half-width katakana full-width (ﾊﾞ is one character), Latin letters lose their
// accents, a hyphen beside a letter becomes a blank, typographic quotes become ASCII ones, runs of blanks one blank; a
// run with a line break in it is one line feed, and one with an empty line in it two. Bytes that are no UTF-8 become
// U+FFFD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace minato::language {

struct Folded {
  std::string lower;  // ASCII letters in lower case
  std::string cased;  // the same with case kept; same length
  std::vector<std::uint32_t>
      source;  // [i]: where in the original the character of lower[i] begins; [size]: the original's size
};

// `utf8` is shorter than 4 GiB; what is beyond is not read.
Folded fold(std::string_view utf8);

// What may not stand on both sides of a word's edge.
enum class WordClass : std::uint8_t { kNone, kWord, kKatakana };

struct Decoded {
  char32_t code_point = 0;
  std::uint32_t length = 1;  // in bytes, never 0
  bool valid = false;
};
// The character at `pos` < size. Invalid: U+FFFD of length 1.
Decoded decode_at(std::string_view utf8, std::size_t pos);
// The start of the character that ends before `pos` > 0, in folded text.
std::size_t previous(std::string_view folded, std::size_t pos);
WordClass word_class(char32_t code_point);
void append_utf8(char32_t code_point, std::string& out);

}  // namespace minato::language

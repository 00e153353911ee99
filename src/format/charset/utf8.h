// UTF-8 by hand: the checks that every other conversion here ends in (RFC 3629).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minato::charset {

inline constexpr char32_t kReplacement = 0xFFFD;

// Reads the character at `pos` and moves past it. On an invalid sequence: kReplacement, past its longest valid
// beginning (at least one byte), and `ok` becomes false.
char32_t next_utf8(std::string_view text, std::size_t& pos, bool& ok);
void append_utf8(char32_t c, std::string& out);

struct Utf8Count {
  std::size_t invalid = 0;  // sequences
  std::size_t two = 0;      // valid characters of two bytes
  std::size_t longer = 0;   // valid characters of three or four
};
Utf8Count count_utf8(std::string_view bytes);
bool valid_utf8(std::string_view bytes);

// Index of the first byte above 7F or equal to ESC; size() when there is none. Some 10 GB/s.
std::size_t first_non_plain(std::string_view bytes, std::size_t from = 0);

}  // namespace minato::charset

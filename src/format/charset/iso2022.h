// ISO-2022-JP as HL7 has it: ISO IR6, 13, 14, 87 and 159 by escape sequences (HL7 v2.5.1 section 2.7.2; JIS X 0202).
#pragma once

#include <string>
#include <string_view>

#include "format/charset/scan.h"

namespace minato::charset {

// A C0 control returns to ASCII. 8-bit bytes A1-DF are half-width kana in any state. False when anything was not valid,
// or the text does not shift back before a control character or its end.
bool decode_iso2022_jp(std::string_view bytes, std::string& out);
bool valid_iso2022_jp(std::string_view bytes);

// Writes character after character, with the shifts between them. Prefers ASCII, JIS X 0208, 7-bit katakana, JIS X 0212, in this order.
// JIS X 0201 Roman is never written: its YEN SIGN and OVERLINE are the bytes of HL7 delimiters; their full-width forms are.
class Iso2022Writer {
 public:
  explicit Iso2022Writer(std::string& out) : out_(out) {}
  // False: none of the sets has it; nothing was written.
  bool put(char32_t c);
  // Returns to ASCII.
  void finish() { shift(G0::kAscii); }

 private:
  void shift(G0 to);
  std::string& out_;
  G0 g0_ = G0::kAscii;
};

}  // namespace minato::charset

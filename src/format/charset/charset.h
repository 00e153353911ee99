// The character sets in which HL7 v2 messages come, and their conversion to UTF-8 and back.
//
//   std::string name = charset::decode(charset::Encoding::kShiftJis, raw);
//   Result<std::string> raw2 = charset::encode(charset::Encoding::kShiftJis, name);
//
// Japanese text has one mapping in all three encodings, that of JIS X 0208 itself (〜 is U+301C, － is U+2212), so that
// a name that came in Shift_JIS equals the same name from ISO-2022-JP. Encoding accepts the cp932 twins (U+FF5E, U+FF0D
// …) too. All functions are pure and may be called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace minato::charset {

enum class Encoding : std::uint8_t {
  kAscii,  // 7 bits; a byte above is decoded as U+FFFD
  kUtf8,
  kIso2022Jp,  // ISO IR6, 13, 14, 87, 159 switched by ISO 2022 escapes; 8-bit bytes are half-width kana (IR13 in G1)
  kShiftJis,   // cp932: with NEC and IBM extensions and user-defined characters
  kEucJp,      // JIS X 0208, half-width kana (SS2), JIS X 0212 (SS3)
  kIso8859_1,  // bytes 80-9F are read as windows-1252 has them
  kIso8859_2,
  kIso8859_3,
  kIso8859_4,
  kIso8859_5,
  kIso8859_6,
  kIso8859_7,
  kIso8859_8,
  kIso8859_9,
  kIso8859_15,
  kGb18030,
  kKsx1001,  // EUC-KR, with the Windows extension
  kBig5,
  kCns11643,  // EUC-TW
};

// For logs and JSON: "UTF-8", "ISO-2022-JP", "Shift_JIS" …
std::string_view name(Encoding encoding);
// What MSH-18 says for it (HL7 table 0211): "UNICODE UTF-8", "~ISO IR87" … ; "" for ASCII, which is the default.
std::string_view msh18(Encoding encoding);

// True when every byte below 0x80 is always a character of its own: a delimiter byte is then a delimiter.
bool ascii_safe(Encoding encoding);

// Decodes all of `bytes`; what is not valid becomes U+FFFD. A byte order mark is U+FEFF like any other.
std::string decode(Encoding encoding, std::string_view bytes);
// As decode, into `out` (appended); false when anything was not valid.
[[nodiscard]] bool decode_to(Encoding encoding, std::string_view bytes, std::string& out);
// Whether every byte of `bytes` belongs to a valid character.
bool valid(Encoding encoding, std::string_view bytes);
// Whether no byte of `bytes` is above 7F or an ESC: it then reads the same in every encoding here.
bool plain_ascii(std::string_view bytes);

// kRefused: `utf8` is not UTF-8 or holds a character that the set has not; the text says at which byte offset.
// ISO-2022-JP ends in ASCII state and takes no ESC.
Result<std::string> encode(Encoding encoding, std::string_view utf8);
// As encode, but a character that the set has not becomes '?'. For texts of ours in answers.
std::string encode_lossy(Encoding encoding, std::string_view utf8);

}  // namespace minato::charset

// Which character set a message is really in: what MSH-18 says, held against the bytes.
//
//   CharsetFinding finding = charset::detect(bytes, {.msh18 = "~ISO IR87"});
//   if (finding.warning != Warning::kNone) …    // the sender is told, the bytes are kept
//
// HL7 v2.5.1 section 2.15.9.18: MSH-18 empty means ASCII; the first repetition is the default set, further ones may be
// switched to by escape sequences (MSH-20).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "format/charset/charset.h"

namespace minato::charset {

enum class Warning : std::uint8_t {
  kNone,
  kUndeclared,    // MSH-18 is empty and the text is not ASCII
  kUnknownName,   // MSH-18 names no set of HL7 table 0211, nor a usual other name of one
  kContradicted,  // the declared set cannot be, or is surely not, what the bytes are in
  kInvalidBytes,  // `used` fits best, but some bytes are no characters of it; they read as U+FFFD
};
// "charset-undeclared" …, for metrics and JSON.
std::string_view name(Warning warning);

struct CharsetFinding {
  std::string declared;  // MSH-18 as received, at most 64 bytes of it; "" when empty
  Encoding used = Encoding::kAscii;
  bool certain = true;  // false: a guess by statistics that may be wrong
  Warning warning = Warning::kNone;
};

struct Declaration {
  std::string_view msh18;       // raw, with repetitions
  std::string_view msh20 = {};  // raw: "ISO 2022-1994", "2.3" (\C \M escapes) or ""; alone, it declares ISO-2022-JP
  char repetition = '~';
  // What a site knows of a sender that declares nothing: tried first when MSH-18 is empty and the bytes are valid in
  // it.
  std::optional<Encoding> undeclared_default = {};
};

// Any of the names in HL7 table 0211, and those in use beside it ("UTF-8", "Shift_JIS", "8859-1", "ISO_IR 87" …),
// whatever their case, blanks and punctuation. nullopt: unknown, or one whose bytes MLLP cannot carry (UTF-16, UTF-32).
std::optional<Encoding> encoding_named(std::string_view name);

// The one encoding that a whole MSH-18 asks for: any of ISO IR13/14/87/159 in it makes ISO-2022-JP. nullopt as
// encoding_named. Empty: kAscii.
std::optional<Encoding> encoding_declared(const Declaration& declaration);

// Reads all of `message` (some 10 GB/s while it is ASCII). Never fails: raw bytes are kept anyway and a guess is
// marked.
CharsetFinding detect(std::string_view message, const Declaration& declaration);

}  // namespace minato::charset

// Escape sequences and character set of a text in a field (HL7 v2.5.1 section 2.7).
//
// Reading: \F\ \S\ \T\ \R\ \E\ \P\ are the delimiters; \Xdd..\ are bytes of the message's character set; \.br\ and
// \.ce\ are a line feed, \.sp\ and \.sp n\ line feeds, \.sk n\ blanks; \H\ \N\ \.fi\ \.nf\ \.in n\ \.ti n\ are layout
// and vanish; \Cxxyy\ and \Mxxyyzz\ switch ISO 2022 sets. Local (\Zxx\) and unknown ones, and an escape character that
// opens no sequence, stay as they are. Writing: delimiters become their sequences, a line feed \.br\, other control
// characters \Xdd\.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "format/charset/charset.h"
#include "format/hl7/delimiters.h"

namespace minato::hl7 {

struct TextCoding {
  Delimiters delimiters;
  charset::Encoding encoding = charset::Encoding::kAscii;
};

// UTF-8 of the raw bytes of an element. Never fails: what is no character becomes U+FFFD.
std::string decode_text(std::string_view raw, const TextCoding& coding);

// Bytes that stand for `utf8` in a message; decode_text gives the same text back (CR LF becomes one line feed).
// kRefused: a character that the set has not, or a delimiter in the text while the message has no escape character.
Result<std::string> encode_text(std::string_view utf8, const TextCoding& coding);
// As encode_text, but never fails: '?' stands for what cannot be written.
std::string encode_text_lossy(std::string_view utf8, const TextCoding& coding);

}  // namespace minato::hl7

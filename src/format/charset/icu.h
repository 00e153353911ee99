// The few calls of ICU that this folder needs. ICU is kept out of every other file.
#pragma once

#include <string>
#include <string_view>

namespace minato::charset {

// One converter of ICU, opened once a thread. `name` is a literal.
// Decodes all of `bytes` to UTF-8, appended to `out`; what is invalid becomes U+FFFD, and the answer is then false.
bool icu_decode(const char* name, std::string_view bytes, std::string& out);
// The first character of `bytes`; 0 when they are none, or one beyond the Basic Multilingual Plane.
char16_t icu_decode_one(const char* name, std::string_view bytes);
// Appends the bytes of one character; false: the set has it not.
bool icu_encode_one(const char* name, char32_t c, std::string& out);

}  // namespace minato::charset

// Small work on byte strings and ASCII text that every floor needs. Nothing here knows a locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minato {

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(std::string_view bytes);
// nullopt: an odd number of digits, or something that is no hexadecimal digit. Both cases are read.
std::optional<std::string> from_hex(std::string_view text);

// ASCII letters only; bytes from 0x80 up are left as they are.
std::string ascii_lower(std::string_view text);
bool ascii_iequals(std::string_view a, std::string_view b);

// Without spaces and tabs at both ends (the OWS of RFC 9110 section 5.6.3).
std::string_view trim(std::string_view text);
// The parts between the separators, empty ones too: "a,,b" has three, "" has one.
std::vector<std::string_view> split(std::string_view text, char separator);

// A decimal number and nothing else around it: no sign, no space. nullopt: not that, or above 2^64-1.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

// How many bytes of the well-formed UTF-8 sequence (RFC 3629: no surrogates, shortest form, at most U+10FFFF) stand at
// the front of `text`: 1 to 4, or 0 if there is none.
std::size_t utf8_sequence_bytes(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace minato

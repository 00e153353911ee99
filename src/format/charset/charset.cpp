#include "format/charset/charset.h"

#include <array>
#include <optional>

#include "format/charset/icu.h"
#include "format/charset/iso2022.h"
#include "format/charset/jis.h"
#include "format/charset/scan.h"
#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t pos) { return static_cast<std::uint8_t>(bytes[pos]); }

const char* icu_name(Encoding encoding) {
  switch (encoding) {
    case Encoding::kIso8859_1:
      return "windows-1252";
    case Encoding::kIso8859_2:
      return "ISO-8859-2";
    case Encoding::kIso8859_3:
      return "ISO-8859-3";
    case Encoding::kIso8859_4:
      return "ISO-8859-4";
    case Encoding::kIso8859_5:
      return "ISO-8859-5";
    case Encoding::kIso8859_6:
      return "ISO-8859-6";
    case Encoding::kIso8859_7:
      return "ISO-8859-7";
    case Encoding::kIso8859_8:
      return "ISO-8859-8";
    case Encoding::kIso8859_9:
      return "ISO-8859-9";
    case Encoding::kIso8859_15:
      return "ISO-8859-15";
    case Encoding::kGb18030:
      return "gb18030";
    case Encoding::kKsx1001:
      return "windows-949-2000";
    case Encoding::kBig5:
      return "windows-950-2000";
    case Encoding::kCns11643:
      return "EUC-TW";
    default:
      return "US-ASCII";
  }
}

// A character that is not valid, or has no place in Unicode.
bool append_or_replace(char32_t c, std::string& out) {
  append_utf8(c != 0 ? c : kReplacement, out);
  return c != 0;
}

bool decode_ascii(std::string_view bytes, std::string& out) {
  bool ok = true;
  for (const char c : bytes) {
    const bool fits = static_cast<std::uint8_t>(c) < 0x80;
    append_utf8(fits ? static_cast<char32_t>(c) : kReplacement, out);
    ok = ok && fits;
  }
  return ok;
}

bool decode_utf8(std::string_view bytes, std::string& out) {
  bool ok = true;
  std::size_t pos = 0;
  while (pos < bytes.size()) {
    const std::size_t plain = first_non_plain(bytes, pos);
    out.append(bytes.substr(pos, plain - pos));
    pos = plain;
    if (pos < bytes.size()) append_utf8(next_utf8(bytes, pos, ok), out);
  }
  return ok;
}

char32_t shift_jis_character(std::string_view bytes, std::size_t pos, std::size_t length) {
  const unsigned lead = byte_at(bytes, pos);
  if (length == 2) return JisTables::get().from_shift_jis(lead, byte_at(bytes, pos + 1));
  return lead >= 0xA1 && lead <= 0xDF ? kHalfKanaFirst + (lead - 0xA1) : 0u;
}

char32_t euc_character(std::string_view bytes, std::size_t pos, std::size_t length) {
  const unsigned lead = byte_at(bytes, pos);
  if (length == 3) {
    return JisTables::get().from_0212(byte_at(bytes, pos + 1) & 0x7F, byte_at(bytes, pos + 2) & 0x7F);
  }
  if (length == 1) return 0;
  const unsigned trail = byte_at(bytes, pos + 1);
  if (lead == 0x8E) return trail <= 0xDF ? kHalfKanaFirst + (trail - 0xA1) : 0u;
  return JisTables::get().from_0208(lead & 0x7F, trail & 0x7F);
}

// The character above ASCII at `pos`; 0: there is none.
using Character = char32_t (*)(std::string_view bytes, std::size_t pos, std::size_t length);

bool decode_pairs(Encoding encoding, std::string_view bytes, Character character, std::string& out) {
  bool ok = true;
  for (std::size_t pos = 0; pos < bytes.size();) {
    if (byte_at(bytes, pos) < 0x80) {
      out.push_back(bytes[pos++]);
      continue;
    }
    const std::size_t length = character_length(encoding, bytes, pos);
    ok = append_or_replace(character(bytes, pos, length), out) && ok;
    pos += length;
  }
  return ok;
}

bool valid_pairs(Encoding encoding, std::string_view bytes, Character character) {
  for (std::size_t pos = first_non_plain(bytes); pos < bytes.size(); pos = first_non_plain(bytes, pos)) {
    if (bytes[pos] == 0x1B) {
      ++pos;
      continue;
    }
    for (; pos < bytes.size() && byte_at(bytes, pos) >= 0x80;) {
      const std::size_t length = character_length(encoding, bytes, pos);
      if (character(bytes, pos, length) == 0) return false;
      pos += length;
    }
  }
  return true;
}

// Appends the two bytes of a code.
void append_pair(unsigned code, std::string& out) {
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code & 0xFF));
}

bool is_half_kana(char32_t c) { return c >= kHalfKanaFirst && c < kHalfKanaFirst + kHalfKanaCount; }

bool encode_shift_jis(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return true;
  }
  if (is_half_kana(c)) {
    out.push_back(static_cast<char>(0xA1 + (c - kHalfKanaFirst)));
    return true;
  }
  const unsigned code = c < 0x10000 ? JisTables::get().to_shift_jis(static_cast<char16_t>(c)) : 0;
  if (code == 0) return false;
  append_pair(code, out);
  return true;
}

bool encode_euc_jp(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return true;
  }
  if (is_half_kana(c)) {
    append_pair(0x8EA1 + static_cast<unsigned>(c - kHalfKanaFirst), out);
    return true;
  }
  if (c >= 0x10000) return false;
  const JisTables& tables = JisTables::get();
  if (const unsigned code = tables.to_0208(static_cast<char16_t>(c)); code != 0) {
    append_pair(code | 0x8080, out);
    return true;
  }
  const unsigned code = tables.to_0212(static_cast<char16_t>(c));
  if (code == 0) return false;
  out.push_back('\x8F');
  append_pair(code | 0x8080, out);
  return true;
}

// One character in a set without shift states.
bool encode_one(Encoding encoding, char32_t c, std::string& out) {
  if (encoding == Encoding::kUtf8) {
    append_utf8(c, out);
    return true;
  }
  if (encoding == Encoding::kShiftJis) return encode_shift_jis(c, out);
  if (encoding == Encoding::kEucJp) return encode_euc_jp(c, out);
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return true;
  }
  if (encoding == Encoding::kAscii) return false;
  // A character beyond ASCII must never come out as an ASCII byte: that could be a delimiter.
  const std::size_t before = out.size();
  if (!icu_encode_one(icu_name(encoding), c, out)) return false;
  if (byte_at(out, before) >= 0x80) return true;
  out.resize(before);
  return false;
}

// Encodes as far as it goes; returns the offset of the first character that could not be written, npos when all could.
// With `substitute`, '?' is written for such a character instead.
std::size_t encode_to(Encoding encoding, std::string_view utf8, std::optional<char> substitute, std::string& out) {
  Iso2022Writer shifted(out);
  const bool iso2022 = encoding == Encoding::kIso2022Jp;
  for (std::size_t pos = 0; pos < utf8.size();) {
    const std::size_t begin = pos;
    bool ok = true;
    const char32_t c = next_utf8(utf8, pos, ok);
    ok = ok && (iso2022 ? shifted.put(c) : encode_one(encoding, c, out));
    if (ok) continue;
    if (!substitute) return begin;
    if (iso2022) {
      shifted.put(static_cast<char32_t>(*substitute));
    } else {
      out.push_back(*substitute);
    }
  }
  shifted.finish();
  return std::string_view::npos;
}

}  // namespace

bool plain_ascii(std::string_view bytes) { return first_non_plain(bytes) == bytes.size(); }

bool decode_to(Encoding encoding, std::string_view bytes, std::string& out) {
  // ISO-2022-JP has no shorter way: without an ESC it is ASCII too.
  if (plain_ascii(bytes)) {
    out.append(bytes);
    return true;
  }
  switch (encoding) {
    case Encoding::kAscii:
      return decode_ascii(bytes, out);
    case Encoding::kUtf8:
      return decode_utf8(bytes, out);
    case Encoding::kIso2022Jp:
      return decode_iso2022_jp(bytes, out);
    case Encoding::kShiftJis:
      return decode_pairs(encoding, bytes, shift_jis_character, out);
    case Encoding::kEucJp:
      return decode_pairs(encoding, bytes, euc_character, out);
    default:
      return icu_decode(icu_name(encoding), bytes, out);
  }
}

std::string decode(Encoding encoding, std::string_view bytes) {
  if (plain_ascii(bytes)) return std::string(bytes);
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  [[maybe_unused]] const bool all_valid = decode_to(encoding, bytes, out);  // the caller sees U+FFFD where it was not
  return out;
}

bool valid(Encoding encoding, std::string_view bytes) {
  switch (encoding) {
    case Encoding::kUtf8:
      return valid_utf8(bytes);
    case Encoding::kIso2022Jp:
      return valid_iso2022_jp(bytes);
    case Encoding::kShiftJis:
      return valid_pairs(encoding, bytes, shift_jis_character);
    case Encoding::kEucJp:
      return valid_pairs(encoding, bytes, euc_character);
    default:
      break;
  }
  std::string scratch;
  return decode_to(encoding, bytes, scratch);
}

Result<std::string> encode(Encoding encoding, std::string_view utf8) {
  if (plain_ascii(utf8)) return std::string(utf8);
  std::string out;
  const std::size_t stopped = encode_to(encoding, utf8, std::nullopt, out);
  if (stopped == std::string_view::npos) return out;
  return fail(Errc::kRefused, "the character at byte " + std::to_string(stopped) + " of the text is not in " +
                                  std::string(name(encoding)));
}

std::string encode_lossy(Encoding encoding, std::string_view utf8) {
  std::string out;
  encode_to(encoding, utf8, '?', out);
  return out;
}

}  // namespace minato::charset

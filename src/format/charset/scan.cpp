#include "format/charset/scan.h"

#include "format/charset/jis.h"

namespace minato::charset {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t pos) { return static_cast<std::uint8_t>(bytes[pos]); }

bool between(unsigned value, unsigned low, unsigned high) { return value >= low && value <= high; }

std::size_t length_gb18030(std::string_view bytes, std::size_t pos) {
  if (!between(byte_at(bytes, pos), 0x81, 0xFE) || pos + 1 >= bytes.size()) return 1;
  const unsigned second = byte_at(bytes, pos + 1);
  if (between(second, 0x40, 0xFE) && second != 0x7F) return 2;
  const bool four = between(second, 0x30, 0x39) && pos + 3 < bytes.size() && between(byte_at(bytes, pos + 2), 0x81, 0xFE) &&
                    between(byte_at(bytes, pos + 3), 0x30, 0x39);
  return four ? 4 : 1;
}

std::size_t length_two(std::string_view bytes, std::size_t pos, bool lead, bool (*trail)(unsigned)) {
  return lead && pos + 1 < bytes.size() && trail(byte_at(bytes, pos + 1)) ? 2 : 1;
}

bool is_big5_trail(unsigned byte) { return between(byte, 0x40, 0x7E) || between(byte, 0xA1, 0xFE); }
bool is_uhc_trail(unsigned byte) {
  return between(byte, 0x41, 0x5A) || between(byte, 0x61, 0x7A) || between(byte, 0x81, 0xFE);
}
bool is_high_trail(unsigned byte) { return between(byte, 0xA1, 0xFE); }

std::size_t length_utf8(std::string_view bytes, std::size_t pos) {
  const unsigned lead = byte_at(bytes, pos);
  const std::size_t length = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
  if (pos + length > bytes.size()) return 1;
  for (std::size_t i = 1; i < length; ++i) {
    if (!between(byte_at(bytes, pos + i), 0x80, 0xBF)) return 1;
  }
  return length;
}

std::size_t length_euc_jp(std::string_view bytes, std::size_t pos) {
  const unsigned lead = byte_at(bytes, pos);
  if (lead == 0x8F && pos + 2 < bytes.size() && is_high_trail(byte_at(bytes, pos + 1))) {
    return is_high_trail(byte_at(bytes, pos + 2)) ? 3 : 1;
  }
  return length_two(bytes, pos, lead == 0x8E || is_high_trail(lead), is_high_trail);
}

// The part of a designation behind ESC: "$B", "(J" …
struct Known {
  std::string_view intermediate;
  G0 g0;
};
constexpr Known kKnown[] = {
    {"(B", G0::kAscii},        {"(J", G0::kJisRoman},   {"(H", G0::kJisRoman},   {"(I", G0::kJisKatakana},
    {"$@", G0::kJisX0208},     {"$B", G0::kJisX0208},   {"$(@", G0::kJisX0208},  {"$(B", G0::kJisX0208},
    {"$(D", G0::kJisX0212},
};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

bool ascii_safe(Encoding encoding) {
  switch (encoding) {
    case Encoding::kIso2022Jp:
    case Encoding::kShiftJis:
    case Encoding::kGb18030:
    case Encoding::kKsx1001:
    case Encoding::kBig5: return false;
    default: return true;
  }
}

std::size_t character_length(Encoding encoding, std::string_view bytes, std::size_t pos) {
  const unsigned lead = byte_at(bytes, pos);
  if (lead < 0x80) return 1;
  switch (encoding) {
    case Encoding::kUtf8: return length_utf8(bytes, pos);
    case Encoding::kShiftJis: return length_two(bytes, pos, is_sjis_lead(lead), is_sjis_trail);
    case Encoding::kEucJp: return length_euc_jp(bytes, pos);
    case Encoding::kGb18030: return length_gb18030(bytes, pos);
    case Encoding::kKsx1001: return length_two(bytes, pos, between(lead, 0x81, 0xFE), is_uhc_trail);
    case Encoding::kBig5: return length_two(bytes, pos, between(lead, 0x81, 0xFE), is_big5_trail);
    case Encoding::kCns11643: return length_two(bytes, pos, is_high_trail(lead), is_high_trail);
    default: return 1;
  }
}

Designation designation_at(std::string_view bytes, std::size_t pos) {
  const std::string_view rest = bytes.substr(pos + 1, 3);
  for (const Known& known : kKnown) {
    if (rest.starts_with(known.intermediate)) return {known.g0, 1 + known.intermediate.size()};
  }
  return {};
}

Designation hl7_designation_at(std::string_view bytes, std::size_t pos, char escape) {
  if (pos + 2 >= bytes.size() || (bytes[pos + 1] != 'C' && bytes[pos + 1] != 'M')) return {};
  char sequence[4] = {0x1B, 0, 0, 0};
  std::size_t length = 1;
  std::size_t at = pos + 2;
  while (length < 4 && at + 1 < bytes.size() && bytes[at] != escape) {
    const int high = hex_value(bytes[at]);
    const int low = hex_value(bytes[at + 1]);
    if (high < 0 || low < 0) return {};
    sequence[length++] = static_cast<char>(high * 16 + low);
    at += 2;
  }
  if (at >= bytes.size() || bytes[at] != escape) return {};
  const Designation found = designation_at({sequence, length}, 0);
  if (found.length != length) return {};
  return {found.g0, at + 1 - pos};
}

namespace {

Designation any_designation_at(std::string_view bytes, std::size_t pos, char hl7_escape) {
  if (bytes[pos] == 0x1B) return designation_at(bytes, pos);
  return hl7_escape != 0 && bytes[pos] == hl7_escape ? hl7_designation_at(bytes, pos, hl7_escape) : Designation{};
}

// From behind a designation to the next one, or to where a control character or (in katakana) a byte of no katakana ends the shift.
std::size_t skip_shifted(std::string_view bytes, std::size_t pos, G0 g0, char hl7_escape) {
  const bool katakana = g0 == G0::kJisKatakana;
  while (pos < bytes.size()) {
    const unsigned byte = byte_at(bytes, pos);
    const bool switches = byte == 0x1B || (hl7_escape != 0 && bytes[pos] == hl7_escape);
    if (byte < 0x20 || (katakana && byte >= 0x60 && byte < 0x80)) return pos;
    if (switches && any_designation_at(bytes, pos, hl7_escape).length > 0) return pos;
    const bool pair = !katakana && is_94(byte) && pos + 1 < bytes.size() && is_94(byte_at(bytes, pos + 1));
    pos += pair ? 2 : 1;
  }
  return pos;
}

std::size_t skip_iso2022(std::string_view bytes, std::size_t pos, char hl7_escape) {
  while (pos < bytes.size()) {
    const Designation found = any_designation_at(bytes, pos, hl7_escape);
    if (found.length == 0) return pos;
    pos += found.length;
    if (found.g0 == G0::kAscii || found.g0 == G0::kJisRoman) return pos;
    pos = skip_shifted(bytes, pos, found.g0, hl7_escape);
  }
  return pos;
}

}  // namespace

std::size_t skip_multibyte(Encoding encoding, std::string_view bytes, std::size_t pos, char hl7_escape) {
  if (encoding == Encoding::kIso2022Jp) return skip_iso2022(bytes, pos, hl7_escape);
  while (pos < bytes.size() && byte_at(bytes, pos) >= 0x80) pos += character_length(encoding, bytes, pos);
  return pos;
}

bool Scanner::next_multibyte(const ByteSet& wanted) {
  const bool iso2022 = encoding_ == Encoding::kIso2022Jp;
  while (next_ < bytes_.size()) {
    const char byte = bytes_[next_];
    const bool may_begin = iso2022 ? byte == 0x1B || byte == hl7_escape_ : static_cast<std::uint8_t>(byte) >= 0x80;
    if (may_begin) {
      const std::size_t behind = skip_multibyte(encoding_, bytes_, next_, hl7_escape_);
      if (behind > next_) {
        next_ = behind;
        continue;
      }
    }
    position_ = next_++;
    if (wanted.has(byte)) return true;
  }
  position_ = bytes_.size();
  return false;
}

}  // namespace minato::charset

#include "format/charset/evidence.h"

#include <cstdint>
#include <cstring>

#include "format/charset/charset.h"
#include "format/charset/jis.h"
#include "format/charset/scan.h"
#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

unsigned byte_at(std::string_view bytes, std::size_t pos) { return static_cast<std::uint8_t>(bytes[pos]); }

bool is_ascii_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

// Sorts a character of the 94x94 set by its row.
void count_row(unsigned first, JapaneseEvidence& evidence) {
  const unsigned row = first - 0x20;
  if (row == 4 || row == 5) {
    ++evidence.kana;
  } else if (row <= 8 || row == 13) {
    ++evidence.symbols;
  } else if (row >= 16 && row <= 47) {
    ++evidence.common;
  } else {
    ++evidence.rare;
  }
}

void count_shift_jis(std::string_view bytes, std::size_t pos, std::size_t length, JapaneseEvidence& evidence) {
  const unsigned lead = byte_at(bytes, pos);
  if (length == 1) {
    ++(lead >= 0xA1 && lead <= 0xDF ? evidence.half_kana : evidence.invalid);
    return;
  }
  const unsigned trail = byte_at(bytes, pos + 1);
  if (lead <= 0x9F) ++evidence.lead_c1;
  if (JisTables::get().from_shift_jis(lead, trail) == 0) {
    ++evidence.invalid;
  } else if (lead >= 0xF0) {
    ++evidence.rare;
  } else {
    count_row(sjis_to_jis(lead, trail).first, evidence);
  }
}

void count_euc(std::string_view bytes, std::size_t pos, std::size_t length, JapaneseEvidence& evidence) {
  const unsigned lead = byte_at(bytes, pos);
  if (length == 1) {
    ++evidence.invalid;
  } else if (lead == 0x8E) {
    ++(byte_at(bytes, pos + 1) <= 0xDF ? evidence.half_kana : evidence.invalid);
  } else if (length == 3) {
    ++evidence.rare;
  } else if (JisTables::get().from_0208(lead & 0x7F, byte_at(bytes, pos + 1) & 0x7F) == 0) {
    ++evidence.invalid;
  } else {
    count_row(lead & 0x7F, evidence);
  }
}

template <typename Count>
JapaneseEvidence gather(Encoding encoding, std::string_view bytes, Count count) {
  JapaneseEvidence evidence;
  std::size_t pos = 0;
  while ((pos = first_non_plain(bytes, pos)) < bytes.size()) {
    const std::size_t length = character_length(encoding, bytes, pos);
    if (byte_at(bytes, pos) >= 0x80) count(bytes, pos, length, evidence);
    pos += length;
  }
  return evidence;
}

}  // namespace

// Points a character. Half-width kana count little: nearly any EUC text reads as such; an invalid one outweighs a name.
long JapaneseEvidence::score() const {
  return static_cast<long>(kana * 6 + common * 5 + symbols * 3 + rare + half_kana) - static_cast<long>(invalid) * 20;
}

JapaneseEvidence shift_jis_evidence(std::string_view bytes) {
  return gather(Encoding::kShiftJis, bytes, count_shift_jis);
}

JapaneseEvidence euc_jp_evidence(std::string_view bytes) { return gather(Encoding::kEucJp, bytes, count_euc); }

LatinEvidence latin_evidence(std::string_view bytes) {
  LatinEvidence evidence;
  for (std::size_t pos = first_non_plain(bytes); pos < bytes.size(); pos = first_non_plain(bytes, pos)) {
    const std::size_t begin = pos;
    bool letters = true;
    for (; pos < bytes.size() && byte_at(bytes, pos) >= 0x80; ++pos) letters = letters && byte_at(bytes, pos) >= 0xC0;
    const bool in_word =
        (begin > 0 && is_ascii_letter(bytes[begin - 1])) || (pos < bytes.size() && is_ascii_letter(bytes[pos]));
    const std::size_t run = pos - begin;
    ++pos;  // what ended the run: ASCII, or an ESC when the run is empty
    (letters && in_word && run <= 3 ? evidence.letters : evidence.others) += run;
  }
  return evidence;
}

bool has_japanese_escape(std::string_view bytes) {
  for (std::size_t pos = bytes.find('\x1B'); pos != std::string_view::npos; pos = bytes.find('\x1B', pos + 1)) {
    const Designation found = designation_at(bytes, pos);
    if (found.length > 0 && found.g0 != G0::kAscii) return true;
  }
  return false;
}

bool has_high_byte(std::string_view bytes) {
  for (std::size_t pos = first_non_plain(bytes); pos < bytes.size(); pos = first_non_plain(bytes, pos + 1)) {
    if (byte_at(bytes, pos) >= 0x80) return true;
  }
  return false;
}

}  // namespace minato::charset

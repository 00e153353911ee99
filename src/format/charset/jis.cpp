#include "format/charset/jis.h"

#include <string>
#include <string_view>

#include "format/charset/icu.h"

namespace minato::charset {
namespace {

constexpr const char* kEuc = "EUC-JP";
constexpr const char* kCp932 = "ibm-943_P15A-2003";

char byte(unsigned value) { return static_cast<char>(static_cast<std::uint8_t>(value)); }

// Rows that cp932 adds to JIS X 0208: NEC's special characters and NEC's selection of IBM's extensions.
bool is_extension_row(unsigned first) { return first == 0x21 + 12 || (first >= 0x21 + 88 && first <= 0x21 + 91); }

std::size_t trail_index(unsigned trail) { return trail - (trail > 0x7F ? 0x41 : 0x40); }

// Where ICU's tables differ from JIS X 0208:1997 or from one another, the standard's own characters.
struct Mapping {
  JisCode code;
  char16_t standard;
  char16_t twin;  // what other vendors' tables have; accepted when encoding
};
constexpr std::array kStandard = std::to_array<Mapping>({
    {0x2131, 0xFFE3, 0x203E},
    {0x213D, 0x2015, 0x2014},
    {0x2140, 0xFF3C, 0},
    {0x2141, 0x301C, 0xFF5E},
    {0x2142, 0x2016, 0x2225},
    {0x215D, 0x2212, 0xFF0D},
    {0x216F, 0xFFE5, 0x00A5},
    {0x2171, 0x00A2, 0xFFE0},
    {0x2172, 0x00A3, 0xFFE1},
    {0x224C, 0x00AC, 0xFFE2},
});

}  // namespace

std::pair<unsigned, unsigned> sjis_to_jis(unsigned lead, unsigned trail) {
  const unsigned row_pair = lead - (lead >= 0xE0 ? 0xC1 : 0x81);
  const bool second_row = trail >= 0x9F;
  const unsigned first = 0x21 + row_pair * 2 + (second_row ? 1 : 0);
  const unsigned second = second_row ? trail - 0x9F + 0x21 : trail - (trail > 0x7F ? 0x41 : 0x40) + 0x21;
  return {first, second};
}

std::uint16_t jis_to_sjis(JisCode code) {
  const unsigned row = (code >> 8) - 0x21u;
  const unsigned cell = (code & 0xFFu) - 0x21u;
  const unsigned lead = row / 2 + (row / 2 < 0x1F ? 0x81 : 0xC1);
  const unsigned trail = row % 2 == 1 ? cell + 0x9F : cell + (cell >= 0x3F ? 0x41 : 0x40);
  return static_cast<std::uint16_t>(lead << 8 | trail);
}

const JisTables& JisTables::get() {
  static const JisTables tables;
  return tables;
}

JisTables::JisTables()
    : to_0208_(std::make_unique<Reverse>()),
      to_0212_(std::make_unique<Reverse>()),
      to_ibm_(std::make_unique<Reverse>()) {
  load_0208();
  load_0212();
  load_ibm();
  apply_standard_mapping();
  reverse_all();
}

void JisTables::load_0208() {
  for (unsigned first = 0x21; first <= 0x7E; ++first) {
    for (unsigned second = 0x21; second <= 0x7E; ++second) {
      const std::string euc{byte(first | 0x80), byte(second | 0x80)};
      const std::uint16_t sjis = jis_to_sjis(static_cast<JisCode>(first << 8 | second));
      const std::string cp932{byte(sjis >> 8), byte(sjis & 0xFF)};
      const bool extension = is_extension_row(first);
      // JIS X 0208 ends with row 84; rows 85-88 and 93-94 are nobody's.
      if (!extension && first > 0x21 + 83) continue;
      x0208_[index(first, second)] = extension ? icu_decode_one(kCp932, cp932) : icu_decode_one(kEuc, euc);
    }
  }
}

void JisTables::load_0212() {
  for (unsigned first = 0x21; first <= 0x7E; ++first) {
    for (unsigned second = 0x21; second <= 0x7E; ++second) {
      const std::string euc{byte(0x8F), byte(first | 0x80), byte(second | 0x80)};
      x0212_[index(first, second)] = icu_decode_one(kEuc, euc);
    }
  }
}

void JisTables::load_ibm() {
  for (unsigned lead = 0xFA; lead <= 0xFC; ++lead) {
    for (unsigned trail = 0x40; trail <= 0xFC; ++trail) {
      if (!is_sjis_trail(trail)) continue;
      const std::string cp932{byte(lead), byte(trail)};
      ibm_[(lead - 0xFA) * 188 + trail_index(trail)] = icu_decode_one(kCp932, cp932);
    }
  }
}

void JisTables::apply_standard_mapping() {
  for (const Mapping& mapping : kStandard) x0208_[index(mapping.code >> 8, mapping.code & 0xFF)] = mapping.standard;
  // In IBM's extensions the NOT SIGN stands once more (FA54, NEC EEF9): one character for all of them.
  for (char16_t& c : ibm_) c = c == 0xFFE2 ? char16_t{0x00AC} : c;
  for (char16_t& c : x0208_) c = c == 0xFFE2 ? char16_t{0x00AC} : c;
}

void JisTables::reverse_all() {
  // The standard's rows first: a character that stands twice is written in its first place.
  for (unsigned first = 0x21; first <= 0x7E; ++first) {
    for (unsigned second = 0x21; second <= 0x7E; ++second) {
      const auto code = static_cast<JisCode>(first << 8 | second);
      JisCode& a = (*to_0208_)[x0208_[index(first, second)]];
      if (a == 0) a = code;
      JisCode& b = (*to_0212_)[x0212_[index(first, second)]];
      if (b == 0) b = code;
    }
  }
  for (std::size_t i = 0; i < ibm_.size(); ++i) {
    const std::size_t trail = i % 188;
    JisCode& code = (*to_ibm_)[ibm_[i]];
    if (code == 0) code = static_cast<JisCode>((0xFA + i / 188) << 8 | (trail + (trail >= 0x3F ? 0x41 : 0x40)));
  }
  for (const Mapping& mapping : kStandard) {
    if (mapping.twin != 0 && (*to_0208_)[mapping.twin] == 0) (*to_0208_)[mapping.twin] = mapping.code;
  }
  (*to_0208_)[0] = (*to_0212_)[0] = (*to_ibm_)[0] = 0;
}

char16_t JisTables::from_shift_jis(unsigned lead, unsigned trail) const {
  if (lead >= 0xFA) return ibm_[(lead - 0xFA) * 188 + trail_index(trail)];
  if (lead >= 0xF0) return static_cast<char16_t>(0xE000 + (lead - 0xF0) * 188 + trail_index(trail));
  const auto [first, second] = sjis_to_jis(lead, trail);
  return from_0208(first, second);
}

std::uint16_t JisTables::to_shift_jis(char16_t c) const {
  if (c >= 0xE000 && c < 0xE000 + 10 * 188) {
    const unsigned at = static_cast<unsigned>(c) - 0xE000;
    const unsigned cell = at % 188;
    return static_cast<std::uint16_t>((0xF0 + at / 188) << 8 | (cell + (cell >= 0x3F ? 0x41 : 0x40)));
  }
  const JisCode code = to_0208(c);
  const bool nec_selected = code >= 0x7900;  // Windows writes these in IBM's place
  if (code != 0 && !nec_selected) return jis_to_sjis(code);
  if ((*to_ibm_)[c] != 0) return (*to_ibm_)[c];
  return code != 0 ? jis_to_sjis(code) : std::uint16_t{0};
}

}  // namespace minato::charset

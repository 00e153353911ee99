#include "language/fold.h"

#include <algorithm>
#include <array>

namespace minato::language {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kDakuten = 0x3099;
constexpr char32_t kHandakuten = 0x309A;

// U+FF66 … U+FF9D in order: the full-width katakana of each.
constexpr std::array<std::uint16_t, 56> kFullKatakana = {
    0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9, 0x30E3, 0x30E5, 0x30E7, 0x30C3, 0x30FC, 0x30A2, 0x30A4, 0x30A6,
    0x30A8, 0x30AA, 0x30AB, 0x30AD, 0x30AF, 0x30B1, 0x30B3, 0x30B5, 0x30B7, 0x30B9, 0x30BB, 0x30BD, 0x30BF, 0x30C1,
    0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD, 0x30CE, 0x30CF, 0x30D2, 0x30D5, 0x30D8, 0x30DB, 0x30DE,
    0x30DF, 0x30E0, 0x30E1, 0x30E2, 0x30E4, 0x30E6, 0x30E8, 0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF, 0x30F3};

// U+00C0 … U+00FF without their accents; '\0' keeps the character.
constexpr std::string_view kLatin1Base = {"AAAAAA\0CEEEEIIII\0NOOOOO\0OUUUUY\0\0aaaaaa\0ceeeeiiii\0nooooo\0ouuuuy\0y",
                                          64};

bool is_blank(char32_t c) {
  return c == ' ' || c == '\t' || c == 0xA0 || c == 0x3000 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F;
}
bool is_break(char32_t c) { return c == '\n' || c == '\r' || c == 0x0B || c == 0x0C || c == 0x85 || c == 0x2028; }
bool is_ignored(char32_t c) { return c == 0xAD || (c >= 0x200B && c <= 0x200F) || c == 0xFEFF || c == 0x2060; }
bool is_hyphen(char32_t c) {
  return c == '-' || (c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xFF0D || c == 0xFE63;
}
bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c < 0x250); }

char32_t fold_quote(char32_t c) {
  if (c == 0x2018 || c == 0x2019 || c == 0x2032 || c == 0xFF07) return '\'';
  if (c == 0x201C || c == 0x201D || c == 0xFF02) return '"';
  return c;
}

char32_t fold_width(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) return fold_quote(c == 0xFF07 || c == 0xFF02 ? c : c - 0xFEE0);
  if (c == 0xFF61) return 0x3002;
  if (c == 0xFF64) return 0x3001;
  if (c == 0xFF65) return 0x30FB;
  if (c >= 0xFF66 && c <= 0xFF9D) return kFullKatakana[c - 0xFF66];
  if (c == 0xFF9E) return kDakuten;
  if (c == 0xFF9F) return kHandakuten;
  if (c == 0x3BC) return 0xB5;  // Greek mu and the micro sign are one
  if (c == 0x2160) return 'I';
  if (c == 0x2161) return 0x2161;
  return fold_quote(c);
}

char32_t fold_accent(char32_t c) {
  if (c < 0xC0 || c > 0xFF) return c;
  const char base = kLatin1Base[c - 0xC0];
  return base == 0 ? c : static_cast<char32_t>(base);
}

// か + ゛ → が, ハ + ゜ → パ; 0 when the two make no one character.
char32_t compose(char32_t base, char32_t mark) {
  const char32_t shift = base >= 0x30A0 && base <= 0x30FF ? 0x60 : 0;
  const char32_t h = base - shift;
  if (h < 0x3041 || h > 0x3096) return 0;
  const bool ha_row = h >= 0x306F && h <= 0x307D && (h - 0x306F) % 3 == 0;
  if (mark == kHandakuten) return ha_row ? base + 2 : 0;
  if (h == 0x3046) return base + 0x4E;  // う → ゔ, ウ → ヴ
  const bool ka_to_chi = h >= 0x304B && h <= 0x3061 && (h - 0x304B) % 2 == 0;
  const bool tsu_to_to = h >= 0x3064 && h <= 0x3068 && (h - 0x3064) % 2 == 0;
  return ka_to_chi || tsu_to_to || ha_row ? base + 1 : 0;
}

class Folder {
 public:
  explicit Folder(std::string_view utf8) : in_(utf8) {
    out_.cased.reserve(utf8.size());
    out_.source.reserve(utf8.size() + 1);
  }

  Folded run() {
    for (std::size_t pos = 0; pos < in_.size();) {
      const unsigned char byte = static_cast<unsigned char>(in_[pos]);
      if (byte > ' ' && byte < 0x7F && byte != '-') {
        put_ascii(static_cast<char>(byte), pos++);
        continue;
      }
      const Decoded at = decode_at(in_, pos);
      take(at.valid ? at.code_point : kReplacement, pos, pos + at.length);
      pos += at.length;
    }
    out_.source.push_back(static_cast<std::uint32_t>(in_.size()));
    out_.lower = out_.cased;
    for (char& c : out_.lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return std::move(out_);
  }

 private:
  void put_ascii(char c, std::size_t from) {
    out_.cased.push_back(c);
    out_.source.push_back(static_cast<std::uint32_t>(from));
    last_ = static_cast<unsigned char>(c);
  }

  void put(char32_t c, std::size_t from) {
    append_utf8(c, out_.cased);
    out_.source.resize(out_.cased.size(), static_cast<std::uint32_t>(from));
    last_ = c;
  }

  void take(char32_t c, std::size_t from, std::size_t after) {
    if (is_ignored(c)) return;
    if (is_break(c)) return line_break(c, from);
    if (is_hyphen(c)) {
      const char32_t next = after < in_.size() ? decode_at(in_, after).code_point : 0;
      if (!is_letter(last_) && !is_letter(fold_width(next))) return put('-', from);
      c = ' ';
    }
    if (is_blank(c)) {
      if (last_ != ' ' && last_ != '\n') put(' ', from);
      return;
    }
    const char32_t folded = fold_accent(fold_width(c));
    if (folded == kDakuten || folded == kHandakuten) return mark(folded);
    put(folded, from);
  }

  void line_break(char32_t c, std::size_t from) {
    const bool second_half = c == '\n' && from > 0 && in_[from - 1] == '\r';
    if (second_half) return;
    std::string& out = out_.cased;
    if (out.empty()) return;
    if (out.back() == ' ') {
      out.pop_back();
      out_.source.pop_back();
    }
    if (!out.ends_with("\n\n")) put('\n', from);
    last_ = '\n';
  }

  void mark(char32_t c) {
    const char32_t whole = compose(last_, c);
    if (whole == 0) return;
    std::string bytes;
    append_utf8(whole, bytes);
    out_.cased.replace(out_.cased.size() - 3, 3, bytes);  // kana are three bytes before and after
    last_ = whole;
  }

  std::string_view in_;
  Folded out_;
  char32_t last_ = ' ';
};

}  // namespace

Decoded decode_at(std::string_view utf8, std::size_t pos) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return pos + i < utf8.size() ? static_cast<unsigned char>(utf8[pos + i]) : 0U;
  };
  const auto trail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  if (lead >= 0xC2 && lead <= 0xDF && trail(1)) return {((lead & 0x1FU) << 6) | (byte(1) & 0x3FU), 2, true};
  if (lead >= 0xE0 && lead <= 0xEF && trail(1) && trail(2)) {
    const char32_t c = ((lead & 0x0FU) << 12) | ((byte(1) & 0x3FU) << 6) | (byte(2) & 0x3FU);
    if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) return {c, 3, true};
  }
  if (lead >= 0xF0 && lead <= 0xF4 && trail(1) && trail(2) && trail(3)) {
    const char32_t c =
        ((lead & 0x07U) << 18) | ((byte(1) & 0x3FU) << 12) | ((byte(2) & 0x3FU) << 6) | (byte(3) & 0x3FU);
    if (c >= 0x10000 && c <= 0x10FFFF) return {c, 4, true};
  }
  return {kReplacement, 1, false};
}

std::size_t previous(std::string_view folded, std::size_t pos) {
  --pos;
  while (pos > 0 && (static_cast<unsigned char>(folded[pos]) & 0xC0U) == 0x80U) --pos;
  return pos;
}

WordClass word_class(char32_t c) {
  if (c < 0x80) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    return word ? WordClass::kWord : WordClass::kNone;
  }
  if ((c >= 0xC0 && c <= 0x24F && c != 0xD7 && c != 0xF7) || (c >= 0x370 && c <= 0x52F)) return WordClass::kWord;
  if ((c >= 0x30A1 && c <= 0x30FA) || c == 0x30FC) return WordClass::kKatakana;
  return WordClass::kNone;
}

void append_utf8(char32_t c, std::string& out) {
  const auto push = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0U | (c >> 6));
    push(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    push(0xE0U | (c >> 12));
    push(0x80U | ((c >> 6) & 0x3FU));
    push(0x80U | (c & 0x3FU));
  } else {
    push(0xF0U | (c >> 18));
    push(0x80U | ((c >> 12) & 0x3FU));
    push(0x80U | ((c >> 6) & 0x3FU));
    push(0x80U | (c & 0x3FU));
  }
}

Folded fold(std::string_view utf8) { return Folder(utf8.substr(0, UINT32_MAX)).run(); }

}  // namespace minato::language

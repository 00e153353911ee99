#include "format/charset/detect.h"

#include <algorithm>

#include "format/charset/evidence.h"
#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

// More than the longest sensible MSH-18; a longer one is noise.
constexpr std::size_t kDeclaredBytesMax = 64;

struct Guess {
  Encoding encoding = Encoding::kAscii;
  bool certain = false;
  bool valid = true;
};

// Text of UTF-8's shape by chance is rare: two-byte forms can be half-width kana or Latin-1 pairs, three-byte forms hardly anything.
bool surely_utf8(const Utf8Count& count) { return count.invalid == 0 && (count.longer > 0 || count.two > 1); }

// Half-width kana of Shift_JIS are the bytes A1-DF. Read as EUC-JP they give many rare kanji, and long EUC-JP text hardly ever stays
// below E0 unless it is mostly kana itself.
bool half_kana_rather_than_euc(const JapaneseEvidence& sjis, const JapaneseEvidence& euc) {
  const bool only_half_kana = sjis.half_kana >= 4 && sjis.kana + sjis.common + sjis.symbols + sjis.rare == 0;
  if (!only_half_kana || sjis.invalid != 0) return false;
  const std::size_t kanji = euc.common + euc.rare + euc.symbols;
  return euc.kana * 2 < kanji && (euc.rare * 4 >= kanji || sjis.half_kana >= 16);
}

// Bytes above 7F that are not UTF-8: Japanese in one of two encodings, or a Western language.
Guess guess_legacy(std::string_view bytes) {
  const JapaneseEvidence sjis = shift_jis_evidence(bytes);
  const JapaneseEvidence euc = euc_jp_evidence(bytes);
  const LatinEvidence latin = latin_evidence(bytes);
  const bool western = latin.letters > latin.others * 4 && sjis.lead_c1 == 0;
  if (western) return {Encoding::kIso8859_1, false, true};
  if (euc.invalid == 0 && half_kana_rather_than_euc(sjis, euc)) return {Encoding::kShiftJis, false, true};
  const bool euc_wins = euc.score() > sjis.score();
  const JapaneseEvidence& best = euc_wins ? euc : sjis;
  const JapaneseEvidence& other = euc_wins ? sjis : euc;
  if (best.score() <= 0) return {Encoding::kIso8859_1, false, true};
  const std::size_t usual = best.kana + best.common;
  const std::size_t enough = other.invalid > 0 ? 2 : 8;
  const bool clear = best.invalid == 0 && usual >= enough && best.score() > 2 * other.score();
  return {euc_wins ? Encoding::kEucJp : Encoding::kShiftJis, clear, best.invalid == 0};
}

Guess guess(std::string_view bytes) {
  if (!has_high_byte(bytes)) return {has_japanese_escape(bytes) ? Encoding::kIso2022Jp : Encoding::kAscii, true, true};
  const Utf8Count utf8 = count_utf8(bytes);
  if (utf8.invalid == 0) return {Encoding::kUtf8, surely_utf8(utf8), true};
  const Guess legacy = guess_legacy(bytes);
  // A long UTF-8 text with a character cut in half: nothing else explains the rest.
  const bool damaged_utf8 = utf8.longer + utf8.two > utf8.invalid * 8 && !(legacy.certain && legacy.valid);
  if (damaged_utf8) return {Encoding::kUtf8, false, false};
  return legacy;
}

bool names_half_kana(const Declaration& declaration) {
  std::string_view rest = declaration.msh18;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(declaration.repetition), rest.size());
    const std::string_view part = rest.substr(0, end);
    if (part.ends_with("IR13") || part.ends_with("IR14") || part.ends_with("IR 13") || part.ends_with("IR 14")) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// JIS X 0201 in eight bits: half-width kana and nothing else above 7F.
bool only_half_kana_bytes(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) {
    const auto byte = static_cast<std::uint8_t>(c);
    return byte < 0x80 || (byte >= 0xA1 && byte <= 0xDF);
  });
}

enum class Verdict { kFits, kDamaged, kLie };

Verdict fits_or(bool fits, Verdict otherwise) { return fits ? Verdict::kFits : otherwise; }

Verdict judge_single_byte(std::string_view bytes, Encoding declared) {
  if (valid_utf8(bytes) || !valid(declared, bytes)) return Verdict::kLie;
  const Guess legacy = guess_legacy(bytes);
  return fits_or(legacy.encoding == Encoding::kIso8859_1 || !legacy.certain, Verdict::kLie);
}

// Whether text that is declared to be `declared` may well be in it.
Verdict judge(std::string_view bytes, Encoding declared, const Declaration& declaration) {
  const bool high = has_high_byte(bytes);
  if (declared == Encoding::kIso2022Jp) {
    const bool possible = !high || (names_half_kana(declaration) && only_half_kana_bytes(bytes));
    return possible ? fits_or(valid(declared, bytes), Verdict::kDamaged) : Verdict::kLie;
  }
  if (!high) return fits_or(!has_japanese_escape(bytes), Verdict::kLie);
  if (declared == Encoding::kUtf8) return fits_or(valid_utf8(bytes), Verdict::kLie);
  if (declared == Encoding::kAscii) return Verdict::kLie;
  if (declared >= Encoding::kIso8859_1 && declared <= Encoding::kIso8859_15) return judge_single_byte(bytes, declared);
  if (valid_utf8(bytes) && count_utf8(bytes).longer > 0) return Verdict::kLie;
  return fits_or(valid(declared, bytes), Verdict::kLie);
}

void judge_declared(std::string_view bytes, Encoding declared, const Declaration& declaration, CharsetFinding& finding) {
  finding.used = declared;
  const Verdict verdict = judge(bytes, declared, declaration);
  if (verdict == Verdict::kFits) return;
  finding.warning = Warning::kInvalidBytes;
  if (verdict == Verdict::kDamaged) return;
  const Guess other = guess(bytes);
  if (other.encoding == declared || (!other.valid && !other.certain)) {
    finding.certain = false;
    return;
  }
  finding.used = other.encoding;
  finding.certain = other.certain;
  if (other.valid) finding.warning = Warning::kContradicted;
}

void judge_undeclared(std::string_view bytes, const Declaration& declaration, CharsetFinding& finding) {
  const std::optional<Encoding> site = declaration.undeclared_default;
  if (site && finding.warning == Warning::kNone && judge(bytes, *site, declaration) == Verdict::kFits) {
    finding.used = *site;
    return;
  }
  const Guess found = guess(bytes);
  finding.used = found.encoding;
  finding.certain = found.certain;
  if (finding.warning == Warning::kNone && found.encoding != Encoding::kAscii) finding.warning = Warning::kUndeclared;
  if (!found.valid) finding.warning = Warning::kInvalidBytes;
}

}  // namespace

CharsetFinding detect(std::string_view message, const Declaration& declaration) {
  CharsetFinding finding;
  finding.declared = declaration.msh18.substr(0, kDeclaredBytesMax);
  const std::optional<Encoding> declared = encoding_declared(declaration);
  const bool undeclared = declaration.msh18.empty() || declaration.msh18 == "\"\"";
  if (!declared) finding.warning = Warning::kUnknownName;
  const bool marked = message.starts_with("\xEF\xBB\xBF");
  if (plain_ascii(marked ? message.substr(3) : message)) {
    const Encoding usual = undeclared ? declaration.undeclared_default.value_or(*declared) : declared.value_or(Encoding::kAscii);
    finding.used = marked ? Encoding::kUtf8 : usual;
    return finding;
  }
  if (marked && valid_utf8(message)) {
    finding.used = Encoding::kUtf8;
    if (undeclared) {
      finding.warning = Warning::kUndeclared;
    } else if (declared && *declared != Encoding::kUtf8) {
      finding.warning = Warning::kContradicted;
    }
    return finding;
  }
  if (undeclared || !declared) {
    judge_undeclared(message, declaration, finding);
  } else {
    judge_declared(message, *declared, declaration, finding);
  }
  return finding;
}

}  // namespace minato::charset

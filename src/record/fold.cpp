#include "record/fold.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include <array>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace minato {
namespace {

const UNormalizer2* folding() {
  static const UNormalizer2* const instance = [] {
    UErrorCode error = U_ZERO_ERROR;
    const auto* found = unorm2_getNFKCCasefoldInstance(&error);
    return U_FAILURE(error) ? nullptr : found;
  }();
  return instance;
}

const UNormalizer2* decomposing() {
  static const UNormalizer2* const instance = [] {
    UErrorCode error = U_ZERO_ERROR;
    const auto* found = unorm2_getNFDInstance(&error);
    return U_FAILURE(error) ? nullptr : found;
  }();
  return instance;
}

std::vector<UChar> to_utf16(std::string_view utf8) {
  std::vector<UChar> text(utf8.size() + 1);
  std::int32_t length = 0;
  std::int32_t replaced = 0;
  UErrorCode error = U_ZERO_ERROR;
  u_strFromUTF8WithSub(text.data(), static_cast<std::int32_t>(text.size()), &length, utf8.data(),
                       static_cast<std::int32_t>(utf8.size()), 0xfffd, &replaced, &error);
  text.resize(U_FAILURE(error) ? 0 : static_cast<std::size_t>(length));
  return text;
}

std::vector<UChar> normalized(const UNormalizer2* form, const std::vector<UChar>& text) {
  // NFKC makes at most 18 of one (U+FDFA); 4 is enough for all but such texts, which are then done again.
  std::vector<UChar> out(text.size() * 4 + 16);
  for (int attempt = 0; attempt < 2; ++attempt) {
    UErrorCode error = U_ZERO_ERROR;
    const auto length = unorm2_normalize(form, text.data(), static_cast<std::int32_t>(text.size()), out.data(),
                                         static_cast<std::int32_t>(out.size()), &error);
    out.resize(static_cast<std::size_t>(length));
    if (error != U_BUFFER_OVERFLOW_ERROR) return out;
  }
  return {};
}

bool foreign_mark(UChar32 c) { return c >= 0x300 && c <= 0x36f; }

// Letters with a stroke or joined letters, which have no decomposition.
std::string_view plain_letters(UChar32 c) {
  static constexpr std::array<std::pair<UChar32, std::string_view>, 7> kLetters = {
      {{0xf8, "o"}, {0x142, "l"}, {0x111, "d"}, {0xe6, "ae"}, {0x153, "oe"}, {0x127, "h"}, {0x131, "i"}}};
  for (const auto& [letter, plain] : kLetters) {
    if (letter == c) return plain;
  }
  return {};
}

UChar32 as_katakana(UChar32 c) {
  const bool hiragana = (c >= 0x3041 && c <= 0x3096) || c == 0x309d || c == 0x309e;
  return hiragana ? c + 0x60 : c;
}

// The first letter of the decomposition when all else in it are marks that do not count.
UChar32 without_marks(UChar32 c) {
  std::array<UChar, 8> parts{};
  UErrorCode error = U_ZERO_ERROR;
  const auto length = unorm2_getDecomposition(decomposing(), c, parts.data(), parts.size(), &error);
  if (length < 0 || U_FAILURE(error)) return c;
  std::int32_t at = 0;
  UChar32 base = 0;
  U16_NEXT(parts.data(), at, length, base);
  while (at < length) {
    UChar32 mark = 0;
    U16_NEXT(parts.data(), at, length, mark);
    if (!foreign_mark(mark)) return c;
  }
  return base;
}

void append_utf8(std::string& out, UChar32 c) {
  std::array<std::uint8_t, 4> bytes{};
  std::int32_t length = 0;
  U8_APPEND_UNSAFE(bytes.data(), length, c);
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
}

bool counts(UChar32 c) { return u_isalnum(c) || (u_charType(c) == U_NON_SPACING_MARK && !foreign_mark(c)); }

std::string fold_ascii(std::string_view text) {
  std::string folded;
  for (const char c : ascii_lower(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) folded += c;
  }
  return folded;
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace

std::string fold_name(std::string_view utf8) {
  if (is_ascii(utf8)) return fold_ascii(utf8);
  std::string folded;
  if (folding() == nullptr || decomposing() == nullptr) return folded;  // ICU without its data: nothing compares equal
  const auto text = normalized(folding(), to_utf16(utf8));
  const auto length = static_cast<std::int32_t>(text.size());
  for (std::int32_t at = 0; at < length;) {
    UChar32 c = 0;
    U16_NEXT(text.data(), at, length, c);
    c = as_katakana(without_marks(c));
    if (const auto plain = plain_letters(c); !plain.empty()) {
      folded += plain;
    } else if (c != 0xfffd && counts(c)) {
      append_utf8(folded, c);
    }
  }
  return folded;
}

}  // namespace minato

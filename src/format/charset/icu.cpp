#include "format/charset/icu.h"

#include <unicode/ucnv.h>
#include <unicode/ucnv_err.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

struct Close {
  void operator()(UConverter* converter) const { ucnv_close(converter); }
};
struct Opened {
  const char* name;
  std::unique_ptr<UConverter, Close> converter;
};

// Strict both ways: an error stops the conversion, so that nothing is replaced without our knowing. nullptr: ICU has it
// not.
UConverter* converter_for(const char* name) {
  thread_local std::vector<Opened> opened;
  const auto known = std::ranges::find_if(opened, [&](const Opened& o) { return std::strcmp(o.name, name) == 0; });
  if (known != opened.end()) return known->converter.get();
  UErrorCode error = U_ZERO_ERROR;
  UConverter* converter = ucnv_open(name, &error);
  if (U_FAILURE(error)) converter = nullptr;
  if (converter != nullptr) {
    ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &error);
    ucnv_setFromUCallBack(converter, UCNV_FROM_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &error);
  }
  opened.push_back({name, std::unique_ptr<UConverter, Close>(converter)});
  return converter;
}

void append_utf16(const UChar* begin, const UChar* end, std::string& out) {
  while (begin < end) {
    char32_t c = *begin++;
    const bool pair = c >= 0xD800 && c < 0xDC00 && begin < end;
    if (pair) c = 0x10000 + ((c - 0xD800) << 10) + (static_cast<char32_t>(*begin++) - 0xDC00);
    append_utf8(c, out);
  }
}

}  // namespace

bool icu_decode(const char* name, std::string_view bytes, std::string& out) {
  UConverter* converter = converter_for(name);
  if (converter == nullptr) return false;
  ucnv_resetToUnicode(converter);
  std::array<UChar, 1024> units{};
  const char* source = bytes.data();
  const char* const source_end = source + bytes.size();
  bool all_valid = true;
  for (;;) {
    UChar* target = units.data();
    UErrorCode error = U_ZERO_ERROR;
    ucnv_toUnicode(converter, &target, units.data() + units.size(), &source, source_end, nullptr, 1, &error);
    append_utf16(units.data(), target, out);
    if (error == U_BUFFER_OVERFLOW_ERROR) continue;
    if (U_SUCCESS(error)) return all_valid;
    // An invalid or truncated sequence: ICU has passed it and goes on behind it.
    all_valid = false;
    append_utf8(kReplacement, out);
    ucnv_resetToUnicode(converter);
    if (source >= source_end) return false;
  }
}

char16_t icu_decode_one(const char* name, std::string_view bytes) {
  UConverter* converter = converter_for(name);
  if (converter == nullptr) return 0;
  ucnv_resetToUnicode(converter);
  std::array<UChar, 4> units{};
  UErrorCode error = U_ZERO_ERROR;
  const int length = ucnv_toUChars(converter, units.data(), static_cast<int>(units.size()), bytes.data(),
                                   static_cast<int>(bytes.size()), &error);
  return U_SUCCESS(error) && length == 1 && units[0] != 0xFFFD ? static_cast<char16_t>(units[0]) : char16_t{0};
}

bool icu_encode_one(const char* name, char32_t c, std::string& out) {
  UConverter* converter = converter_for(name);
  if (converter == nullptr) return false;
  std::array<UChar, 2> units{};
  int count = 1;
  if (c < 0x10000) {
    units[0] = static_cast<UChar>(c);
  } else {
    units = {static_cast<UChar>(0xD7C0 + (c >> 10)), static_cast<UChar>(0xDC00 + (c & 0x3FF))};
    count = 2;
  }
  std::array<char, 16> bytes{};
  UErrorCode error = U_ZERO_ERROR;
  const int length =
      ucnv_fromUChars(converter, bytes.data(), static_cast<int>(bytes.size()), units.data(), count, &error);
  if (U_FAILURE(error) || length <= 0) return false;
  out.append(bytes.data(), static_cast<std::size_t>(length));
  return true;
}

}  // namespace minato::charset

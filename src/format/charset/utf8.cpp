#include "format/charset/utf8.h"

#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace minato::charset {
namespace {

// How many bytes follow the lead byte, and the range of the first of them (RFC 3629 section 4).
struct Lead {
  unsigned follow;
  unsigned low;
  unsigned high;
};

Lead lead_of(unsigned byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

unsigned byte_at(std::string_view text, std::size_t pos) { return static_cast<std::uint8_t>(text[pos]); }

}  // namespace

char32_t next_utf8(std::string_view text, std::size_t& pos, bool& ok) {
  const unsigned first = byte_at(text, pos++);
  if (first < 0x80) return first;
  const Lead lead = lead_of(first);
  char32_t c = first & (0x3Fu >> lead.follow);
  unsigned low = lead.low;
  unsigned high = lead.high;
  for (unsigned i = 0; i < lead.follow; ++i) {
    if (pos >= text.size() || byte_at(text, pos) < low || byte_at(text, pos) > high) {
      ok = false;
      return kReplacement;
    }
    c = (c << 6) | (byte_at(text, pos++) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  if (lead.follow == 0) {
    ok = false;
    return kReplacement;
  }
  return c;
}

void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
  } else {
    if (c < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    } else {
      out.push_back(static_cast<char>(0xF0 | (c >> 18)));
      out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    }
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
  }
  out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
}

Utf8Count count_utf8(std::string_view bytes) {
  Utf8Count count;
  std::size_t pos = 0;
  while ((pos = first_non_plain(bytes, pos)) < bytes.size()) {
    const std::size_t begin = pos;
    bool ok = true;
    next_utf8(bytes, pos, ok);
    if (!ok) {
      ++count.invalid;
    } else if (pos - begin == 2) {
      ++count.two;
    } else if (pos - begin > 2) {
      ++count.longer;
    }
  }
  return count;
}

bool valid_utf8(std::string_view bytes) {
  std::size_t pos = 0;
  bool ok = true;
  while (ok && (pos = first_non_plain(bytes, pos)) < bytes.size()) next_utf8(bytes, pos, ok);
  return ok;
}

std::size_t first_non_plain(std::string_view bytes, std::size_t from) {
  std::size_t pos = from;
#if defined(__SSE2__)
  const __m128i escape = _mm_set1_epi8(0x1B);
  for (; pos + 16 <= bytes.size(); pos += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + pos));
    const int mask = _mm_movemask_epi8(_mm_or_si128(block, _mm_cmpeq_epi8(block, escape)));
    if (mask != 0) return pos + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
  }
#endif
  for (; pos < bytes.size(); ++pos) {
    if (byte_at(bytes, pos) >= 0x80 || bytes[pos] == 0x1B) return pos;
  }
  return bytes.size();
}

}  // namespace minato::charset

#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool is_blank(char c) {
  return c == '\r' || c == '\n' || c == ' ' || c == '\t' || c == '\0' || c == '\v' || c == '\f' || c == '\x1C';
}

std::size_t skip_blank(std::string_view bytes, std::size_t pos) {
  while (pos < bytes.size() && is_blank(bytes[pos])) ++pos;
  return pos;
}

std::size_t content_begin(std::string_view bytes) {
  return skip_blank(bytes, bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0);
}

std::string_view without_tail(std::string_view bytes) {
  std::size_t end = bytes.size();
  for (std::size_t pos = bytes.size(); pos > 0; --pos) {
    const char c = bytes[pos - 1];
    if (c == '\x1C' || c == '\0') {
      end = pos - 1;
    } else if (c != '\r' && c != '\n') {
      break;
    }
  }
  return bytes.substr(0, end);
}

bool segment_starts_at(std::string_view bytes, std::size_t pos, char field_separator) {
  if (pos >= bytes.size() || !is_capital(bytes[pos])) return false;
  std::size_t end = pos + 1;
  while (end < bytes.size() && end - pos < 4 && (is_capital(bytes[end]) || is_digit(bytes[end]))) ++end;
  if (end - pos < 2) return false;
  return end == bytes.size() || bytes[end] == field_separator || bytes[end] == '\r' || bytes[end] == '\n';
}

LineFeed judge_line_feed(std::string_view bytes, std::size_t pos, char field_separator) {
  std::size_t after = pos + 1;
  while (after < bytes.size() && bytes[after] == '\n') ++after;
  const bool line_end = after == bytes.size() || bytes[after] == '\r' || bytes[after] == '\x1C' || bytes[after] == '\0';
  return {line_end || segment_starts_at(bytes, after, field_separator), after};
}

std::size_t segment_end(std::string_view bytes, std::size_t pos, char field_separator) {
  while (pos < bytes.size()) {
    if (bytes[pos] == '\r') return pos;
    if (bytes[pos] == '\n') {
      const LineFeed feed = judge_line_feed(bytes, pos, field_separator);
      if (feed.ends_segment) return pos;
      pos = feed.after;
    } else {
      ++pos;
    }
  }
  return bytes.size();
}

}  // namespace minato::hl7

#include "base/json_writer.h"

#include <charconv>
#include <cmath>

#include "base/bytes.h"

namespace minato {
namespace {

// Whether the byte stands in a JSON string as it is and is whole by itself.
bool plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

void append_escape(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kDigits[byte >> 4];
  out += kDigits[byte & 15];
}

template <typename T>
void append_number(std::string& out, T number) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, number);
  out.append(text, result.ptr);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t run = i;
    while (i < text.size() && plain(text[i])) ++i;
    out.append(text, run, i - run);
    if (i == text.size()) break;
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      append_escape(out, text[i++]);
    } else if (const std::size_t bytes = utf8_sequence_bytes(text.substr(i)); bytes > 0) {
      out.append(text, i, bytes);
      i += bytes;
    } else {
      out += "\xEF\xBF\xBD";
      ++i;
    }
  }
  out += '"';
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::token(std::string_view text) {
  separate();
  out_ += text;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  separate();
  append_number(out_, number);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::signed_number(std::int64_t number) {
  separate();
  append_number(out_, number);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::unsigned_number(std::uint64_t number) {
  separate();
  append_number(out_, number);
  comma_ = true;
  return *this;
}

}  // namespace minato

#include "os/http_types.h"

#include <algorithm>

#include "base/bytes.h"

namespace minato::http {
namespace {

enum class Plus { kPlus, kSpace };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      out += *byte;
      i += 2;
    } else {
      out += text[i] == '+' && plus == Plus::kSpace ? ' ' : text[i];
    }
  }
  return out;
}

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::optional<std::string_view> find(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (ascii_iequals(key, name)) return value;
  }
  return std::nullopt;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) || c == '\t'; });
}

std::string_view reason(int status) {
  static constexpr std::pair<int, std::string_view> kReasons[] = {{100, "Continue"},
                                                                  {101, "Switching Protocols"},
                                                                  {200, "OK"},
                                                                  {201, "Created"},
                                                                  {202, "Accepted"},
                                                                  {203, "Non-Authoritative Information"},
                                                                  {204, "No Content"},
                                                                  {205, "Reset Content"},
                                                                  {206, "Partial Content"},
                                                                  {300, "Multiple Choices"},
                                                                  {301, "Moved Permanently"},
                                                                  {302, "Found"},
                                                                  {303, "See Other"},
                                                                  {304, "Not Modified"},
                                                                  {307, "Temporary Redirect"},
                                                                  {308, "Permanent Redirect"},
                                                                  {400, "Bad Request"},
                                                                  {401, "Unauthorized"},
                                                                  {402, "Payment Required"},
                                                                  {403, "Forbidden"},
                                                                  {404, "Not Found"},
                                                                  {405, "Method Not Allowed"},
                                                                  {406, "Not Acceptable"},
                                                                  {407, "Proxy Authentication Required"},
                                                                  {408, "Request Timeout"},
                                                                  {409, "Conflict"},
                                                                  {410, "Gone"},
                                                                  {411, "Length Required"},
                                                                  {412, "Precondition Failed"},
                                                                  {413, "Content Too Large"},
                                                                  {414, "URI Too Long"},
                                                                  {415, "Unsupported Media Type"},
                                                                  {416, "Range Not Satisfiable"},
                                                                  {417, "Expectation Failed"},
                                                                  {421, "Misdirected Request"},
                                                                  {422, "Unprocessable Content"},
                                                                  {426, "Upgrade Required"},
                                                                  {428, "Precondition Required"},
                                                                  {429, "Too Many Requests"},
                                                                  {431, "Request Header Fields Too Large"},
                                                                  {500, "Internal Server Error"},
                                                                  {501, "Not Implemented"},
                                                                  {502, "Bad Gateway"},
                                                                  {503, "Service Unavailable"},
                                                                  {504, "Gateway Timeout"},
                                                                  {505, "HTTP Version Not Supported"},
                                                                  {507, "Insufficient Storage"}};
  for (const auto& [code, text] : kReasons) {
    if (code == status) return text;
  }
  return {};
}

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, Plus::kPlus); }
std::optional<std::string> form_decode(std::string_view text) { return decode(text, Plus::kSpace); }

std::string percent_encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace minato::http

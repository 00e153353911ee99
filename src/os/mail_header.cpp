#include "os/mail_header.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/bytes.h"
#include "os/base64_lines.h"

namespace minato {
namespace {

constexpr std::size_t kColumnsMax = 76;
constexpr std::size_t kEncodedWordMax = 75;  // RFC 2047 section 2
constexpr std::string_view kWordStart = "=?UTF-8?B?";
constexpr std::string_view kWordEnd = "?=";
constexpr std::size_t kLocalPartMax = 64;
constexpr std::size_t kAddressMax = 254;
constexpr std::size_t kMessageIdMax = 250;
constexpr std::size_t kParameterPieceMax = 50;

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_atext(char c) { return alphanumeric(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c); }

bool is_dot_atom(std::string_view text) {
  const auto parts = split(text, '.');
  return std::ranges::all_of(parts, [](auto part) { return !part.empty() && std::ranges::all_of(part, is_atext); });
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; }) && !text.contains("=?");
}

bool is_domain(std::string_view domain) {
  const auto labels = split(domain, '.');
  return std::ranges::all_of(labels, [](auto label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return alphanumeric(c) || c == '-'; });
  });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// RFC 2231 section 7: attribute characters stand as they are.
std::string extended(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (alphanumeric(c) || c == '.' || c == '-' || c == '_') {
      out += c;
    } else {
      char escape[4];
      std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    }
  }
  return out;
}

// How much of `utf8` fits into `bytes`, cut between characters.
std::size_t whole_characters(std::string_view utf8, std::size_t bytes) {
  std::size_t taken = 0;
  while (taken < utf8.size()) {
    const std::size_t next = std::max<std::size_t>(1, utf8_sequence_bytes(utf8.substr(taken)));
    if (taken + next > bytes) break;
    taken += next;
  }
  return taken;
}

}  // namespace

MailHeader::MailHeader(std::string_view name) : out_(std::string(name) + ":"), column_(out_.size()) {}

void MailHeader::fold() {
  out_ += "\r\n";
  column_ = 0;
}

void MailHeader::piece(std::string_view ascii) {
  if (column_ + 1 + ascii.size() > kColumnsMax && column_ > 1) fold();
  out_ += ' ';
  out_ += ascii;
  column_ += 1 + ascii.size();
}

void MailHeader::text(std::string_view utf8) {
  // Spaces that a reader of folded lines could drop are kept by encoding them.
  const bool even = !utf8.starts_with(' ') && !utf8.ends_with(' ') && !utf8.contains("  ");
  if (!is_plain(utf8) || !even) return encoded_words(utf8);
  for (const auto word : split(utf8, ' ')) piece(word);
}

void MailHeader::phrase(std::string_view utf8) {
  if (!is_plain(utf8)) return encoded_words(utf8);
  const bool atoms = std::ranges::all_of(utf8, [](char c) { return is_atext(c) || c == ' '; });
  piece(atoms ? std::string(utf8) : quoted(utf8));
}

// The white space between neighbouring words is not part of the text (RFC 2047 section 6.2), so words may be cut
// anywhere between characters.
void MailHeader::encoded_words(std::string_view utf8) {
  const std::size_t frame = kWordStart.size() + kWordEnd.size();
  while (!utf8.empty()) {
    std::size_t room = kColumnsMax - std::min(kColumnsMax, column_ + 1);
    if (room < frame + 8) {
      fold();
      room = kColumnsMax - 1;
    }
    const std::size_t bytes = (std::min(room, kEncodedWordMax) - frame) / 4 * 3;
    const std::size_t taken = whole_characters(utf8, bytes);
    piece(std::string(kWordStart) + base64(utf8.substr(0, taken)) + std::string(kWordEnd));
    utf8.remove_prefix(taken);
  }
}

void MailHeader::parameter(std::string_view name, std::string_view utf8) {
  out_ += ';';
  ++column_;
  if (is_plain(utf8) && utf8.size() <= kParameterPieceMax) return piece(std::string(name) + "=" + quoted(utf8));
  std::string rest = "UTF-8''" + extended(utf8);
  if (rest.size() <= kParameterPieceMax) return piece(std::string(name) + "*=" + rest);
  for (int i = 0; !rest.empty(); ++i) {
    std::size_t taken = std::min(rest.size(), kParameterPieceMax);
    // Not within an escape.
    const auto escape = rest.rfind('%', taken - 1);
    if (taken < rest.size() && escape != std::string::npos && escape + 3 > taken) taken = escape;
    const bool last = taken == rest.size();
    piece(std::string(name) + "*" + std::to_string(i) + "*=" + rest.substr(0, taken) + (last ? "" : ";"));
    rest.erase(0, taken);
  }
}

std::string MailHeader::finish() { return out_ + "\r\n"; }

Result<std::string> checked_address(std::string_view address) {
  const auto at = address.rfind('@');
  const std::string_view local = address.substr(0, at);
  if (at == std::string_view::npos || local.empty() || local.size() > kLocalPartMax || address.size() > kAddressMax ||
      !is_domain(address.substr(at + 1)) ||
      !std::ranges::all_of(local, [](char c) { return is_atext(c) || c == '.'; })) {
    return fail(Errc::kRefused, "mail: a malformed address");
  }
  if (is_dot_atom(local)) return std::string(address);
  return quoted(local) + std::string(address.substr(at));
}

bool is_message_id(std::string_view text) {
  if (text.size() > kMessageIdMax || !text.starts_with('<') || !text.ends_with('>')) return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  const auto at = inner.find('@');
  return at != std::string_view::npos && is_dot_atom(inner.substr(0, at)) && is_dot_atom(inner.substr(at + 1));
}

std::string mail_date(Time date, int offset_minutes) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Time local = date + std::chrono::minutes(offset_minutes);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day ymd(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(local - day));
  const int offset = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  char out[64];
  std::snprintf(out, sizeof out, "%s, %u %s %d %02d:%02d:%02d %c%02d%02d",
                kDays[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(ymd.day()),
                kMonths[static_cast<unsigned>(ymd.month()) - 1], static_cast<int>(ymd.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
  return out;
}

}  // namespace minato

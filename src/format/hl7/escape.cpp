#include "format/hl7/escape.h"

#include <algorithm>

#include "format/charset/scan.h"

namespace minato::hl7 {
namespace {

// \.sp n\ and \.sk n\ beyond any layout are hostile.
constexpr unsigned kLayoutCountMax = 1000;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool append_hex(std::string_view digits, std::string& out) {
  if (digits.empty() || digits.size() % 2 != 0) return false;
  if (std::ranges::any_of(digits, [](char c) { return hex_value(c) < 0; })) return false;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    out.push_back(static_cast<char>(hex_value(digits[i]) * 16 + hex_value(digits[i + 1])));
  }
  return true;
}

// "3", "+3", " 3", "<3>": the count of a layout command; 1 when there is none. False: it is no number.
bool read_count(std::string_view text, unsigned& count) {
  count = 0;
  bool digits = false;
  for (const char c : text) {
    if (c == ' ' || c == '+' || c == '-' || c == '<' || c == '>') continue;
    if (c < '0' || c > '9') return false;
    count = std::min(count * 10 + static_cast<unsigned>(c - '0'), kLayoutCountMax);
    digits = true;
  }
  if (!digits) count = 1;
  return true;
}

// Formatting commands of FT (HL7 v2.5.1 section 2.7.6), `command` without its dot.
bool append_layout(std::string_view command, std::string& out) {
  unsigned count = 0;
  if (command.size() < 2 || !read_count(command.substr(2), count)) return false;
  const std::string_view verb = command.substr(0, 2);
  if (verb == "br" || verb == "BR" || verb == "ce" || verb == "CE") {
    out.push_back('\n');
  } else if (verb == "sp" || verb == "SP") {
    out.append(count, '\n');
  } else if (verb == "sk" || verb == "SK") {
    out.append(count, ' ');
  } else {
    return verb == "in" || verb == "ti" || verb == "fi" || verb == "nf" || verb == "IN" || verb == "TI" ||
           verb == "FI" || verb == "NF";
  }
  return true;
}

bool append_delimiter(char letter, const Delimiters& d, std::string& out) {
  char c = 0;
  switch (letter) {
    case 'F':
      c = d.field;
      break;
    case 'S':
      c = d.component;
      break;
    case 'T':
      c = d.subcomponent;
      break;
    case 'R':
      c = d.repetition;
      break;
    case 'E':
      c = d.escape;
      break;
    case 'P':
      c = d.truncation;
      break;
    case 'H':
    case 'N':
      return true;  // highlighting on and off
    default:
      return false;
  }
  if (c != 0) out.push_back(c);
  return c != 0;
}

// The bytes that a sequence stands for; false: it is none that we know.
bool append_sequence(std::string_view body, const Delimiters& d, std::string& out) {
  if (body.empty()) return false;
  if (body.size() == 1) return append_delimiter(body[0], d, out);
  if (body[0] == 'X') return append_hex(body.substr(1), out);
  if (body[0] == '.') return append_layout(body.substr(1), out);
  return false;
}

// \Cxxyy\ and \Mxxyyzz\ become the ISO 2022 escapes that they stand for.
std::string with_iso2022_switches(std::string_view raw, char escape) {
  std::string out;
  std::size_t copied = 0;
  for (std::size_t pos = raw.find(escape); pos != std::string_view::npos; pos = raw.find(escape, pos)) {
    const charset::Designation found = charset::hl7_designation_at(raw, pos, escape);
    if (found.length == 0) {
      ++pos;
      continue;
    }
    out.append(raw.substr(copied, pos - copied));
    out.push_back('\x1B');
    append_hex(raw.substr(pos + 2, found.length - 3), out);
    pos += found.length;
    copied = pos;
  }
  out.append(raw.substr(copied));
  return out;
}

// Resolves sequences on the bytes; an escape character inside a multi-byte character is none.
std::string unescaped(std::string_view raw, const TextCoding& coding) {
  const char escape = coding.delimiters.escape;
  charset::Scanner scanner(coding.encoding, raw, 0);
  const charset::ByteSet wanted{escape};
  std::string out;
  out.reserve(raw.size());
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t copied = 0;
  std::size_t opened = kNone;
  while (scanner.next(wanted)) {
    const std::size_t here = scanner.position();
    if (opened == kNone) {
      opened = here;
      continue;
    }
    out.append(raw.substr(copied, opened - copied));
    copied = opened;
    const bool known = append_sequence(raw.substr(opened + 1, here - opened - 1), coding.delimiters, out);
    if (known) copied = here + 1;
    opened = known ? kNone : here;  // what closes no sequence may open the next
  }
  out.append(raw.substr(copied));
  return out;
}

// Most values are a few plain characters; one look settles it for them.
constexpr std::size_t kShortBytes = 64;

bool says_what_it_is(std::string_view raw, char escape) {
  bool plain = true;
  for (const char c : raw) plain = plain && static_cast<signed char>(c) >= 0 && c != '\x1B' && c != escape;
  return plain;
}

char letter_for(char c, const Delimiters& d) {
  if (c == 0) return 0;
  if (c == d.field) return 'F';
  if (c == d.component) return 'S';
  if (c == d.subcomponent) return 'T';
  if (c == d.repetition) return 'R';
  if (c == d.escape) return 'E';
  if (c == d.truncation) return 'P';
  return 0;
}

void append_hex_sequence(char c, char escape, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(c);
  out.push_back(escape);
  out.push_back('X');
  out.push_back(kDigits[byte >> 4]);
  out.push_back(kDigits[byte & 15]);
  out.push_back(escape);
}

bool needs_escape(char c, const Delimiters& d) { return static_cast<unsigned char>(c) < 0x20 || letter_for(c, d) != 0; }

// UTF-8 in, UTF-8 out: every delimiter is ASCII. npos in `stopped`: all was written.
std::string escaped(std::string_view utf8, const Delimiters& d, std::size_t& stopped) {
  std::string out;
  out.reserve(utf8.size() + 16);
  stopped = std::string_view::npos;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const char c = utf8[i];
    if (!needs_escape(c, d)) {
      out.push_back(c);
    } else if (d.escape == 0) {
      stopped = std::min(stopped, i);
      out.push_back('?');
    } else if (const char letter = letter_for(c, d); letter != 0) {
      out.append({d.escape, letter, d.escape});
    } else if (c == '\n') {
      out.append({d.escape, '.', 'b', 'r', d.escape});
    } else if (c != '\r' || i + 1 >= utf8.size() || utf8[i + 1] != '\n') {
      append_hex_sequence(c, d.escape, out);
    }
  }
  return out;
}

}  // namespace

std::string decode_text(std::string_view raw, const TextCoding& coding) {
  const char escape = coding.delimiters.escape;
  if (raw.size() <= kShortBytes && says_what_it_is(raw, escape)) return std::string(raw);
  if (escape == 0 || raw.find(escape) == std::string_view::npos) return charset::decode(coding.encoding, raw);
  if (coding.encoding != charset::Encoding::kIso2022Jp) return charset::decode(coding.encoding, unescaped(raw, coding));
  return charset::decode(coding.encoding, unescaped(with_iso2022_switches(raw, escape), coding));
}

Result<std::string> encode_text(std::string_view utf8, const TextCoding& coding) {
  std::size_t stopped = 0;
  const std::string text = escaped(utf8, coding.delimiters, stopped);
  if (stopped != std::string_view::npos) {
    return fail(Errc::kRefused, "the character at byte " + std::to_string(stopped) +
                                    " must be escaped and MSH-2 names no escape character");
  }
  return charset::encode(coding.encoding, text);
}

std::string encode_text_lossy(std::string_view utf8, const TextCoding& coding) {
  std::size_t stopped = 0;
  return charset::encode_lossy(coding.encoding, escaped(utf8, coding.delimiters, stopped));
}

}  // namespace minato::hl7

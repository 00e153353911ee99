#include "format/hl7/header.h"

#include "format/charset/scan.h"
#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

// What MSH begins with at least: its id and MSH-1.
constexpr std::size_t kMshStart = 4;

// Splits MSH on the bytes. True: a byte above 7F or an ESC is in it, so the split must be repeated once the character
// set is known.
bool split_plain(std::string_view bytes, Header& header) {
  bool marked = false;
  const char separator = bytes[header.offset + 3];
  std::size_t number = 2;
  std::size_t begin = header.offset + kMshStart;
  for (std::size_t pos = begin;; ++pos) {
    const bool at_end = pos >= bytes.size() || bytes[pos] == '\r' ||
                        (bytes[pos] == '\n' && judge_line_feed(bytes, pos, separator).ends_segment);
    if (at_end || bytes[pos] == separator) {
      if (number < Header::kFieldsMax) header.fields[number] = bytes.substr(begin, pos - begin);
      ++number;
      begin = pos + 1;
    }
    if (at_end) {
      header.end = pos;
      return marked;
    }
    marked = marked || bytes[pos] == '\x1B' || static_cast<unsigned char>(bytes[pos]) >= 0x80;
  }
}

void split_encoded(std::string_view bytes, charset::Encoding encoding, Header& header) {
  const std::string_view msh = bytes.substr(0, header.end);
  charset::Scanner scanner(encoding, msh, header.delimiters.escape, header.offset + kMshStart);
  const charset::ByteSet separators{header.delimiters.field};
  header.fields.fill({});
  header.fields[1] = bytes.substr(header.offset + 3, 1);
  std::size_t begin = header.offset + kMshStart;
  for (std::size_t number = 2; number < Header::kFieldsMax; ++number) {
    const bool more = scanner.next(separators);
    header.fields[number] = bytes.substr(begin, scanner.position() - begin);
    if (!more) return;
    begin = scanner.position() + 1;
  }
}

bool starts_with_msh(std::string_view bytes, std::size_t offset) {
  return bytes.size() >= offset + kMshStart && bytes.substr(offset, 3) == "MSH";
}

}  // namespace

std::string_view Header::component(std::size_t field, std::size_t number) const {
  if (field >= kFieldsMax || number == 0) return {};
  const std::string_view whole = fields[field];
  charset::Scanner scanner(charset.used, whole, delimiters.escape);
  const charset::ByteSet ends{delimiters.component, delimiters.repetition};
  std::size_t begin = 0;
  for (std::size_t n = 1;; ++n) {
    const bool more = scanner.next(ends);
    const std::size_t here = scanner.position();
    if (n == number) return whole.substr(begin, here - begin);
    if (!more || whole[here] == delimiters.repetition) return {};
    begin = here + 1;
  }
}

Result<Header> peek_header(std::string_view received, const PeekOptions& options) {
  const std::string_view bytes = without_tail(received);
  Header header;
  header.offset = content_begin(bytes);
  if (!starts_with_msh(bytes, header.offset)) return fail(Errc::kRefused, "no MSH segment at the start");
  const bool marked = split_plain(bytes, header);
  header.fields[1] = bytes.substr(header.offset + 3, 1);
  MN_TRY(delimiters, parse_delimiters(bytes[header.offset + 3], header.fields[2]));
  header.delimiters = delimiters;
  header.present = true;
  // MSH-3 … MSH-6 may hold kanji before MSH-18 has named their set: ISO 2022 shows itself, the others are found by
  // reading all.
  if (marked) split_encoded(bytes, charset::Encoding::kIso2022Jp, header);
  header.charset = charset::detect(bytes, {.msh18 = header.fields[18],
                                           .msh20 = header.fields[20],
                                           .repetition = delimiters.repetition,
                                           .undeclared_default = options.undeclared_default});
  if (marked) split_encoded(bytes, header.charset.used, header);
  return header;
}

}  // namespace minato::hl7

// Character sets: UTF-8 comes out of any bytes, valid() agrees with it, what was valid survives a round trip.
// links: minato_charset
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "format/charset/charset.h"
#include "format/charset/detect.h"
#include "format/charset/scan.h"

namespace {

using namespace minato;
using namespace minato::charset;

void require(bool holds) {
  if (!holds) std::abort();
}

// In valid text the scanner sees exactly the delimiters that the decoded text has.
void scan_agrees(Encoding encoding, std::string_view bytes, std::string_view text) {
  for (const char delimiter : {'|', '^', '&', '\r'}) {
    Scanner scanner(encoding, bytes, 0);
    std::ptrdiff_t found = 0;
    while (scanner.next(ByteSet{delimiter})) ++found;
    require(found == std::count(text.begin(), text.end(), delimiter));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto encoding = static_cast<Encoding>(data[0] % (static_cast<int>(Encoding::kCns11643) + 1));
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string text;
  const bool ok = decode_to(encoding, bytes, text);
  require(valid(Encoding::kUtf8, text));
  require(valid(encoding, bytes) == ok);
  if (ok) scan_agrees(encoding, bytes, text);
  // What could be written reads the same for ever after. The first time a twin may come back (YEN SIGN as its
  // full-width form).
  const Result<std::string> written = encode(encoding, text);
  if (written) {
    const std::string once = decode(encoding, *written);
    require(valid(encoding, *written));
    require(decode(encoding, encode(encoding, once).value()) == once);
  }

  const ByteSet delimiters{'|', '^', '~', '\\', '&', '\r'};
  Scanner scanner(encoding, bytes, '\\');
  std::size_t last = 0;
  bool first = true;
  while (scanner.next(delimiters)) {
    require(first || scanner.position() > last);
    require(scanner.position() < bytes.size() && delimiters.has(bytes[scanner.position()]));
    last = scanner.position();
    first = false;
  }
  require(scanner.position() == bytes.size());

  const std::string_view names[] = {"",          "~ISO IR87",         "UNICODE UTF-8", "8859/1",
                                    "Shift_JIS", "ISO IR14~ISO IR13", "GB 18030-2000", "?"};
  const CharsetFinding finding = detect(bytes, {.msh18 = names[data[0] / 32]});
  decode(finding.used, bytes);
  return 0;
}

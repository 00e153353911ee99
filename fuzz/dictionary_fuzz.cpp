// Any bytes as clinical text: spans stay inside the text, in order, and never overlap.
// links: minato_language
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "language/dictionary.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t last = 0;
  for (const minato::language::Finding& finding :
       minato::language::builtin_dictionary()->extract(text, minato::language::Language::kUnknown)) {
    if (finding.span.begin < last || finding.span.end <= finding.span.begin || finding.span.end > size) std::abort();
    if (finding.dose_span.begin > finding.dose_span.end || finding.dose_span.end > size) std::abort();
    last = finding.span.end;
  }
  return 0;
}

// Registry imports and changes: what is accepted must come back from an export, and nothing may crash.
// links: minato_record
#include <cstdlib>

#include "record/csv.h"
#include "record/fold.h"
#include "record/patients.h"
#include "record/providers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto rows = minato::parse_csv(text)) {
    std::string written;
    for (const auto& row : *rows) minato::append_csv_row(written, row.fields);
    const auto again = minato::parse_csv(written);
    // A row of one empty field is an empty line, which is left out.
    if (!again || again->size() > rows->size()) std::abort();
  }
  if (const auto providers = minato::parse_provider_csv(text)) {
    const auto again = minato::parse_provider_csv(minato::provider_csv(*providers));
    if (!again || *again != *providers) std::abort();
  }
  (void)minato::parse_patient_csv(text);
  (void)minato::check_patient_change(text);
  (void)minato::parse_provider_json(text);
  (void)minato::fold_name(text);
  return 0;
}

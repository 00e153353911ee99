// Any bytes as the answer of a patient master, in HL7 v2 and in FHIR.
// links: minato_flow
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/limits.h"
#include "flow/pix_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace minato;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const MasterQuery query{{"1.2.3", "100"}, "Q1", "20261124"};
  MasterOptions options;
  options.domain_aliases = {{"1.2.3", "HOSP"}};
  (void)read_pix_answer(bytes, query, options);
  const auto people = read_pdq_answer(bytes, query, options);
  if (people && people->size() > kMasterPeopleMax) std::abort();
  (void)read_pixm_answer(bytes, options);
  const auto patients = read_pdqm_answer(bytes, options);
  if (patients && patients->size() > kMasterPeopleMax) std::abort();
  return 0;
}

// The questions to a patient master and its answers, as HL7 v2 (IHE ITI TF-2 3.9 and 3.21) and as FHIR (ITI-83,
// ITI-78). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "flow/pix.h"

namespace minato {

struct MasterQuery {
  Identifier identifier;
  std::string control_id;  // MSH-10, and QPD-2
  std::string time_dtm;    // MSH-7
};

// QBP^Q23 and QBP^Q22, v2.5, UTF-8. kRefused: an identifier that no message can carry.
Result<std::string> pix_query(const MasterQuery& query, const MasterOptions& options);
Result<std::string> pdq_query(const MasterQuery& query, const MasterOptions& options);

// RSP^K23: PID-3 of the answer. Empty: unknown (QAK-2 NF, or AE with ERR-3 204). kRefused: AE, AR for another reason.
// kRetry: the answer is to another question, or no answer at all.
Result<std::vector<Identifier>> read_pix_answer(std::string_view bytes, const MasterQuery& query,
                                                const MasterOptions& options);
// RSP^K22: each PID of the answer, at most kMasterPeopleMax.
Result<std::vector<MasterPerson>> read_pdq_answer(std::string_view bytes, const MasterQuery& query,
                                                  const MasterOptions& options);

// kRefused: no FHIR system is configured for the identifier's domain.
Result<std::string> pixm_url(const Identifier& identifier, const MasterOptions& options);
Result<std::string> pdqm_url(const Identifier& identifier, const MasterOptions& options);
// Bodies of 200 answers: Parameters, and a searchset Bundle of Patients. kRetry: something else.
Result<std::vector<Identifier>> read_pixm_answer(std::string_view json, const MasterOptions& options);
Result<std::vector<MasterPerson>> read_pdqm_answer(std::string_view json, const MasterOptions& options);

}  // namespace minato

// Asking a hospital's patient master who somebody is: PIX and PDQ in HL7 v2 (QBP^Q23 → RSP^K23, QBP^Q22 → RSP^K22 over
// MLLP; IHE ITI TF-2 3.9, 3.21) or as FHIR (PIXm ITI-83 Patient/$ihe-pix, PDQm ITI-78 search).
//
//   MN_TRY(master, make_patient_master(options, clock));
//   MN_TRY(known, master->identifiers({"2.16.840.1.113883.3.1", "12345"}));   // the same person in other domains
//   MN_TRY(people, master->people({"2.16.840.1.113883.3.1", "12345"}));       // demographics
//
// Each question has a deadline, answers (also "unknown") are kept for a while in a bounded cache, and a circuit breaker
// leaves a master that does not answer alone. The master is asked, never told. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "flow/breaker.h"
#include "os/clock.h"
#include "os/http_client.h"
#include "os/tls.h"
#include "record/identity.h"

namespace minato {

struct MasterPerson {
  std::vector<Identifier> identifiers;
  Demographics demographics;
};

class PatientMaster {
 public:
  virtual ~PatientMaster() = default;
  // All identifiers of the person, the one asked for left out; empty: the master does not know it, or knows no other
  // one. Errors: kRetry, kUnavailable (breaker open): no answer; kRefused: the master refused the question.
  virtual Result<std::vector<Identifier>> identifiers(const Identifier& of) = 0;
  // Who has the identifier; empty: nobody. At most kMasterPeopleMax.
  virtual Result<std::vector<MasterPerson>> people(const Identifier& with) = 0;
};

enum class MasterKind : std::uint8_t { kNone, kHl7v2, kFhir };

struct MasterOptions {
  MasterKind kind = MasterKind::kNone;
  // kHl7v2: one MLLP port for both questions.
  std::string host = {};
  std::uint16_t port = 0;
  std::shared_ptr<const TlsClientContext> tls = {};                         // null: plain
  std::string application = "MINATO", facility = "MINATO";                  // MSH-3, MSH-4
  std::string master_application = "PIX_MANAGER", master_facility = "PIX";  // MSH-5, MSH-6
  // kFhir: the base ("https://mpi.example/fhir").
  std::string url = {}, ca_file = {}, certificate_file = {}, key_file = {};
  std::string bearer_token = {};
  std::map<std::string, std::string> domain_systems = {};  // Identifier::domain → FHIR system; an OID needs no entry
  // Both.
  std::map<std::string, std::string> domain_aliases = {};  // what the master calls a domain → what we call it
  std::chrono::milliseconds timeout{2'000};                // for one question, connecting included
  std::chrono::seconds cache_for{300};
  std::chrono::seconds cache_unknown_for{30};  // shorter: a new patient is announced to the master soon
  std::size_t cache_entries_max = 10'000;
  BreakerOptions breaker = {};
};

// Null for kNone. kRefused: host, port or URL missing.
Result<std::unique_ptr<PatientMaster>> make_patient_master(const MasterOptions& options, Clock& clock);

}  // namespace minato

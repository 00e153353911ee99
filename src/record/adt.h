// From an HL7 v2 message to the words of this folder. Reads only; decides nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "format/hl7/message.h"
#include "record/patients.h"

namespace minato {

// How one feed writes identifiers and times.
struct FeedRules {
  std::string source = {};                                 // the feed's name, for the history
  std::string default_domain = {};                         // of identifiers without an assigning authority
  std::map<std::string, std::string> domain_aliases = {};  // namespace or universal id → domain
  int utc_offset_minutes = 540;                            // of times without a zone
};

// The patient events of an ADT message: one for each PID with its MRG in A40 and A34 (HL7 v2.5.1 section 3.3.40 repeats
// them), one for both PIDs of A24 and A37, one otherwise. Empty: no ADT message, or no PID.
std::vector<PatientEvent> read_patient_events(const hl7::Message& message, const FeedRules& rules, Time received);

// The patient that any message is about: its first PID.
PatientClaim read_patient_claim(const hl7::Message& message, const FeedRules& rules);

// Every provider that the message names: PD1-4, PV1-7, PV1-8, PV1-9, PV1-17, and ROL.
std::vector<ProviderClaim> read_provider_claims(const hl7::Message& message, const FeedRules& rules);

// What the message index wants to know.
struct MessageIds {
  std::vector<std::string> patient_ids = {};    // PID-2, 3, 4 and MRG-1 values of all patients in it
  std::vector<std::string> encounter_ids = {};  // PV1-19, PID-18
  std::vector<std::string> order_ids = {};      // ORC-2, ORC-3, OBR-2, OBR-3, OBR-18
};
MessageIds read_message_ids(const hl7::Message& message);

}  // namespace minato

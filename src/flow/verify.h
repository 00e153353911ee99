// The guard in front of every mail: a message may cause one only when its patient is the registry's (or the external
// master's) and every mail address in it is the registry's address of the very provider that it names. So a message
// that somebody slipped in cannot send patient data to an address of its choice, nor about a patient of its choosing.
//
//   MN_TRY(verdict, verify(message, {patients, providers, master}, options));
//   if (verdict.kind == VerdictKind::kRejected) park(verdict.reason, verdict.detail);
//
// What is compared
// - Patient: PatientRegistry::verify() says kMatch (identifiers in PID-3 and demographics, record/patients.h). Every
// PID of the message
//   is held to it, so a second one cannot ride along. An identifier that was merged away counts as the
//   survivor's; with it the demographics of the merged one count too, since messages in flight and senders that have
//   not heard of the merge still carry them.
// - Addresses: in PD1-4, PV1-7, PV1-8, PV1-9, PV1-17 and ROL-4, ROL-12 every repetition of every occurrence is
// read. Whatever holds an
//   "@" (or a full-width or other look-alike of it) there must be, whole and byte for byte but for ASCII case, a mail
//   address of the provider that the repetition names: sub-components, blanks, plus-addressing, comments and look-alike
//   letters do not match. One bad address rejects the message, however many good ones stand beside it.
// - Providers named by identifier only: a contradiction (the name is another's, the identifier is ambiguous) rejects;
// an identifier that
//   the registry does not know is merely nobody to write to, as referring doctors from elsewhere are.
// - The mail itself goes to the registry's first address of the provider, never to text out of the message.
//
// A message without PID (MFN, QBP, ACK, schedules of rooms …) is kNoPatient: nothing is verified and nobody is told;
// routes may still pass it on. So is one whose PIDs are all empty of identifiers *and* names when its type needs no
// patient (VerifyOptions::patient_optional).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/hl7/message.h"
#include "record/adt.h"
#include "record/patients.h"
#include "record/providers.h"

namespace minato {

class PatientMaster;

// Words that stand in the journal and in dead letters.
enum class Rejection : std::uint8_t {
  kNone,
  kPatientUnknown,       // "patient-unknown": no identifier is in the registry, nor with the master
  kPatientMismatch,      // "patient-mismatch": identifiers of different patients, or demographics that contradict
  kPatientUnproven,      // "patient-unproven": the identifier is known, but neither a full name nor birth date stands
                         // beside it
  kPatientNoIdentifier,  // "patient-no-identifier": PID-3 is empty
  kAddressMismatch,      // "address-mismatch": a mail address is not the registry's of that provider
  kProviderMismatch,     // "provider-mismatch": a provider's identifier and name contradict, or several share the
                         // identifier
};
std::string_view name(Rejection rejection);

struct VerifyOptions {
  FeedRules feed = {};  // how this message's sender writes identifiers
  // Message types ("SIU", "MDM" …) for which an empty PID means that there is no patient, instead of a rejection.
  std::vector<std::string> patient_optional = {"MFN", "MFK", "NMD", "NMQ", "SIU", "SRM", "ACK", "MCF"};
};

struct VerifyViews {
  PatientRegistry& patients;
  ProviderRegistry& providers;
  PatientMaster* master = nullptr;  // asked when the registry knows no identifier; null: nobody
};

enum class VerdictKind : std::uint8_t { kVerified, kNoPatient, kRejected };

struct VerifiedProvider {
  ProviderId provider;
  std::vector<ProviderRole> roles;  // in the message, each once
};

struct Verification {
  VerdictKind kind = VerdictKind::kNoPatient;
  Rejection rejection = Rejection::kNone;
  std::string detail;                // of a rejection, for a person: what was compared and why it failed; no values
  std::vector<hl7::Location> where;  // of a rejection: the fields
  // When verified:
  PatientId patient;      // the surviving one; 0: known to the master only
  Identifier identifier;  // the first of the message that is known; a stable name for the patient when `patient` is 0
  Demographics demographics;  // the registry's or the master's, never the message's
  bool notifications_refused = false;
  std::vector<VerifiedProvider> providers;       // active ones, each once, in the order of the message
  std::vector<hl7::Location> unknown_providers;  // named by an identifier that the registry has not
};

// Errors are those of the registries' database and of the master (kRetry, kUnavailable): nothing was decided, try
// again.
Result<Verification> verify(const hl7::Message& message, const VerifyViews& views, const VerifyOptions& options);

// "address-mismatch at PD1[1]-4[1].1: no provider has this address"
std::string describe(const Verification& verdict);
// The same without the reason's word, for a dead letter that has it already: "PD1[1]-4[1].1: no provider has this
// address".
std::string explain(const Verification& verdict);

}  // namespace minato

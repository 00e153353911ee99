// What each ADT trigger event does to the registry (HL7 v2.5.1 chapter 3).
#pragma once

#include <cstdint>
#include <string_view>

namespace minato {

enum class PatientAction : std::uint8_t {
  kNone,              // recorded only
  kUpdate,            // demographics, and what VisitAction says
  kMerge,             // A18 A30 A34 A36 A39 A40: the MRG patient becomes the PID patient
  kChangeIdentifier,  // A46 A47: the MRG patient is from now on also known as PID-3 says
  kLink,              // A24
  kUnlink,            // A37
};

enum class VisitAction : std::uint8_t {
  kNone,
  kAdmit,            // A01 A04 A06 A07: active
  kExpect,           // A05 A14: expected
  kTransfer,         // A02
  kDischarge,        // A03
  kDescribe,         // A08: what it says of a visit, whose state stays
  kCancelAdmit,      // A11 A23
  kCancelExpected,   // A27 A38
  kCancelTransfer,   // A12
  kCancelDischarge,  // A13
};

struct PatientEventEffect {
  PatientAction patient = PatientAction::kNone;
  VisitAction visit = VisitAction::kNone;
};

PatientEventEffect event_effect(std::string_view code);
// Whether a message with this trigger event belongs to the lanes of two patients.
bool concerns_two_patients(std::string_view code);

}  // namespace minato

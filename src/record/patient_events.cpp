#include "record/patient_events.h"

#include <array>

namespace minato {
namespace {

struct EventRow {
  std::string_view code;
  PatientEventEffect effect;
};

using enum PatientAction;

constexpr std::array<EventRow, 35> kEvents = {{
    {"A01", {kUpdate, VisitAction::kAdmit}},
    {"A02", {kUpdate, VisitAction::kTransfer}},
    {"A03", {kUpdate, VisitAction::kDischarge}},
    {"A04", {kUpdate, VisitAction::kAdmit}},
    {"A05", {kUpdate, VisitAction::kExpect}},
    {"A06", {kUpdate, VisitAction::kAdmit}},
    {"A07", {kUpdate, VisitAction::kAdmit}},
    {"A08", {kUpdate, VisitAction::kDescribe}},
    {"A11", {kUpdate, VisitAction::kCancelAdmit}},
    {"A12", {kUpdate, VisitAction::kCancelTransfer}},
    {"A13", {kUpdate, VisitAction::kCancelDischarge}},
    {"A14", {kUpdate, VisitAction::kExpect}},
    {"A15", {kUpdate, VisitAction::kNone}},
    {"A16", {kUpdate, VisitAction::kNone}},
    {"A18", {kMerge, VisitAction::kNone}},
    {"A23", {kUpdate, VisitAction::kCancelAdmit}},
    {"A24", {kLink, VisitAction::kNone}},
    {"A25", {kUpdate, VisitAction::kNone}},
    {"A26", {kUpdate, VisitAction::kNone}},
    {"A27", {kUpdate, VisitAction::kCancelExpected}},
    {"A28", {kUpdate, VisitAction::kNone}},
    {"A30", {kMerge, VisitAction::kNone}},
    {"A31", {kUpdate, VisitAction::kNone}},
    {"A34", {kMerge, VisitAction::kNone}},
    {"A36", {kMerge, VisitAction::kNone}},
    {"A37", {kUnlink, VisitAction::kNone}},
    {"A38", {kUpdate, VisitAction::kCancelExpected}},
    {"A39", {kMerge, VisitAction::kNone}},
    {"A40", {kMerge, VisitAction::kNone}},
    {"A46", {kChangeIdentifier, VisitAction::kNone}},
    {"A47", {kChangeIdentifier, VisitAction::kNone}},
    // Ours, for what operators and imports do.
    {"import", {kUpdate, VisitAction::kNone}},
    {"merge", {kMerge, VisitAction::kNone}},
    {"link", {kLink, VisitAction::kNone}},
    {"unlink", {kUnlink, VisitAction::kNone}},
}};

}  // namespace

PatientEventEffect event_effect(std::string_view code) {
  for (const auto& row : kEvents) {
    if (row.code == code) return row.effect;
  }
  return {};
}

bool concerns_two_patients(std::string_view code) {
  const auto action = event_effect(code).patient;
  return action == kMerge || action == kChangeIdentifier || action == kLink || action == kUnlink;
}

}  // namespace minato

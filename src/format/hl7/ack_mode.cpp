#include "format/hl7/ack_mode.h"

namespace minato::hl7 {
namespace {

bool absent(std::string_view value) { return value.empty() || value == "\"\""; }

AckCondition condition_of(std::string_view value) {
  if (absent(value) || value == "NE") return AckCondition::kNever;
  if (value == "ER") return AckCondition::kError;
  if (value == "SU") return AckCondition::kSuccess;
  return AckCondition::kAlways;
}

}  // namespace

AckPlan ack_plan(const Header& header) {
  const std::string_view accept = header.component(15, 1);
  const std::string_view application = header.component(16, 1);
  if (absent(accept) && absent(application)) return {};
  return {AckMode::kEnhanced, condition_of(accept), condition_of(application)};
}

bool wanted(AckCondition condition, Outcome outcome) {
  switch (condition) {
    case AckCondition::kAlways:
      return true;
    case AckCondition::kNever:
      return false;
    case AckCondition::kError:
      return outcome == Outcome::kError;
    case AckCondition::kSuccess:
      return outcome == Outcome::kSuccess;
  }
  return true;
}

}  // namespace minato::hl7

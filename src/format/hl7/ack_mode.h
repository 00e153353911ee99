// Who is owed which answer, and when: original and enhanced acknowledgement mode (HL7 v2.5.1 section 2.9, tables 0155
// and 0211).
//
//   AckPlan plan = ack_plan(header);
//   if (plan.mode == AckMode::kOriginal) …answer AA/AE/AR…
//   else if (wanted(plan.accept, Outcome::kSuccess)) …answer CA once the message is durable…
#pragma once

#include <cstdint>
#include <string_view>

#include "format/hl7/header.h"

namespace minato::hl7 {

// HL7 table 0155.
enum class AckCondition : std::uint8_t { kAlways, kNever, kError, kSuccess };
enum class AckMode : std::uint8_t { kOriginal, kEnhanced };
enum class Outcome : std::uint8_t { kSuccess, kError };

struct AckPlan {
  AckMode mode = AckMode::kOriginal;
  AckCondition accept = AckCondition::kNever;        // CA, CE, CR: MSH-15
  AckCondition application = AckCondition::kAlways;  // AA, AE, AR: MSH-16
  bool operator==(const AckPlan&) const = default;
};

// Original when MSH-15 and MSH-16 are both empty (or null), which equals NE/AL. Enhanced else; the empty one of the two
// is then NE. A value that table 0155 has not counts as AL: silence is kept only where the sender asked for it.
AckPlan ack_plan(const Header& header);
bool wanted(AckCondition condition, Outcome outcome);

}  // namespace minato::hl7

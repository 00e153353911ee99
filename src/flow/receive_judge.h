// What one message or broken frame is, decided from its bytes and the listener's rules alone: no clock, no journal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flow/receive_rules.h"
#include "format/hl7/ack.h"
#include "format/hl7/ack_mode.h"
#include "format/hl7/header.h"
#include "format/hl7/mllp_framer.h"

namespace minato {

struct FaultFound {
  hl7::Fault fault = hl7::Fault::kInternal;
  std::optional<hl7::Location> where;
};

struct Judgement {
  hl7::Header header;  // as far as it could be read; a default one otherwise. Views point into the bytes
  hl7::AckPlan plan;
  SenderName sender;                                 // UTF-8
  std::optional<FaultFound> fault;                   // set: it is refused
  std::vector<std::string> warnings;                 // names for the record: "charset-undeclared"
  std::vector<hl7::ErrorEntry> notes;                // what the sender is told beside a positive answer
  std::optional<hl7::Acknowledgement> acknowledges;  // it is an answer to something: recorded, never acknowledged
};

Judgement judge_message(std::string_view bytes, const ListenerRules& rules);

// A frame that is no message whatever its content: kEmptyFrame, kNoStartBlock, kOversize, kHalfFrame, kClosedMidFrame.
// The header is read where there is one, so that the answer can name the message.
Judgement judge_broken(mllp::EventKind kind, std::string_view bytes, const ListenerRules& rules);

// A message or batch that is refused for a reason which its caller found.
Judgement judge_as(hl7::Fault fault, std::string_view bytes, const ListenerRules& rules);

// Whether the header's sender is the one that the rule names.
bool matches(const SenderName& rule, const SenderName& sender);

}  // namespace minato

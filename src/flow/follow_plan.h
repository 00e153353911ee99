// What one journal entry means, worked out once and applied to the derived database and to the queue. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flow/step_records.h"
#include "format/hl7/message.h"
#include "store/journal/record.h"
#include "store/queue/queue.h"

namespace minato {

struct EntryPlan {
  // kHl7Received, kHl7Refused: what the envelope says, and the message where it could be read.
  std::optional<ReceivedMeta> received;
  std::optional<hl7::Message> message;  // a view over the entry's body: the entry outlives the plan
  std::vector<std::string> lanes;       // of the process item; empty: nothing is to be processed
  // The other kinds that this program writes.
  std::variant<std::monostate, OutcomeMeta, AttemptFailedMeta, ParkedMeta, IntentMeta, RedriveMeta, DiscardMeta> step;
  std::string unreadable;  // why nothing can be made of it; empty: fine
};

EntryPlan plan_entry(const Entry& entry);

// What the queue makes of it, appended to `out`.
void queue_changes(const Entry& entry, const EntryPlan& plan, std::vector<QueueChange>& out);

// The lanes of a message: one for its patient; for merges, links and moves one for each patient named (a barrier); the
// sender's own when it names no patient. `step` comes before: "process|12345".
std::vector<std::string> lanes_of(const hl7::Message& message, std::string_view step);

inline constexpr std::string_view kProcessStep = "process";

}  // namespace minato

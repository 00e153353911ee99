#include "flow/follow_plan.h"

#include <algorithm>
#include <array>

#include "crypto/sha256.h"

namespace minato {
namespace {

// Longer identifiers are nonsense from a hostile sender: their lane is named by a digest.
constexpr std::size_t kLaneKeyBytesMax = 64;
// A merge names two patients; more in one message (HL7 v2.5.1 section 3.3.40 repeats the group) are ordered by the
// first two.
constexpr std::size_t kBarrierLanesMax = 2;

bool names_two_patients(std::string_view trigger) {
  constexpr std::array<std::string_view, 22> kTriggers = {"A17", "A18", "A24", "A30", "A34", "A35", "A36", "A37",
                                                          "A39", "A40", "A41", "A42", "A43", "A44", "A45", "A46",
                                                          "A47", "A48", "A49", "A50", "A51", "A54"};
  return std::ranges::find(kTriggers, trigger) != kTriggers.end();
}

std::string lane(std::string_view step, std::string key) {
  if (key.size() > kLaneKeyBytesMax) key = "#" + crypto::hex(crypto::sha256(key)).substr(0, 32);
  return std::string(step) + "|" + key;
}

void add_lane(std::vector<std::string>& lanes, std::string_view step, const hl7::Field& field) {
  std::string id = field.component(1).text();
  if (id.empty()) return;
  std::string name = lane(step, std::move(id));
  if (std::ranges::find(lanes, name) == lanes.end()) lanes.push_back(std::move(name));
}

hl7::Field patient_identifier(const hl7::Segment& pid) {
  const hl7::Field list = pid.field(3);
  return list.empty() ? pid.field(2) : list;  // before v2.3.1 the identifier stood in PID-2
}

template <typename T>
void take(EntryPlan& plan, Result<T> parsed) {
  if (parsed) {
    plan.step = std::move(*parsed);
  } else {
    plan.unreadable = parsed.error().what;
  }
}

void plan_message(const Entry& entry, EntryPlan& plan) {
  auto received = parse_received(entry.record.meta);
  if (!received) {
    plan.unreadable = received.error().what;
    return;
  }
  plan.received = std::move(*received);
  auto message = hl7::Message::view(entry.record.body);
  if (message) plan.message = std::move(*message);
  if (entry.record.kind != RecordKind::kHl7Received || plan.received->is_answer) return;
  // What was acknowledged and cannot be split (more segments or fields than the limits allow) becomes a dead letter by
  // the process step: nothing disappears quietly.
  plan.lanes = plan.message ? lanes_of(*plan.message, kProcessStep) : std::vector{lane(kProcessStep, "unreadable")};
}

std::vector<NewItem> children_of(const Entry& entry, Seq origin, const std::vector<ChildItem>& children) {
  std::vector<NewItem> out;
  std::uint32_t ordinal = 0;
  for (const ChildItem& child : children) {
    out.push_back({ItemId{entry.seq, ordinal++}, origin, child.step, child.lanes, child.args, child.not_before});
  }
  return out;
}

std::vector<ItemId> ids_of(const std::vector<ItemRef>& refs) {
  std::vector<ItemId> out;
  for (const ItemRef& ref : refs) out.push_back(ref.item);
  return out;
}

}  // namespace

std::vector<std::string> lanes_of(const hl7::Message& message, std::string_view step) {
  std::vector<std::string> lanes;
  const hl7::Segment msh = message.segment("MSH");
  if (names_two_patients(msh.field(9).component(2).raw())) {
    for (const hl7::Segment& segment : message.segments()) {
      if (segment.id() == "PID") add_lane(lanes, step, patient_identifier(segment));
      if (segment.id() == "MRG") add_lane(lanes, step, segment.field(1));
      if (lanes.size() == kBarrierLanesMax) return lanes;
    }
  } else if (const hl7::Segment pid = message.segment("PID"); pid.exists()) {
    add_lane(lanes, step, patient_identifier(pid));
  }
  if (lanes.empty()) lanes.push_back(lane(step, "sender:" + msh.field(3).component(1).text()));
  return lanes;
}

EntryPlan plan_entry(const Entry& entry) {
  EntryPlan plan;
  const std::string& meta = entry.record.meta;
  switch (entry.record.kind) {
    case RecordKind::kHl7Received:
    case RecordKind::kHl7Refused:
      plan_message(entry, plan);
      break;
    case RecordKind::kOutcome:
      take(plan, parse_outcome(meta));
      break;
    case RecordKind::kAttemptFailed:
      take(plan, parse_attempt_failed(meta));
      break;
    case RecordKind::kParked:
      take(plan, parse_parked(meta));
      break;
    case RecordKind::kEffectIntent:
      take(plan, parse_intent(meta));
      break;
    case RecordKind::kRedrive:
      take(plan, parse_redrive(meta));
      break;
    case RecordKind::kDiscard:
      take(plan, parse_discard(meta));
      break;
    default:
      break;
  }
  return plan;
}

void queue_changes(const Entry& entry, const EntryPlan& plan, std::vector<QueueChange>& out) {
  if (!plan.lanes.empty()) {
    out.push_back(Enqueue{NewItem{ItemId{entry.seq, 0}, entry.seq, std::string(kProcessStep), plan.lanes, "{}", {}},
                          entry.record.time});
  }
  const Time at = entry.record.time;
  if (const auto* outcome = std::get_if<OutcomeMeta>(&plan.step)) {
    out.push_back(Finish{outcome->item, at, children_of(entry, outcome->origin, outcome->children)});
    for (const ItemRef& ref : outcome->also) out.push_back(Finish{ref.item, at, {}});
  } else if (const auto* failed = std::get_if<AttemptFailedMeta>(&plan.step)) {
    out.push_back(Fail{failed->item, failed->error, at, failed->not_before});
  } else if (const auto* parked = std::get_if<ParkedMeta>(&plan.step)) {
    const std::string reason = parked->detail.empty() ? parked->reason : parked->reason + ": " + parked->detail;
    out.push_back(Park{parked->item, reason, at});
    for (NewItem& child : children_of(entry, parked->origin, parked->children))
      out.push_back(Enqueue{std::move(child), at});
  } else if (const auto* redrive = std::get_if<RedriveMeta>(&plan.step)) {
    out.push_back(Redrive{ids_of(redrive->items), at, redrive->per_second});
  } else if (const auto* discard = std::get_if<DiscardMeta>(&plan.step)) {
    out.push_back(Discard{ids_of(discard->items), at});
  }
}

}  // namespace minato

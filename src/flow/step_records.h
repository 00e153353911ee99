// The meta objects of the journal records that tell what became of a step, as types. docs/formats/journal.md has their
// members. Written by workers and by operators' actions, read by the follower and by whoever rebuilds state. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "record/effects.h"
#include "store/journal/record.h"
#include "store/queue/queue.h"

namespace minato {

// Work that a step leaves behind. Its item id is made of the outcome's sequence and its place in the list.
struct ChildItem {
  std::string step;
  std::vector<std::string> lanes;
  std::string args = "{}";  // JSON object
  std::optional<Time> not_before;
};

// An item and the message that it is about.
struct ItemRef {
  ItemId item;
  Seq origin;
  friend bool operator==(const ItemRef&, const ItemRef&) = default;
};

struct OutcomeMeta {
  ItemId item;
  Seq origin;
  std::string step;
  std::string state = "done";  // done | skipped
  std::string note;            // why it was skipped, what was found; never a value out of a message
  std::vector<ChildItem> children;
  std::vector<ItemRef> also;    // items that ended with this one (a digest mail)
  std::vector<Effect> effects;  // what left the house
};

struct AttemptFailedMeta {
  ItemId item;
  Seq origin;
  std::string step;
  std::string error;
  Time not_before;
  std::vector<Effect> effects;  // that surely did not happen, although they were intended
};

struct ParkedMeta {
  ItemId item;
  Seq origin;
  std::string step;
  std::string reason;               // a word of ours: "patient-unknown", "attempts-exhausted", "uncertain" …
  std::string detail;               // for a person; field names and places, never values
  std::vector<ChildItem> children;  // what does not depend on what parked it (deliveries of an unverified message)
  std::vector<Effect> effects;      // uncertain or failed ones
};

struct IntentMeta {
  ItemId item;
  Seq origin;
  Effect effect;
};

struct RedriveMeta {
  std::vector<ItemRef> items;
  std::uint32_t per_second = 0;
  std::string by;
};

struct DiscardMeta {
  std::vector<ItemRef> items;
  std::string by;
  std::string reason;
};

std::string to_json(const OutcomeMeta& meta);
std::string to_json(const AttemptFailedMeta& meta);
std::string to_json(const ParkedMeta& meta);
std::string to_json(const IntentMeta& meta);
std::string to_json(const RedriveMeta& meta);
std::string to_json(const DiscardMeta& meta);

// kCorrupt: not what this program writes (the journal was altered, or is newer than the program).
Result<OutcomeMeta> parse_outcome(std::string_view json);
Result<AttemptFailedMeta> parse_attempt_failed(std::string_view json);
Result<ParkedMeta> parse_parked(std::string_view json);
Result<IntentMeta> parse_intent(std::string_view json);
Result<RedriveMeta> parse_redrive(std::string_view json);
Result<DiscardMeta> parse_discard(std::string_view json);

// What a received message's meta says that later steps need.
struct ReceivedMeta {
  std::string listener, peer, identity;
  std::string ack;  // AA, CA …; empty when none was owed
  bool authoritative = false;
  bool is_answer = false;  // it acknowledges something that we sent: correlated, never processed
  std::vector<std::string> warnings;
  std::optional<Seq> edited_from;
};
Result<ReceivedMeta> parse_received(std::string_view json);

// Of kPurge: records up to and including `through` are gone.
std::string purge_json(Seq through, std::string_view by, std::string_view reason);
Result<Seq> parse_purge(std::string_view json);

}  // namespace minato

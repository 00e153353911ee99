#include "edge/admin/views.h"

namespace minato::admin {
namespace {

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(value);
  json.end_array();
}

void write_time(JsonWriter& json, std::string_view name, const std::optional<Time>& time) {
  if (time) json.member(name, to_rfc3339(*time));
}

void write_seq(JsonWriter& json, std::string_view name, const std::optional<Seq>& seq) {
  if (seq) json.member(name, seq->value);
}

std::string_view name_of(ItemState state) {
  switch (state) {
    case ItemState::kWaiting:
      return "waiting";
    case ItemState::kLeased:
      return "leased";
    case ItemState::kParked:
      return "parked";
  }
  return "unknown";
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void write_counts(JsonWriter& json, std::string_view name,
                  const std::vector<std::pair<std::string, std::uint64_t>>& counts) {
  json.key(name).begin_object();
  for (const auto& [key, count] : counts) json.member(key, count);
  json.end_object();
}

void write_name(JsonWriter& json, const PersonName& name) {
  json.begin_object().member("family", name.family).member("given", name.given).member("middle", name.middle);
  json.member("representation", name.representation).member("type", name.type).end_object();
}

void write_visit(JsonWriter& json, const Visit& visit) {
  json.begin_object().member("number", visit.number).member("class", visit.patient_class);
  json.member("location", visit.location).member("state", minato::name(visit.state));
  write_time(json, "admitted", visit.admitted);
  write_time(json, "discharged", visit.discharged);
  json.end_object();
}

}  // namespace

void write(JsonWriter& json, const IndexedMessage& message) {
  json.begin_object().member("seq", message.seq.value).member("received", to_rfc3339(message.received));
  json.member("control_id", message.control_id).member("type", message.message_type).member("trigger", message.trigger);
  json.member("sender_application", message.sender_application).member("sender_facility", message.sender_facility);
  json.member("listener", message.listener).member("peer", message.peer);
  write_texts(json, "patient_ids", message.patient_ids);
  write_texts(json, "encounter_ids", message.encounter_ids);
  write_texts(json, "order_ids", message.order_ids);
  json.member("bytes", message.bytes).member("ack", message.ack);
  write_texts(json, "warnings", message.warnings);
  json.member("status", minato::name(message.status));
  json.key("items").begin_object().member("open", message.items.open).member("parked", message.items.parked);
  json.member("done", message.items.done).member("discarded", message.items.discarded).end_object();
  write_seq(json, "edited_from", message.edited_from);
  write_seq(json, "duplicate_of", message.duplicate_of);
  json.end_object();
}

void write(JsonWriter& json, const MessageTrail& trail) {
  json.begin_object().key("message");
  write(json, trail.message);
  json.key("meta").raw(trail.meta).member("text", trail.text);
  write_list(json, "items", trail.items);
  write_list(json, "effects", trail.effects);
  json.end_object();
}

void write(JsonWriter& json, const ItemView& item) {
  json.begin_object().member("item", to_string(item.item.id)).member("message", item.item.origin.value);
  json.member("step", item.item.step).member("state", name_of(item.state)).member("receives", item.receives);
  write_texts(json, "lanes", item.item.lanes);
  json.key("args").raw(item.item.args);
  write_time(json, "not_before", item.item.not_before);
  if (item.state == ItemState::kParked) json.member("reason", item.parked_reason);
  write_time(json, "parked_at", item.parked_at);
  json.member("after_parked", item.after_parked).key("attempts").begin_array();
  for (const Attempt& attempt : item.attempts) {
    json.begin_object().member("at", to_rfc3339(attempt.at)).member("error", attempt.error).end_object();
  }
  json.end_array().end_object();
}

void write(JsonWriter& json, const QueueStats& stats) {
  json.begin_object().member("waiting", stats.waiting).member("leased", stats.leased).member("parked", stats.parked);
  json.member("lanes", stats.lanes);
  write_time(json, "oldest_waiting", stats.oldest_waiting);
  json.end_object();
}

void write(JsonWriter& json, const RedrivePreview& preview) {
  json.begin_object().member("items", preview.items);
  write_time(json, "oldest", preview.oldest);
  write_time(json, "newest", preview.newest);
  write_counts(json, "steps", preview.steps);
  write_counts(json, "reasons", preview.reasons);
  json.member("effects_done", preview.effects_done).member("effects_uncertain", preview.effects_uncertain).end_object();
}

void write(JsonWriter& json, const Patient& patient) {
  json.begin_object().member("id", patient.id.value);
  if (patient.merged_into) json.member("merged_into", patient.merged_into->value);
  json.key("identifiers").begin_array();
  for (const Identifier& identifier : patient.identifiers) {
    json.begin_object().member("domain", identifier.domain).member("value", identifier.value).end_object();
  }
  json.end_array().key("names").begin_array();
  for (const PersonName& name : patient.demographics.names.value_or(std::vector<PersonName>{})) write_name(json, name);
  json.end_array().member("birth_date", patient.demographics.birth_date).member("sex", patient.demographics.sex);
  json.key("visits").begin_array();
  for (const Visit& visit : patient.visits) write_visit(json, visit);
  json.end_array().key("merged").begin_array();
  for (const PatientId id : patient.merged) json.value(id.value);
  json.end_array().key("linked").begin_array();
  for (const PatientId id : patient.linked) json.value(id.value);
  json.end_array().member("notifications_refused", patient.notifications_refused).end_object();
}

void write(JsonWriter& json, const PatientHistoryEntry& entry) {
  json.begin_object().member("seq", entry.seq.value).member("patient", entry.patient.value).member("code", entry.code);
  json.member("happened", to_rfc3339(entry.happened)).member("outcome", minato::name(entry.outcome)).end_object();
}

void write(JsonWriter& json, const Effect& effect) {
  json.begin_object().member("key", effect.key).member("kind", minato::name(effect.kind));
  json.member("message", effect.origin.value).member("destination", effect.destination);
  if (effect.provider.value != 0) json.member("provider", effect.provider.value);
  if (effect.patient.value != 0) json.member("patient", effect.patient.value);
  json.member("event", effect.event).member("state", minato::name(effect.state)).member("detail", effect.detail);
  write_seq(json, "intent_seq", effect.intent_seq);
  write_seq(json, "outcome_seq", effect.outcome_seq);
  write_time(json, "intent_time", effect.intent_time);
  write_time(json, "outcome_time", effect.outcome_time);
  json.end_object();
}

void write(JsonWriter& json, const FeedTotals& feed) {
  json.begin_object().member("listener", feed.feed.listener).member("sender_application", feed.feed.sender_application);
  json.member("sender_facility", feed.feed.sender_facility).member("first_seen", to_rfc3339(feed.first_seen));
  json.member("last_seen", to_rfc3339(feed.last_seen))
      .member("accepted", feed.accepted)
      .member("refused", feed.refused);
  json.member("duplicates", feed.duplicates).member("bytes", feed.bytes).end_object();
}

void write(JsonWriter& json, const FeedSilence& silence) {
  json.begin_object().member("listener", silence.feed.listener);
  json.member("sender_application", silence.feed.sender_application);
  json.member("sender_facility", silence.feed.sender_facility).member("last_seen", to_rfc3339(silence.last_seen));
  json.member("silent_s", seconds(silence.silent)).member("usual_gap_s", seconds(silence.usual_gap));
  json.member("expected", silence.expected).end_object();
}

void write(JsonWriter& json, const RegistryLogEntry& entry) {
  json.begin_object().member("seq", entry.seq.value).member("time", to_rfc3339(entry.time)).member("what", entry.what);
  json.member("action", entry.action).member("by", entry.by).member("applied", entry.applied);
  json.member("rows", entry.rows).member("detail", entry.detail).end_object();
}

}  // namespace minato::admin

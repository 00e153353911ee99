#include "flow/step_records.h"

#include "base/json_writer.h"
#include "format/json/json.h"

namespace minato {
namespace {

void write(JsonWriter& json, const ChildItem& child) {
  json.begin_object().member("step", child.step).key("lanes").begin_array();
  for (const std::string& lane : child.lanes) json.value(lane);
  json.end_array().key("args").raw(child.args);
  if (child.not_before) json.member("not_before", to_micros(*child.not_before));
  json.end_object();
}

void write_items(JsonWriter& json, std::string_view key, const std::vector<ItemRef>& items) {
  json.key(key).begin_array();
  for (const ItemRef& ref : items) {
    json.begin_object().member("item", to_string(ref.item)).member("origin", ref.origin.value).end_object();
  }
  json.end_array();
}

void write(JsonWriter& json, const std::vector<Effect>& effects) {
  if (effects.empty()) return;
  json.key("effects").begin_array();
  for (const Effect& effect : effects) json.raw(effect_json(effect));
  json.end_array();
}

void write(JsonWriter& json, const std::vector<ChildItem>& children) {
  if (children.empty()) return;
  json.key("children").begin_array();
  for (const ChildItem& child : children) write(json, child);
  json.end_array();
}

void write_head(JsonWriter& json, ItemId item, Seq origin) {
  json.begin_object().member("item", to_string(item)).member("origin", origin.value);
}

std::unexpected<Error> malformed(std::string_view member) {
  return fail(Errc::kCorrupt, "journal meta: " + std::string(member) + " is missing or malformed");
}

Result<ItemId> item_of(json::Value value, std::string_view member) {
  const auto text = value.string();
  const auto item = text ? parse_item_id(*text) : std::nullopt;
  if (!item) return malformed(member);
  return *item;
}

Result<Seq> origin_of(json::Value root) {
  const auto value = root["origin"].unsigned_integer();
  if (!value) return malformed("origin");
  return Seq{*value};
}

Result<std::string> text_of(json::Value root, std::string_view member) {
  const auto value = root[member].string();
  if (!value) return malformed(member);
  return std::string(*value);
}

Result<std::vector<ItemRef>> items_of(json::Value value, std::string_view member) {
  std::vector<ItemRef> out;
  for (const auto entry : value.entries()) {
    MN_TRY(item, item_of(entry.value["item"], member));
    MN_TRY(origin, origin_of(entry.value));
    out.push_back({item, origin});
  }
  return out;
}

Result<std::vector<Effect>> effects_of(json::Value root) {
  std::vector<Effect> out;
  for (const auto entry : root["effects"].entries()) {
    MN_TRY(effect, parse_effect_json(json::to_text(entry.value)));
    out.push_back(std::move(effect));
  }
  return out;
}

ChildItem child_of(json::Value value) {
  ChildItem out;
  out.step = value["step"].string_or("");
  for (const auto lane : value["lanes"].entries()) out.lanes.emplace_back(lane.value.string_or(""));
  out.args = value["args"].is_object() ? json::to_text(value["args"]) : "{}";
  if (const auto at = value["not_before"].integer()) out.not_before = from_micros(*at);
  return out;
}

Result<std::vector<ChildItem>> children_of(json::Value root) {
  std::vector<ChildItem> out;
  for (const auto child : root["children"].entries()) {
    out.push_back(child_of(child.value));
    if (out.back().step.empty() || out.back().lanes.empty()) return malformed("children");
  }
  return out;
}

}  // namespace

std::string to_json(const OutcomeMeta& meta) {
  std::string out;
  JsonWriter json(out);
  write_head(json, meta.item, meta.origin);
  json.member("step", meta.step).member("state", meta.state);
  if (!meta.note.empty()) json.member("note", meta.note);
  write(json, meta.children);
  if (!meta.also.empty()) write_items(json, "also", meta.also);
  write(json, meta.effects);
  json.end_object();
  return out;
}

std::string to_json(const AttemptFailedMeta& meta) {
  std::string out;
  JsonWriter json(out);
  write_head(json, meta.item, meta.origin);
  json.member("step", meta.step).member("error", meta.error).member("not_before", to_micros(meta.not_before));
  write(json, meta.effects);
  json.end_object();
  return out;
}

std::string to_json(const ParkedMeta& meta) {
  std::string out;
  JsonWriter json(out);
  write_head(json, meta.item, meta.origin);
  json.member("step", meta.step).member("reason", meta.reason).member("detail", meta.detail);
  write(json, meta.children);
  write(json, meta.effects);
  json.end_object();
  return out;
}

std::string to_json(const IntentMeta& meta) {
  std::string out;
  JsonWriter json(out);
  write_head(json, meta.item, meta.origin);
  json.key("effect").raw(effect_json(meta.effect));
  json.end_object();
  return out;
}

std::string to_json(const RedriveMeta& meta) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_items(json, "items", meta.items);
  json.member("per_second", meta.per_second).member("by", meta.by).end_object();
  return out;
}

std::string to_json(const DiscardMeta& meta) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_items(json, "items", meta.items);
  json.member("by", meta.by).member("reason", meta.reason).end_object();
  return out;
}

Result<OutcomeMeta> parse_outcome(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  OutcomeMeta out;
  MN_TRY(item, item_of(root["item"], "item"));
  MN_TRY(origin, origin_of(root));
  MN_TRY(step, text_of(root, "step"));
  MN_TRY(state, text_of(root, "state"));
  MN_TRY(also, items_of(root["also"], "also"));
  out.item = item;
  out.origin = origin;
  out.step = step;
  out.state = state;
  out.also = also;
  out.note = root["note"].string_or("");
  MN_TRY(children, children_of(root));
  MN_TRY(effects, effects_of(root));
  out.children = std::move(children);
  out.effects = std::move(effects);
  return out;
}

Result<AttemptFailedMeta> parse_attempt_failed(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  MN_TRY(item, item_of(root["item"], "item"));
  MN_TRY(origin, origin_of(root));
  MN_TRY(step, text_of(root, "step"));
  MN_TRY(error, text_of(root, "error"));
  const auto not_before = root["not_before"].integer();
  if (!not_before) return malformed("not_before");
  MN_TRY(effects, effects_of(root));
  return AttemptFailedMeta{item, origin, step, error, from_micros(*not_before), std::move(effects)};
}

Result<ParkedMeta> parse_parked(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  MN_TRY(item, item_of(root["item"], "item"));
  MN_TRY(origin, origin_of(root));
  MN_TRY(step, text_of(root, "step"));
  MN_TRY(reason, text_of(root, "reason"));
  MN_TRY(children, children_of(root));
  MN_TRY(effects, effects_of(root));
  return ParkedMeta{
      item, origin, step, reason, std::string(root["detail"].string_or("")), std::move(children), std::move(effects)};
}

Result<IntentMeta> parse_intent(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  MN_TRY(item, item_of(root["item"], "item"));
  MN_TRY(origin, origin_of(root));
  MN_TRY(effect, parse_effect_json(json::to_text(root["effect"])));
  return IntentMeta{item, origin, std::move(effect)};
}

Result<RedriveMeta> parse_redrive(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  MN_TRY(items, items_of(root["items"], "items"));
  const auto per_second = root["per_second"].unsigned_integer();
  if (!per_second || *per_second > 1'000'000) return malformed("per_second");
  return RedriveMeta{items, static_cast<std::uint32_t>(*per_second), std::string(root["by"].string_or(""))};
}

Result<DiscardMeta> parse_discard(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  MN_TRY(items, items_of(root["items"], "items"));
  return DiscardMeta{items, std::string(root["by"].string_or("")), std::string(root["reason"].string_or(""))};
}

Result<ReceivedMeta> parse_received(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const json::Value root = document.root();
  ReceivedMeta out;
  out.listener = root["listener"].string_or("");
  out.peer = root["peer"].string_or("");
  out.identity = root["identity"].string_or("");
  out.ack = root["ack"].string_or("");
  out.authoritative = root["authoritative"].boolean().value_or(false);
  out.is_answer = root["answer"].present();
  for (const auto warning : root["warnings"].entries()) out.warnings.emplace_back(warning.value.string_or(""));
  if (const auto from = root["edited_from"].unsigned_integer()) out.edited_from = Seq{*from};
  return out;
}

std::string purge_json(Seq through, std::string_view by, std::string_view reason) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("through", through.value)
      .member("by", by)
      .member("reason", reason)
      .end_object();
  return out;
}

Result<Seq> parse_purge(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const auto through = document.root()["through"].unsigned_integer();
  if (!through) return malformed("through");
  return Seq{*through};
}

}  // namespace minato

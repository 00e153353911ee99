#include "flow/receive_meta.h"

#include "base/json_writer.h"
#include "crypto/base64.h"
#include "format/json/json.h"

namespace minato {
namespace {

void write_sender(JsonWriter& json, const Judgement& judgement) {
  json.key("sender").begin_object();
  json.member("application", std::string_view(judgement.sender.application));
  json.member("facility", std::string_view(judgement.sender.facility)).end_object();
  json.member("charset", charset::name(judgement.header.charset.used));
}

void write_error(JsonWriter& json, const FaultFound& found) {
  const hl7::FaultAnswer& answer = hl7::answer_for(found.fault);
  json.key("errors").begin_array().begin_object();
  json.member("code", static_cast<int>(answer.error)).member("fault", hl7::name(found.fault));
  if (found.where) {
    json.member("segment", std::string_view(found.where->segment_id)).member("field", found.where->field);
    if (found.where->component != 0) json.member("component", found.where->component);
    json.member("offset", found.where->offset);
  }
  json.member("text", answer.user_message).end_object().end_array();
}

void write_place(JsonWriter& json, const BatchPlace& place) {
  json.key("batch").begin_object().member("index", place.index).member("count", place.count);
  if (!place.before.empty()) json.member("before", std::string_view(crypto::to_base64(place.before)));
  if (!place.after.empty()) json.member("after", std::string_view(crypto::to_base64(place.after)));
  json.end_object();
}

}  // namespace

std::string peer_meta(std::string_view listener, std::string_view address, std::string_view identity) {
  std::string meta;
  JsonWriter json(meta);
  json.begin_object().member("listener", listener).member("peer", address);
  if (!identity.empty()) json.member("identity", identity);
  return meta;
}

std::string message_meta(std::string_view peer_meta, const Judgement& judgement, const MetaExtra& extra) {
  std::string meta;
  meta.reserve(peer_meta.size() + 192);
  meta += peer_meta;
  meta.push_back(',');
  JsonWriter json(meta);  // in the midst of the object
  if (judgement.header.present) write_sender(json, judgement);
  json.member("ack", extra.ack);
  if (extra.authority == Authority::kAuthoritative) json.member("authoritative", true);
  if (!extra.frame.empty()) json.member("frame", extra.frame);
  if (!judgement.warnings.empty()) {
    json.key("warnings").begin_array();
    for (const std::string& warning : judgement.warnings) json.value(std::string_view(warning));
    json.end_array();
  }
  if (judgement.acknowledges) json.member("answer", hl7::name(judgement.acknowledges->code));
  if (judgement.fault) write_error(json, *judgement.fault);
  if (extra.place) write_place(json, *extra.place);
  json.end_object();
  return meta;
}

std::string duplicate_meta(std::string_view peer_meta, Seq of) {
  return std::string(peer_meta) + ",\"of\":" + std::to_string(of.value) + "}";
}

// A quote inside a JSON string is escaped, so these patterns are members and nothing else. Parsing each meta of a
// quarter of a million records would be a third of the time that a start takes.
std::optional<std::string> identity_of(std::string_view meta) {
  constexpr std::string_view kIdentity = "\"identity\":\"";
  if (meta.find("\"listener\":\"") == std::string_view::npos ||
      meta.find("\"edited_from\":") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t at = meta.find(kIdentity);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = meta.substr(at + kIdentity.size());
  const std::size_t end = rest.find_first_of("\"\\");
  if (end != std::string_view::npos && rest[end] == '"') return std::string(rest.substr(0, end));
  const auto document = json::parse(meta);
  if (!document) return std::nullopt;
  return std::string(document->root()["identity"].string_or(""));
}

}  // namespace minato

#include "edge/admin/admin.h"
#include "edge/admin/requests.h"
#include "edge/admin/views.h"

namespace minato::admin {
namespace {

constexpr std::uint64_t kPageMax = 1000;

// "ADT" or "ADT^A01"; "APP" or "APP|FAC".
void split(const std::string& text, char at, std::optional<std::string>& first, std::optional<std::string>& second) {
  const std::size_t place = text.find(at);
  first = text.substr(0, place);
  if (place != std::string::npos) second = text.substr(place + 1);
}

Status read_statuses(const http::Request& request, MessageFilter& out) {
  auto text = text_parameter(request, "status");
  if (!text) return {};
  std::string_view rest = *text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const auto status = message_status_named(rest.substr(0, comma));
    if (!status)
      return fail(Errc::kRefused, "status must be queued, done, parked, refused, duplicate, edited or discarded");
    out.statuses.push_back(*status);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return {};
}

Result<MessageFilter> message_filter(const http::Request& request) {
  MessageFilter out;
  out.control_id = text_parameter(request, "control_id");
  out.patient_id = text_parameter(request, "mrn");
  out.encounter_id = text_parameter(request, "encounter");
  out.order_id = text_parameter(request, "order");
  out.listener = text_parameter(request, "listener");
  if (const auto type = text_parameter(request, "type")) split(*type, '^', out.message_type, out.trigger);
  if (const auto sender = text_parameter(request, "sender"))
    split(*sender, '|', out.sender_application, out.sender_facility);
  MN_CHECK(read_statuses(request, out));
  MN_TRY(from, time_parameter(request, "from"));
  MN_TRY(to, time_parameter(request, "to"));
  out.from = from;
  out.to = to;
  return out;
}

Result<MessagePage> search(const Services& services, const http::Request& request) {
  MN_CHECK(only_parameters(request, {"control_id", "mrn", "encounter", "order", "type", "sender", "listener", "status",
                                     "from", "to", "limit", "before"}));
  MN_TRY(filter, message_filter(request));
  MN_TRY(limit, number_parameter(request, "limit", 50, kPageMax));
  MN_TRY(before, number_parameter(request, "before", 0, ~std::uint64_t{0} >> 1));
  return services.operations.messages(filter, before == 0 ? std::nullopt : std::optional(Seq{before}), limit);
}

http::Response list_messages(const Services& services, const http::Request& request) {
  return answer(search(services, request), [](JsonWriter& json, const MessagePage& page) {
    json.begin_object();
    write_list(json, "messages", page.rows);
    if (page.next) json.member("next", page.next->value);
    json.end_object();
  });
}

Result<MessageTrail> show(const Services& services, const http::Request& request) {
  MN_TRY(seq, seq_in_path(request, "seq"));
  MN_TRY(trail, services.operations.message(seq));
  MN_CHECK(services.operations.note_access(request.principal.name, "message", std::to_string(seq.value)));
  return trail;
}

http::Response show_message(const Services& services, const http::Request& request) {
  return answer(show(services, request), [](JsonWriter& json, const MessageTrail& trail) { write(json, trail); });
}

http::Response show_bytes(const Services& services, const http::Request& request) {
  const auto seq = seq_in_path(request, "seq");
  if (!seq) return http::problem(seq.error());
  auto bytes = services.operations.message_bytes(*seq);
  if (!bytes) return http::problem(bytes.error());
  const Status noted =
      services.operations.note_access(request.principal.name, "message bytes", std::to_string(seq->value));
  if (!noted) return http::problem(noted.error());
  http::Response response;
  response.headers.emplace_back("Content-Type", "application/octet-stream");
  response.body = std::move(*bytes);
  return response;
}

http::Response resubmit(const Services& services, const http::Request& request) {
  const auto seq = seq_in_path(request, "seq");
  if (!seq) return http::problem(seq.error());
  return answer(services.operations.resubmit(*seq, request.body, request.principal.name),
                [](JsonWriter& json, Seq made) { json.begin_object().member("seq", made.value).end_object(); });
}

}  // namespace

Status add_message_routes(http::Router& router, const Services& services) {
  const Services* with = &services;
  const auto on = [with](auto handler) {
    return [with, handler](const http::Request& request) { return handler(*with, request); };
  };
  MN_CHECK(router.add({.method = "GET",
                       .pattern = "/api/v1/messages",
                       .zone = "clinical",
                       .scope = "messages.read",
                       .handler = on(list_messages)}));
  MN_CHECK(router.add({.method = "GET",
                       .pattern = "/api/v1/messages/{seq}",
                       .zone = "clinical",
                       .scope = "messages.read",
                       .handler = on(show_message)}));
  MN_CHECK(router.add({.method = "GET",
                       .pattern = "/api/v1/messages/{seq}/bytes",
                       .zone = "clinical",
                       .scope = "messages.read",
                       .handler = on(show_bytes)}));
  return router.add({.method = "POST",
                     .pattern = "/api/v1/messages/{seq}/resubmit",
                     .zone = "clinical",
                     .scope = "messages.write",
                     .handler = on(resubmit),
                     .body_bytes_max = kMllpFrameBytesMax});
}

}  // namespace minato::admin

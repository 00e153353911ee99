#include "edge/admin/admin.h"
#include "edge/admin/requests.h"
#include "edge/admin/views.h"

namespace minato::admin {
namespace {

http::Response stats(const Services& services, const http::Request&) {
  return answer(services.operations.queue_stats(),
                [](JsonWriter& json, const QueueStats& value) { write(json, value); });
}

Result<std::vector<ItemView>> find_items(const Services& services, const http::Request& request) {
  MN_CHECK(only_parameters(request, {"state", "step", "lane", "message", "from", "to", "limit", "after"}));
  MN_TRY(filter, item_filter(request));
  MN_TRY(limit, number_parameter(request, "limit", 100, 1000));
  std::optional<ItemId> after;
  if (const auto text = text_parameter(request, "after")) {
    after = parse_item_id(*text);
    if (!after) return fail(Errc::kRefused, "after must be an item id such as \"12.0\"");
  }
  return services.operations.items(filter, after, limit);
}

http::Response items(const Services& services, const http::Request& request) {
  return answer(find_items(services, request), [](JsonWriter& json, const std::vector<ItemView>& found) {
    json.begin_object();
    write_list(json, "items", found);
    json.end_object();
  });
}

// What redrive and discard are asked for: {"filter":{…},"preview":true,"per_second":5}, {"filter":{…},"reason":"…"}.
struct Change {
  ItemFilter filter;
  bool preview = false;
  std::uint32_t per_second = 0;
  std::string reason;
};

// Each of the two knows its own members only: a preview of a discard does not exist, and must not discard.
Result<Change> read_change(const http::Request& request, std::initializer_list<std::string_view> known) {
  MN_TRY(document, json::parse(request.body));
  const json::Value root = document.root();
  MN_CHECK(only_members(root, known));
  Change out;
  MN_TRY(filter, item_filter(root["filter"]));
  out.filter = std::move(filter);
  MN_TRY(preview, flag_member(root, "preview"));
  out.preview = preview;
  if (root["per_second"].present()) {
    const auto pace = root["per_second"].unsigned_integer();
    if (!pace || *pace > 100'000) return fail(Errc::kRefused, "per_second must be a number from 0 to 100000");
    out.per_second = static_cast<std::uint32_t>(*pace);
  }
  if (root["reason"].present() && !root["reason"].string()) return fail(Errc::kRefused, "reason must be a text");
  out.reason = root["reason"].string_or("");
  return out;
}

http::Response redrive(const Services& services, const http::Request& request) {
  const auto change = read_change(request, {"filter", "preview", "per_second"});
  if (!change) return http::problem(change.error());
  if (change->preview) {
    return answer(services.operations.redrive_preview(change->filter),
                  [](JsonWriter& json, const RedrivePreview& preview) { write(json, preview); });
  }
  return answer(
      services.operations.redrive(change->filter, change->per_second, request.principal.name),
      [](JsonWriter& json, std::uint64_t count) { json.begin_object().member("redriven", count).end_object(); });
}

http::Response discard(const Services& services, const http::Request& request) {
  const auto change = read_change(request, {"filter", "reason"});
  if (!change) return http::problem(change.error());
  if (change->reason.empty()) return http::problem(400, "a reason is needed: it stays on record");
  return answer(
      services.operations.discard(change->filter, request.principal.name, change->reason),
      [](JsonWriter& json, std::uint64_t count) { json.begin_object().member("discarded", count).end_object(); });
}

}  // namespace

Status add_queue_routes(http::Router& router, const Services& services) {
  const Services* with = &services;
  const auto on = [with](auto handler) {
    return [with, handler](const http::Request& request) { return handler(*with, request); };
  };
  MN_CHECK(router.add(
      {.method = "GET", .pattern = "/api/v1/queue", .zone = "admin", .scope = "queue.read", .handler = on(stats)}));
  MN_CHECK(router.add({.method = "GET",
                       .pattern = "/api/v1/queue/items",
                       .zone = "admin",
                       .scope = "queue.read",
                       .handler = on(items)}));
  MN_CHECK(router.add({.method = "POST",
                       .pattern = "/api/v1/queue/redrive",
                       .zone = "admin",
                       .scope = "queue.write",
                       .handler = on(redrive)}));
  return router.add({.method = "POST",
                     .pattern = "/api/v1/queue/discard",
                     .zone = "admin",
                     .scope = "queue.write",
                     .handler = on(discard)});
}

}  // namespace minato::admin

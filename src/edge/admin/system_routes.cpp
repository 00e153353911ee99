#include "edge/admin/admin.h"
#include "edge/admin/openapi.h"
#include "edge/admin/requests.h"
#include "edge/admin/views.h"

namespace minato::admin {
namespace {

http::Response healthz(const Services&, const http::Request&) { return http::text_response(200, "ok\n"); }

http::Response readyz(const Services& services, const http::Request&) {
  std::string why;
  return services.ready(why) ? http::text_response(200, "ready\n") : http::text_response(503, why + "\n");
}

http::Response metrics_text(const Services& services, const http::Request&) {
  http::Response response;
  response.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = services.metrics.exposition();
  return response;
}

http::Response openapi(const Services&, const http::Request&) {
  return http::json_response(200, std::string(openapi_document()));
}

http::Response status(const Services& services, const http::Request&) {
  // The journal's numbers are read before the queue's: whoever sees "all applied" and "nothing waits" in one answer may
  // believe it.
  std::string server;
  JsonWriter members(server);
  members.begin_object();
  services.status(members);
  members.end_object();
  const auto queue = services.operations.queue_stats();
  if (!queue) return http::problem(queue.error());
  return answer(services.operations.message_counts(), [&](JsonWriter& json, const std::vector<MessageCount>& counts) {
    std::uint64_t total = 0;
    std::uint64_t by_status[kMessageStatusCount] = {};
    for (const MessageCount& count : counts) {
      total += count.messages;
      by_status[static_cast<std::size_t>(count.status)] += count.messages;
    }
    json.begin_object().key("messages").begin_object().member("total", total);
    for (std::size_t i = 0; i < kMessageStatusCount; ++i) {
      json.member(minato::name(static_cast<MessageStatus>(i)), by_status[i]);
    }
    json.end_object().key("queue");
    write(json, *queue);
    if (server.size() > 2) json.raw(server.substr(1, server.size() - 2));
    json.end_object();
  });
}

http::Response feeds(const Services& services, const http::Request&) {
  const auto silences = services.operations.silences();
  if (!silences) return http::problem(silences.error());
  return answer(services.operations.feeds(), [&](JsonWriter& json, const std::vector<FeedTotals>& totals) {
    json.begin_object();
    write_list(json, "feeds", totals);
    write_list(json, "silences", *silences);
    json.end_object();
  });
}

http::Response done() { return http::json_response(200, "{\"done\":true}"); }

http::Response finish(const Status& status) { return status ? done() : http::problem(status.error()); }

http::Response backup(const Services& services, const http::Request& request) {
  const auto document = json::parse(request.body);
  if (!document) return http::problem(document.error());
  const Status known = only_members(document->root(), {"directory"});
  if (!known) return http::problem(known.error());
  const auto directory = document->root()["directory"].string();
  // A relative one would be below wherever the server was started, not where whoever asks believes.
  if (!directory || !directory->starts_with('/')) return http::problem(400, "directory is needed, as an absolute path");
  return finish(services.backup(std::string(*directory)));
}

http::Response purge(const Services& services, const http::Request& request) {
  const auto document = json::parse(request.body);
  if (!document) return http::problem(document.error());
  const Status known = only_members(document->root(), {"through", "reason"});
  if (!known) return http::problem(known.error());
  const auto through = document->root()["through"].unsigned_integer();
  const std::string_view reason = document->root()["reason"].string_or("");
  if (!through || reason.empty()) return http::problem(400, "through (a sequence) and reason are needed");
  return answer(services.purge(Seq{*through}, request.principal.name, reason), [](JsonWriter& json, Seq gone) {
    json.begin_object().member("purged_through", gone.value).end_object();
  });
}

http::Response reload(const Services& services, const http::Request&) { return finish(services.reload()); }

http::Response reset(const Services& services, const http::Request& request) {
  return finish(services.reset_destination(request.path_parameter("name")));
}

http::Response routes_text(const Services& services, const http::Request&) {
  http::Response response;
  response.headers.emplace_back("Content-Type", "application/toml");
  response.body = services.routes_text();
  return response;
}

http::Response routes_dry_run(const Services& services, const http::Request& request) {
  const auto limit = number_parameter(request, "limit", 1000, 100'000);
  if (!limit) return http::problem(limit.error());
  auto report = services.routes_dry_run(request.body, *limit);
  return report ? http::json_response(200, std::move(*report)) : http::problem(report.error());
}

http::Response routes_apply(const Services& services, const http::Request& request) {
  auto version = services.routes_apply(request.body, request.principal.name);
  if (!version) return http::problem(version.error());
  std::string body;
  JsonWriter(body).begin_object().member("version", *version).end_object();
  return http::json_response(200, std::move(body));
}

http::Response list_tokens(const Services& services, const http::Request&) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("tokens").begin_array();
  for (const TokenInfo& token : services.tokens.list()) {
    json.begin_object()
        .member("name", token.name)
        .member("created", to_rfc3339(token.created))
        .key("scopes")
        .begin_array();
    for (const std::string& scope : token.scopes) json.value(scope);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return http::json_response(200, std::move(body));
}

Result<std::string> make_token(const Services& services, const http::Request& request) {
  MN_TRY(document, json::parse(request.body));
  MN_CHECK(only_members(document.root(), {"name", "scopes"}));
  std::vector<std::string> scopes;
  for (const auto scope : document.root()["scopes"].entries()) scopes.emplace_back(scope.value.string_or(""));
  const std::string name(document.root()["name"].string_or(""));
  // Nobody hands out more than they hold.
  for (const std::string& scope : scopes) {
    if (!grants(request.principal.scopes, scope)) return fail(Errc::kRefused, "you do not hold the scope " + scope);
  }
  MN_TRY(token, services.tokens.create(name, std::move(scopes)));
  MN_CHECK(services.operations.note_action(request.principal.name, "token created", name));
  return token;
}

http::Response create_token(const Services& services, const http::Request& request) {
  return answer(make_token(services, request), [](JsonWriter& json, const std::string& token) {
    json.begin_object().member("token", token).end_object();
  });
}

http::Response revoke_token(const Services& services, const http::Request& request) {
  const std::string name(request.path_parameter("name"));
  const Status revoked = services.tokens.revoke(name);
  if (!revoked) return http::problem(revoked.error());
  return finish(services.operations.note_action(request.principal.name, "token revoked", name));
}

}  // namespace

Status add_system_routes(http::Router& router, const Services& services) {
  const Services* with = &services;
  const auto add = [&](std::string method, std::string pattern, std::string scope, auto handler) {
    const std::string zone = scope.empty() ? std::string(http::kPublicZone) : "admin";
    return router.add({.method = std::move(method),
                       .pattern = std::move(pattern),
                       .zone = zone,
                       .scope = std::move(scope),
                       .handler = [with, handler](const http::Request& request) { return handler(*with, request); }});
  };
  MN_CHECK(add("GET", "/healthz", "", healthz));
  MN_CHECK(add("GET", "/readyz", "", readyz));
  MN_CHECK(add("GET", "/openapi.json", "", openapi));
  MN_CHECK(add("GET", "/metrics", "system.read", metrics_text));
  MN_CHECK(add("GET", "/api/v1/status", "system.read", status));
  MN_CHECK(add("GET", "/api/v1/feeds", "system.read", feeds));
  MN_CHECK(add("POST", "/api/v1/backup", "system.write", backup));
  MN_CHECK(add("POST", "/api/v1/purge", "system.write", purge));
  MN_CHECK(add("POST", "/api/v1/reload", "system.write", reload));
  MN_CHECK(add("POST", "/api/v1/destinations/{name}/reset", "system.write", reset));
  MN_CHECK(add("GET", "/api/v1/routes", "system.read", routes_text));
  MN_CHECK(add("POST", "/api/v1/routes/dry-run", "system.read", routes_dry_run));
  MN_CHECK(add("PUT", "/api/v1/routes", "system.write", routes_apply));
  MN_CHECK(add("GET", "/api/v1/tokens", "tokens.read", list_tokens));
  MN_CHECK(add("POST", "/api/v1/tokens", "tokens.write", create_token));
  return add("DELETE", "/api/v1/tokens/{name}", "tokens.write", revoke_token);
}

Status add_routes(http::Router& router, const Services& services) {
  MN_CHECK(add_system_routes(router, services));
  MN_CHECK(add_message_routes(router, services));
  MN_CHECK(add_queue_routes(router, services));
  MN_CHECK(add_registry_routes(router, services));
  return add_page_routes(router, services);
}

}  // namespace minato::admin

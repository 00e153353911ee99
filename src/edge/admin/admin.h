// The HTTP interface for people and machines that run the place: /healthz, /readyz, /metrics, /api/v1/…, the pages that
// mails link to. docs/openapi.json is its description; a test holds it against the running server, route by route.
//
//   http::Router routes;
//   MN_CHECK(admin::add_routes(routes, services));
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/metrics.h"
#include "edge/admin/tokens.h"
#include "flow/operations.h"
#include "os/http_server.h"

namespace minato::admin {

// What the server's wiring lends; everything outlives the HTTP server.
struct Services {
  Operations& operations;
  Tokens& tokens;
  metrics::Registry& metrics;
  // True when every door is open and the follower had caught up once; else the reason in `why`.
  std::function<bool(std::string& why)> ready;
  std::function<void(JsonWriter&)> status;  // members of GET /api/v1/status beside those from Operations
  std::function<Status(const std::string& directory)> backup;
  std::function<Result<Seq>(Seq through, std::string_view by, std::string_view reason)> purge;
  std::function<Status()> reload;  // certificates
  // The rules in use (text), their dry run (new rules → JSON) and their replacement.
  std::function<std::string()> routes_text;
  std::function<Result<std::string>(const std::string& text, std::size_t messages_max)> routes_dry_run;
  std::function<Result<std::string>(const std::string& text, std::string_view by)> routes_apply;
  // Closes a destination's circuit breaker again. kNotFound: no such destination.
  std::function<Status(std::string_view destination)> reset_destination;
  // The page behind a mail's link, as text and HTML of the provider's language. kNotFound.
  std::function<Result<std::string>(std::string_view id)> notice_html;
};

Status add_routes(http::Router& router, const Services& services);

// Each file's part of the routes.
Status add_system_routes(http::Router& router, const Services& services);
Status add_message_routes(http::Router& router, const Services& services);
Status add_queue_routes(http::Router& router, const Services& services);
Status add_registry_routes(http::Router& router, const Services& services);
Status add_page_routes(http::Router& router, const Services& services);

}  // namespace minato::admin

// The one HTTP port: HTTP/1.1 by libmicrohttpd, routes by method and path, a decision about access before every body.
//
//   http::Router routes;
//   MN_CHECK(routes.add({.method = "GET", .pattern = "/api/v1/messages/{id}", .zone = "admin", .scope =
//   "messages.read",
//                        .handler = [&](const http::Request& request) { return show(request.path_parameter("id"));
//                        }}));
//   MN_TRY(server, http::Server::start(options, std::move(routes), &authenticator));
//
// Each connection has a thread of its own, so a handler may block: a slow one holds up nobody else. Handlers are called
// from many threads at once. A server without an authenticator starts only if every route is public.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "base/time.h"
#include "os/http_types.h"
#include "os/socket.h"
#include "os/tls.h"

namespace minato::http {

struct Route;

// Who asks, as the Authenticator found out.
struct Principal {
  std::string name = {};  // for the audit record: a token's name, a certificate's common name; empty on public routes
  std::vector<std::string> scopes = {};
};

struct Request {
  std::string method = {};
  std::string path = {};    // decoded; each segment was decoded for itself, so an encoded slash never splits a segment
  std::string target = {};  // as it came: the path, still encoded, and the query
  std::vector<std::pair<std::string, std::string>> path_parameters = {};
  std::vector<std::pair<std::string, std::string>> query =
      {};  // decoded, in order, repeated names as often as they came
  Headers headers = {};
  std::string body = {};  // empty for a route with `receive`
  SocketAddress peer = {};
  bool over_tls = false;
  std::optional<PeerIdentity> client_certificate = {};  // only one that was verified
  std::optional<std::string> bearer_token = {};         // RFC 6750 section 2.1
  Principal principal = {};
  const Route* route = nullptr;

  // Empty if the pattern has no such name.
  std::string_view path_parameter(std::string_view name) const;
  std::optional<std::string_view> header(std::string_view name) const { return find(headers, name); }
  // The first of that name.
  std::optional<std::string_view> query_parameter(std::string_view name) const;
  std::vector<std::string_view> query_parameters(std::string_view name) const;
};

// Fills `into` with the next bytes of a body; 0 is the end. It may wait. An error cuts the connection, so that the
// client sees that the body is not whole; it is destroyed when the transfer ends, however it ends.
using Producer = std::function<Result<std::size_t>(std::span<char> into)>;

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  Producer producer = {};                            // if set, it makes the body instead of `body`
  std::optional<std::uint64_t> producer_bytes = {};  // its length if known (Content-Length); else chunked
};
Response text_response(int status, std::string body);
Response json_response(int status, std::string body);
// RFC 9457 application/problem+json with the status, its reason phrase and our own words.
Response problem(int status, std::string_view detail);
// The table from an error's class to HTTP: kRefused 400, kNotFound 404, kConflict 409, kTooLarge 413, kRetry and
// kUnavailable 503 (with Retry-After), kCorrupt 500.
Response problem(const Error& error);

// Takes a body while it comes. One per request, called by one thread.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  // An error ends the request with problem(error); the rest of the body is read and thrown away.
  virtual Status receive(std::string_view chunk) = 0;
  // The body is complete. Not called after an error or when the client vanished: the destructor cleans up.
  virtual Response finish() = 0;
};

using Handler = std::function<Response(const Request&)>;
// Called when access was granted and before the body is read. The request lives as long as the receiver.
using Receive = std::function<Result<std::unique_ptr<BodyReceiver>>(const Request&)>;

inline constexpr std::string_view kPublicZone = "public";

struct Route {
  std::string method;      // GET answers HEAD too
  std::string pattern;     // /api/v1/messages/{id}; a last segment {rest*} takes all that is left, slashes too
  std::string zone = {};   // a label for access and audit: public, admin, clinical …; kPublicZone asks nobody
  std::string scope = {};  // what a principal must hold; empty only on public routes
  Handler handler = {};    // exactly one of the two
  Receive receive = {};
  std::size_t body_bytes_max = kHttpBodyBytesMax;
};

class Router {
 public:
  // kConflict: the same method and pattern again. kRefused: a pattern that does not parse, neither or both handlers, a
  // zone or (unless public) a scope missing. A literal segment wins over a parameter, a parameter over {rest*}.
  Status add(Route route);
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

  struct Match {
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> parameters;
    std::vector<std::string> allowed;  // the path's methods when there is a path but not for this method (405)
  };
  // `segments` are decoded. route is null and allowed empty when there is no such path.
  Match match(std::string_view method, const std::vector<std::string>& segments) const;

 private:
  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<std::vector<std::string>> patterns_;  // segments, beside routes_
};

enum class Access : std::uint8_t {
  kGranted,
  kUnauthenticated,  // 401 with WWW-Authenticate
  kForbidden,        // 403
  kUnavailable,      // 503: it cannot be decided now
};
struct Decision {
  Access access = Access::kUnauthenticated;
  Principal principal = {};
};
// Decides for every route that is not public, once a request, before its body is read. Called from many threads.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual Decision decide(const Request& request, const Route& route) = 0;
};

struct ServerTls {
  std::string certificate_file = {};  // PEM: certificate and chain
  std::string key_file = {};
  std::string client_ca_file = {};  // PEM; empty: client certificates are not asked for
  std::string crl_file = {};        // PEM; empty: none are revoked
  // kRequired: every request without a valid one is answered 403. kOptional: one that is given must be valid, or 403.
  ClientCertificates client_certificates = ClientCertificates::kNone;
};

// One answered request, for the access log and metrics.
struct Exchange {
  const Request& request;  // route is null when none matched
  int status;
  std::chrono::microseconds duration;  // from the headers to the last byte of the answer
  bool completed;                      // the whole answer was handed to the network
};

struct ServerOptions {
  ListenOptions listen = {};
  std::optional<ServerTls> tls = {};
  unsigned connections_max = kHttpConnectionsMax;
  unsigned connections_per_ip_max = 0;  // 0: no limit of its own
  std::size_t header_bytes_max = kHttpHeaderBytesMax;
  std::chrono::seconds idle_timeout{30};               // without a byte in either direction
  std::function<void(const Exchange&)> observer = {};  // called from many threads; may be empty
};

class Server {
 public:
  // kRefused: options or certificates that are wrong, or routes that need an authenticator and there is none.
  // kConflict: the port is taken. The authenticator outlives the server.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Router routes,
                                               Authenticator* authenticator);
  // stop() with no time left.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const SocketAddress& bound() const;
  std::size_t requests_running() const;
  // Reads the TLS files again: new connections get the new ones, those that exist keep what they have and go on. After
  // an error the old ones stay in use.
  Status reload_tls();
  Time certificate_not_after() const;

  // Accepts no more connections, answers what is running with Connection: close, refuses new requests on old
  // connections with 503, and returns when all is answered or at the deadline; then every connection is closed.
  // Producers and handlers that still run after it are waited for: they must watch for the shutdown themselves.
  void stop(Deadline deadline);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace minato::http

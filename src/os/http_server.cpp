#include "os/http_server.h"

#include <microhttpd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>

#include "base/bytes.h"
#include "base/log.h"
#include "os/http_message.h"
#include "os/http_tls.h"
#include "os/thread.h"

namespace minato::http {
namespace {

using std::chrono::steady_clock;

constexpr const char* kTlsPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";
constexpr std::size_t kProducerChunkBytes = 64 * kKiB;

// What is known of a connection, from its first request on.
struct Connection {
  bool checked = false;
  TlsMaterial::Client client;
};

// One libmicrohttpd daemon. After a reload the old one serves the connections that it has, until they end.
struct Daemon {
  Server* server = nullptr;
  MHD_Daemon* handle = nullptr;
  std::shared_ptr<const TlsMaterial> tls;
  bool accepting = true;
};

// One request on its way from the first line to the last byte of the answer.
struct Transfer {
  Daemon* daemon = nullptr;
  Request request = {};
  Framing framing = {};
  bool counted = false;  // the headers are complete, so it counts as running
  steady_clock::time_point start = {};
  std::unique_ptr<BodyReceiver> receiver = nullptr;
  std::optional<Response> early =
      std::nullopt;          // the answer was known before the body ended; what comes is thrown away
  bool close_after = false;  // nothing may follow on this connection
  std::uint64_t body_bytes = 0;
  std::size_t body_bytes_max = 0;
  int status = 0;
};

// A body that is produced while it is sent.
struct Production {
  MHD_Connection* connection;
  Producer produce;
  std::optional<std::uint64_t> total;
  unsigned idle_timeout_seconds;
  std::uint64_t sent = 0;
};

// While our own code works, the connection's idle time-out does not run: it is for peers, not for slow handlers.
class Busy {
 public:
  Busy(MHD_Connection* connection, unsigned seconds) : connection_(connection), seconds_(seconds) {
    MHD_set_connection_option(connection_, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
  }
  ~Busy() { MHD_set_connection_option(connection_, MHD_CONNECTION_OPTION_TIMEOUT, seconds_); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  MHD_Connection* connection_;
  unsigned seconds_;
};

ssize_t produce(void* cls, std::uint64_t, char* buffer, std::size_t size) {
  auto& production = *static_cast<Production*>(cls);
  const Busy busy(production.connection, production.idle_timeout_seconds);
  try {
    const auto made = production.produce({buffer, size});
    if (!made || *made > size) return MHD_CONTENT_READER_END_WITH_ERROR;
    production.sent += *made;
    if (*made > 0) return static_cast<ssize_t>(*made);
    const bool whole = !production.total || production.sent == *production.total;
    return whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
  } catch (const std::exception&) {
    return MHD_CONTENT_READER_END_WITH_ERROR;
  }
}

MHD_Result collect(void* cls, MHD_ValueKind, const char* key, std::size_t key_size, const char* value,
                   std::size_t value_size) {
  static_cast<Headers*>(cls)->emplace_back(std::string(key, key_size),
                                           value == nullptr ? std::string() : std::string(value, value_size));
  return MHD_YES;
}

Response refused(const Refusal& refusal) { return problem(refusal.status, refusal.why); }

// libmicrohttpd decides these by itself.
bool is_framing_header(std::string_view name) {
  return ascii_iequals(name, "Content-Length") || ascii_iequals(name, "Transfer-Encoding") ||
         ascii_iequals(name, "Connection") || ascii_iequals(name, "Date");
}

}  // namespace

struct Server::State {
  ServerOptions options;
  Router routes;
  Authenticator* authenticator = nullptr;
  Listener listener;
  std::mutex daemons_mutex;                      // guards daemons and listener.fd; never held while a daemon ends
  std::vector<std::unique_ptr<Daemon>> daemons;  // the last one accepts
  std::atomic<bool> stopping{false};
  std::mutex running_mutex;  // guards running
  std::condition_variable none_running;
  std::size_t running = 0;

  unsigned idle_seconds() const { return static_cast<unsigned>(options.idle_timeout.count()); }
  Status start_daemon(std::shared_ptr<const TlsMaterial> tls);
  std::vector<std::unique_ptr<Daemon>> take_ended();
  void begin(Transfer& transfer);
  void end(Transfer& transfer, bool completed);
  std::optional<Response> prepare(Transfer& transfer, MHD_Connection* connection);
  std::optional<Response> admit(Transfer& transfer, MHD_Connection* connection);
  std::optional<Response> authorize(Request& request) const;
  std::optional<Response> open_body(Transfer& transfer);
  MHD_Result headers_came(Transfer& transfer, MHD_Connection* connection, const char* method, const char* version);
  void body_came(Transfer& transfer, MHD_Connection* connection, std::string_view chunk);
  Response answer(Transfer& transfer);
  MHD_Result send(Transfer& transfer, MHD_Connection* connection, Response response);

  static State& of(const Transfer& transfer) { return *transfer.daemon->server->state_; }
  static void* on_target(void* cls, const char* uri, MHD_Connection* connection);
  static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url, const char* method,
                               const char* version, const char* data, std::size_t* size, void** request);
  static void on_completed(void* cls, MHD_Connection* connection, void** request, MHD_RequestTerminationCode code);
  static void on_connection(void* cls, MHD_Connection* connection, void** context, MHD_ConnectionNotificationCode code);
  Server* server = nullptr;
};

namespace {

MHD_Response* make_response(MHD_Connection* connection, Response& response, unsigned idle_seconds) {
  if (response.producer) {
    const std::uint64_t size = response.producer_bytes.value_or(MHD_SIZE_UNKNOWN);
    auto* production = new Production{connection, std::move(response.producer), response.producer_bytes, idle_seconds};
    const auto release = [](void* cls) { delete static_cast<Production*>(cls); };
    MHD_Response* made = MHD_create_response_from_callback(size, kProducerChunkBytes, &produce, production, release);
    if (made == nullptr) delete production;
    return made;
  }
  auto* body = new std::string(std::move(response.body));
  const auto release = [](void* cls) { delete static_cast<std::string*>(cls); };
  MHD_Response* made =
      MHD_create_response_from_buffer_with_free_callback_cls(body->size(), body->data(), release, body);
  if (made == nullptr) delete body;
  return made;
}

bool add_headers(MHD_Response* made, const Headers& headers) {
  return std::ranges::all_of(headers, [made](const auto& header) {
    return is_framing_header(header.first) ||
           MHD_add_response_header(made, header.first.c_str(), header.second.c_str()) == MHD_YES;
  });
}

}  // namespace

void Server::State::begin(Transfer& transfer) {
  transfer.counted = true;
  transfer.start = steady_clock::now();
  const std::lock_guard lock(running_mutex);
  ++running;
}

void Server::State::end(Transfer& transfer, bool completed) {
  if (!transfer.counted) return;
  if (options.observer) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - transfer.start);
    options.observer({transfer.request, transfer.status, took, completed});
  }
  const std::lock_guard lock(running_mutex);
  if (--running == 0) none_running.notify_all();
}

MHD_Result Server::State::send(Transfer& transfer, MHD_Connection* connection, Response response) {
  MHD_Response* made = make_response(connection, response, idle_seconds());
  if (made == nullptr) return MHD_NO;
  const bool good = add_headers(made, response.headers);
  if (transfer.close_after || stopping) MHD_add_response_header(made, "Connection", "close");
  if (!good) {  // our fault: a header with a line break in it must not reach the peer
    log::error("http.malformed_header",
               {{"route", log::own(transfer.request.route ? transfer.request.route->pattern : "")}});
    MHD_destroy_response(made);
    if (transfer.status == 500) return MHD_NO;
    transfer.status = 500;
    return send(transfer, connection, problem(500, ""));
  }
  transfer.status = response.status;
  const MHD_Result queued = MHD_queue_response(connection, static_cast<unsigned>(response.status), made);
  MHD_destroy_response(made);
  return queued;
}

std::optional<Response> Server::State::authorize(Request& request) const {
  if (request.route->zone == kPublicZone) return std::nullopt;
  Decision decision = authenticator->decide(request, *request.route);
  request.principal = std::move(decision.principal);
  switch (decision.access) {
    case Access::kGranted:
      return std::nullopt;
    case Access::kUnauthenticated:
      return problem(401, "");
    case Access::kForbidden:
      return problem(403, "");
    case Access::kUnavailable:
      return problem(503, "");
  }
  return problem(403, "");
}

std::optional<Response> Server::State::open_body(Transfer& transfer) {
  const Route& route = *transfer.request.route;
  transfer.body_bytes_max = route.body_bytes_max;
  if (transfer.framing.content_length > route.body_bytes_max)
    return problem(413, "the body is larger than the route allows");
  if (!route.receive) return std::nullopt;
  auto receiver = route.receive(transfer.request);
  if (!receiver) return problem(receiver.error());
  transfer.receiver = std::move(*receiver);
  return std::nullopt;
}

// What belongs to the connection: its peer and its certificate, looked at once.
std::optional<Response> Server::State::admit(Transfer& transfer, MHD_Connection* connection) {
  const auto* address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (address != nullptr) transfer.request.peer = to_socket_address(address->client_addr).value_or(SocketAddress{});
  if (!transfer.daemon->tls) return std::nullopt;
  transfer.request.over_tls = true;
  const auto* context = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  const auto* session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  if (context == nullptr || context->socket_context == nullptr || session == nullptr) return problem(503, "");
  auto& known = *static_cast<Connection*>(context->socket_context);
  if (!known.checked)
    known.client = transfer.daemon->tls->check_client(static_cast<gnutls_session_int*>(session->tls_session));
  known.checked = true;
  if (!known.client.refusal.empty()) return problem(403, known.client.refusal);
  transfer.request.client_certificate = known.client.identity;
  return std::nullopt;
}

// Everything that can be said before the body. nullopt: go on, the body is wanted.
std::optional<Response> Server::State::prepare(Transfer& transfer, MHD_Connection* connection) {
  Request& request = transfer.request;
  if (auto response = admit(transfer, connection)) return response;
  if (stopping) return problem(503, "the server is stopping");
  auto target = parse_target(request.target);
  if (!target) return refused(target.error());
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  auto token = bearer_token(request.headers);
  if (!token) return refused(token.error());
  request.bearer_token = std::move(*token);
  auto match = routes.match(request.method, target->segments);
  if (match.allowed.empty()) return problem(404, "");
  if (match.route == nullptr) {
    Response response = problem(405, "");
    std::string allowed;
    for (const auto& method : match.allowed) allowed += (allowed.empty() ? "" : ", ") + method;
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  request.route = match.route;
  request.path_parameters = std::move(match.parameters);
  if (auto response = authorize(request)) return response;
  return open_body(transfer);
}

MHD_Result Server::State::headers_came(Transfer& transfer, MHD_Connection* connection, const char* method,
                                       const char* version) {
  begin(transfer);
  Request& request = transfer.request;
  request.method = method;
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, &collect, &request.headers);
  const auto framing = check_framing(version, request.headers);
  const auto line = check_request_line(method, version);
  if (line || !framing) {  // where this message ends is not known, so nothing may follow it
    transfer.close_after = true;
    return send(transfer, connection, refused(line ? *line : framing.error()));
  }
  transfer.framing = *framing;
  const Busy busy(connection, idle_seconds());
  auto response = prepare(transfer, connection);
  if (!response) return MHD_YES;
  // Answered before the body is read, the link ends with it, and unread bytes would make that a reset. So what is on
  // its way is read and thrown away, unless the client waits for our word or would send too much.
  const bool drain = transfer.framing.has_body && !transfer.framing.expects_continue &&
                     transfer.framing.content_length <= kHttpDrainBytesMax;
  if (drain) {
    transfer.early = std::move(*response);
    return MHD_YES;
  }
  transfer.close_after = transfer.framing.has_body;
  return send(transfer, connection, std::move(*response));
}

void Server::State::body_came(Transfer& transfer, MHD_Connection* connection, std::string_view chunk) {
  transfer.body_bytes += chunk.size();
  if (transfer.early) return;
  if (transfer.body_bytes > transfer.body_bytes_max) {
    transfer.early = problem(413, "the body is larger than the route allows");
    transfer.receiver.reset();
    transfer.request.body.clear();
    return;
  }
  if (!transfer.receiver) {
    transfer.request.body.append(chunk);
    return;
  }
  const Busy busy(connection, idle_seconds());
  if (const auto taken = transfer.receiver->receive(chunk); !taken) {
    transfer.early = problem(taken.error());
    transfer.receiver.reset();
  }
}

// The body is complete. The link can go on after an answer that came early, for the body was read to its end.
Response Server::State::answer(Transfer& transfer) {
  if (transfer.early) return std::move(*transfer.early);
  if (transfer.receiver) return transfer.receiver->finish();
  return transfer.request.route->handler(transfer.request);
}

void* Server::State::on_target(void* cls, const char* uri, MHD_Connection*) {
  auto* transfer = new (std::nothrow) Transfer{.daemon = static_cast<Daemon*>(cls)};
  if (transfer != nullptr) transfer->request.target = uri;
  return transfer;
}

MHD_Result Server::State::on_request(void*, MHD_Connection* connection, const char*, const char* method,
                                     const char* version, const char* data, std::size_t* size, void** request) {
  if (*request == nullptr) return MHD_NO;
  Transfer& transfer = *static_cast<Transfer*>(*request);
  State& state = of(transfer);
  try {
    if (!transfer.counted) return state.headers_came(transfer, connection, method, version);
    if (*size > 0) {
      state.body_came(transfer, connection, {data, *size});
      *size = 0;
      const bool too_much = transfer.early && transfer.body_bytes > transfer.body_bytes_max + kHttpDrainBytesMax;
      return too_much ? MHD_NO : MHD_YES;
    }
    const Busy busy(connection, state.idle_seconds());
    return state.send(transfer, connection, state.answer(transfer));
  } catch (const std::exception&) {  // a library's, through a handler; out of memory
    log::error("http.handler_failed",
               {{"route", log::own(transfer.request.route ? transfer.request.route->pattern : "")}});
    return MHD_NO;
  }
}

void Server::State::on_completed(void*, MHD_Connection*, void** request, MHD_RequestTerminationCode code) {
  auto* transfer = static_cast<Transfer*>(*request);
  *request = nullptr;
  if (transfer == nullptr) return;
  of(*transfer).end(*transfer, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
  delete transfer;
}

void Server::State::on_connection(void*, MHD_Connection*, void** context, MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    *context = new (std::nothrow) Connection;
  } else {
    delete static_cast<Connection*>(*context);
    *context = nullptr;
  }
}

// With daemons_mutex held.
Status Server::State::start_daemon(std::shared_ptr<const TlsMaterial> tls) {
  auto daemon = std::make_unique<Daemon>();
  daemon->server = server;
  daemon->tls = std::move(tls);
  Fd socket(::dup(listener.fd.get()));
  if (!socket.valid()) return fail(Errc::kUnavailable, "HTTP: out of descriptors");
  std::vector<MHD_OptionItem> more = {
      {MHD_OPTION_LISTEN_SOCKET, socket.get(), nullptr},
      {MHD_OPTION_CONNECTION_LIMIT, static_cast<intptr_t>(options.connections_max), nullptr},
      {MHD_OPTION_PER_IP_CONNECTION_LIMIT, static_cast<intptr_t>(options.connections_per_ip_max), nullptr},
      {MHD_OPTION_CONNECTION_TIMEOUT, static_cast<intptr_t>(options.idle_timeout.count()), nullptr},
      {MHD_OPTION_CONNECTION_MEMORY_LIMIT, static_cast<intptr_t>(options.header_bytes_max), nullptr},
      {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
      {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, nullptr},
  };
  if (daemon->tls) {
    const auto text = [](const std::string& pem) { return const_cast<char*>(pem.c_str()); };
    more.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, text(daemon->tls->certificate())});
    more.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, text(daemon->tls->key())});
    more.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(kTlsPriorities)});
    if (!daemon->tls->client_ca().empty())
      more.push_back({MHD_OPTION_HTTPS_MEM_TRUST, 0, text(daemon->tls->client_ca())});
  }
  more.push_back({MHD_OPTION_END, 0, nullptr});
  const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC |
                         static_cast<unsigned>(daemon->tls ? MHD_USE_TLS : MHD_NO_FLAG);
  daemon->handle = MHD_start_daemon(flags, 0, nullptr, nullptr, &State::on_request, daemon.get(),  //
                                    MHD_OPTION_URI_LOG_CALLBACK, &State::on_target, daemon.get(),  //
                                    MHD_OPTION_NOTIFY_COMPLETED, &State::on_completed, nullptr,    //
                                    MHD_OPTION_NOTIFY_CONNECTION, &State::on_connection, nullptr,  //
                                    MHD_OPTION_ARRAY, more.data(), MHD_OPTION_END);
  if (daemon->handle == nullptr) return fail(Errc::kUnavailable, "HTTP: the server did not start");
  socket.release();
  daemons.push_back(std::move(daemon));
  return {};
}

// With daemons_mutex held: the daemons that no longer accept and whose connections have ended.
std::vector<std::unique_ptr<Daemon>> Server::State::take_ended() {
  const auto ended = [](const Daemon& daemon) {
    const auto* info = MHD_get_daemon_info(daemon.handle, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return !daemon.accepting && info != nullptr && info->num_connections == 0;
  };
  std::vector<std::unique_ptr<Daemon>> taken, kept;
  for (auto& daemon : daemons) (ended(*daemon) ? taken : kept).push_back(std::move(daemon));
  daemons = std::move(kept);
  return taken;
}

namespace {

void quiesce(Daemon& daemon) {
  if (!daemon.accepting) return;
  daemon.accepting = false;
  const MHD_socket socket = MHD_quiesce_daemon(daemon.handle);
  if (socket != MHD_INVALID_SOCKET) ::close(socket);
}

Status check_options(const ServerOptions& options, const Router& routes, const Authenticator* authenticator) {
  const auto closed = [](const auto& route) { return route->zone != kPublicZone; };
  if (authenticator == nullptr && std::ranges::any_of(routes.routes(), closed)) {
    return fail(Errc::kRefused, "HTTP: routes that are not public need an authenticator");
  }
  if (options.connections_max == 0) return fail(Errc::kRefused, "HTTP: no connections allowed");
  if (options.header_bytes_max < 4 * kKiB) return fail(Errc::kRefused, "HTTP: less than 4 KiB for headers");
  if (options.idle_timeout.count() < 1) return fail(Errc::kRefused, "HTTP: an idle time-out below one second");
  return {};
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Router routes,
                                              Authenticator* authenticator) {
  ignore_broken_pipes();
  MN_CHECK(check_options(options, routes, authenticator));
  std::shared_ptr<const TlsMaterial> tls;
  if (options.tls) {
    MN_TRY(loaded, TlsMaterial::load(*options.tls));
    tls = std::move(loaded);
  }
  MN_TRY(listener, listen_tcp(options.listen));
  auto state = std::make_unique<State>();
  state->options = options;
  state->routes = std::move(routes);
  state->authenticator = authenticator;
  state->listener = std::move(listener);
  std::unique_ptr<Server> server(new Server(std::move(state)));
  server->state_->server = server.get();
  const std::lock_guard lock(server->state_->daemons_mutex);
  MN_CHECK(server->state_->start_daemon(std::move(tls)));
  return server;
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { stop(steady_clock::now()); }

const SocketAddress& Server::bound() const { return state_->listener.bound; }

std::size_t Server::requests_running() const {
  const std::lock_guard lock(state_->running_mutex);
  return state_->running;
}

Status Server::reload_tls() {
  if (!state_->options.tls) return fail(Errc::kRefused, "HTTP: this server has no TLS");
  if (state_->stopping) return fail(Errc::kUnavailable, "HTTP: the server is stopping");
  MN_TRY(loaded, TlsMaterial::load(*state_->options.tls));
  std::vector<std::unique_ptr<Daemon>> ended;
  {
    // libmicrohttpd cannot change a daemon's certificates: a second daemon takes over the listening socket.
    const std::lock_guard lock(state_->daemons_mutex);
    MN_CHECK(state_->start_daemon(std::move(loaded)));
    for (std::size_t i = 0; i + 1 < state_->daemons.size(); ++i) quiesce(*state_->daemons[i]);
    ended = state_->take_ended();
  }
  for (const auto& daemon : ended) MHD_stop_daemon(daemon->handle);
  return {};
}

Time Server::certificate_not_after() const {
  const std::lock_guard lock(state_->daemons_mutex);
  if (state_->daemons.empty() || !state_->daemons.back()->tls) return Time{};
  return state_->daemons.back()->tls->not_after();
}

void Server::stop(Deadline deadline) {
  state_->stopping = true;
  {
    const std::lock_guard lock(state_->daemons_mutex);
    for (auto& daemon : state_->daemons) quiesce(*daemon);
    state_->listener.fd.reset();
  }
  {
    std::unique_lock lock(state_->running_mutex);
    state_->none_running.wait_until(lock, deadline, [this] { return state_->running == 0; });
  }
  std::vector<std::unique_ptr<Daemon>> daemons;
  {
    const std::lock_guard lock(state_->daemons_mutex);
    daemons.swap(state_->daemons);
  }
  for (auto& daemon : daemons) MHD_stop_daemon(daemon->handle);
}

}  // namespace minato::http

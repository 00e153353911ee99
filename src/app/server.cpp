#include "app/server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <csignal>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "app/housekeeping.h"
#include "app/stores.h"
#include "app/wiring.h"
#include "base/log.h"
#include "crypto/random.h"
#include "edge/admin/admin.h"
#include "edge/mllp/server.h"
#include "flow/deliver_step.h"
#include "flow/process_step.h"
#include "flow/worker.h"
#include "language/dictionary.h"
#include "os/files.h"
#include "os/thread.h"

namespace minato {
namespace {

constexpr auto kDrain = std::chrono::seconds(10);

// systemd's notification socket (sd_notify(3)); nothing when we were not started by it.
void notify_systemd(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // abstract namespace
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  static_cast<void>(
      ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size));
  ::close(fd);
}

// Keys the opaque ids in links and Message-IDs; made once, kept for the life of the data directory.
Result<std::string> id_secret(const std::string& data_dir) {
  const std::string path = data_dir + "/id.secret";
  MN_TRY(there, real_files().exists(path));
  if (there) return read_file(real_files(), path, kKiB);
  std::string secret = crypto::random_token();
  MN_CHECK(write_file_atomically(real_files(), path, secret));
  return secret;
}

std::string url_of(const Config& config, const SocketAddress& bound) {
  const std::string host =
      config.http.address.find(':') == std::string::npos ? config.http.address : "[" + config.http.address + "]";
  return (config.http.tls.enabled() ? "https://" : "http://") + host + ":" + std::to_string(bound.port);
}

}  // namespace

struct Server::State {
  Config config;
  metrics::Registry metrics;
  std::atomic<bool> ready{false};
  std::atomic<bool> fatal{false};
  std::unique_ptr<Receiver> receiver;
  std::unique_ptr<Stores> stores;
  std::unique_ptr<admin::Tokens> tokens;
  std::unique_ptr<PatientMaster> master;
  std::unique_ptr<MailSender> sender;
  std::shared_ptr<MailStep> mail;
  std::unique_ptr<EffectGuard> guard;
  std::unique_ptr<CurrentRoutes> routes;
  std::map<std::string, DestinationKind> destination_kinds;
  std::map<std::string, std::shared_ptr<DeliverStep>> destinations;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<admin::Services> services;
  std::unique_ptr<http::Server> http;
  std::unique_ptr<mllp::Server> mllp;
  std::unique_ptr<Housekeeping> housekeeping;
  std::jthread follower;
  std::string url;

  // The journal or the follower cannot go on: whatever is asked from now on could be answered wrongly. The main thread
  // stops the process.
  void fail_for_good(const Error& error) {
    if (fatal.exchange(true)) return;
    log::alarm("server.stopping", {{"error", error}});
    ::kill(::getpid(), SIGTERM);
  }

  Status open_stores();
  Status open_flow();
  Status open_doors();
  Status open_destinations();
  Status add_workers(const NotifyRules& rules);
  Result<std::vector<ChildItem>> route(const hl7::Message& message, const Entry& entry) const;
  Result<std::string> dry_run(const std::string& text, std::size_t messages_max);
  void make_services();
};

Status Server::State::open_stores() {
  StoreHooks hooks;
  hooks.observer = [this](std::span<const Entry> entries) {
    if (receiver) receiver->observe(entries);
  };
  hooks.on_fatal = [this](const Error& error) { fail_for_good(error); };
  MN_TRY(opened, Stores::open(config, metrics, std::move(hooks)));
  stores = std::move(opened);
  MN_TRY(made, admin::Tokens::open(real_files(), real_clock(), config.data_dir));
  tokens = std::move(made);
  return {};
}

Status Server::State::open_flow() {
  ReceiverOptions receiving = receiver_options(config);
  receiving.on_fatal = [this](const Error& error) { fail_for_good(error); };
  receiver = std::make_unique<Receiver>(std::move(receiving), stores->journal(), real_clock(), metrics);
  MN_CHECK(receiver->recover());
  MN_CHECK(stores->catch_up({}));
  follower = start_thread("follow", [this](std::stop_token stop) { stores->follower().run(stop); });
  MN_TRY(secret, id_secret(config.data_dir));
  MN_TRY(rules, notify_rules(config, secret));
  MN_CHECK(open_destinations());
  return add_workers(rules);
}

Status Server::State::add_workers(const NotifyRules& rules) {
  MN_TRY(asked, patient_master(config, real_clock()));
  master = std::move(asked);
  MN_TRY(sending, mail_sender(config));
  sender = std::move(sending);
  MN_TRY(templates, MailTemplates::load(real_files(), config.notify.templates_dir));
  MN_TRY(mail_config, mail_options(config, rules, url));
  mail = std::make_shared<MailStep>(
      MailContext{stores->journal(), stores->derived(), stores->queue(), real_clock(), *sender, master.get(),
                  stores->feeds(), std::move(templates), language::builtin_dictionary()},
      std::move(mail_config));
  auto process = std::make_shared<ProcessStep>(
      stores->derived(), real_clock(), master.get(), ProcessOptions{stores->feeds(), rules, config.notify.enabled},
      [this](const hl7::Message& message, const Entry& entry) { return route(message, entry); });
  const std::string node = crypto::random_token().substr(0, 8);
  workers = std::make_unique<WorkerPool>(WorkerContext{stores->journal(), stores->queue(), stores->progress(),
                                                       real_clock(), real_random(), metrics, node});
  const RetryPolicy retry{config.queue.receives_max, config.queue.backoff_first, config.queue.backoff_max};
  workers->add({"process", {std::string(kProcessStep)}, process, config.queue.workers, 64, retry});
  workers->add({"mail", {std::string(kMailStep)}, mail, 2, 8, retry});
  // Each destination has a thread of its own, so that a dead one holds up nobody else.
  for (const auto& [name, step] : destinations) {
    workers->add({name, {delivery_step_name(destination_kinds.at(name), name)}, step, 1, 16, retry});
  }
  return {};
}

Status Server::State::open_destinations() {
  guard = std::make_unique<EffectGuard>(stores->journal(), stores->derived(), real_clock());
  std::vector<std::string> names;
  for (const DestinationConfig& destination : config.destinations) {
    MN_TRY(options, destination_options(destination));
    names.push_back(options.name);
    destination_kinds.emplace(options.name, options.kind);
  }
  std::string initial;
  if (!config.routes_file.empty()) {
    MN_TRY(text, read_file(real_files(), config.routes_file, kRouteTextBytesMax));
    initial = std::move(text);
  }
  MN_TRY(opened, CurrentRoutes::open(real_files(), config.data_dir + "/routes", initial, names));
  routes = std::move(opened);
  // The file of the configuration counts at every start; what was applied by the interface lasts until then only if no
  // file is configured.
  if (!config.routes_file.empty() && routes->current()->text() != initial) {
    MN_TRY(version, routes->apply(initial));
    log::info("routes.applied", {{"version", log::own(version)}});
  }
  for (const DestinationConfig& destination : config.destinations) {
    MN_TRY(options, destination_options(destination));
    MN_TRY(deliverer, make_deliverer(options, real_files(), real_clock()));
    destinations.emplace(options.name,
                         std::make_shared<DeliverStep>(DeliverStep::Context{*routes, *guard, real_clock()}, options,
                                                       std::move(deliverer)));
  }
  return {};
}

Result<std::vector<ChildItem>> Server::State::route(const hl7::Message& message, const Entry& entry) const {
  if (destinations.empty()) return std::vector<ChildItem>();
  MN_TRY(received, parse_received(entry.record.meta));
  return routed_children(*routes->current(), message, {received.listener}, destination_kinds);
}

Result<std::string> Server::State::dry_run(const std::string& text, std::size_t messages_max) {
  MN_TRY(rules, RouteSet::parse(text, "routes", &routes->destinations()));
  const auto current = routes->current();
  DryRun run(*current, *rules);
  std::optional<Seq> before;
  for (std::size_t tried = 0; tried < messages_max;) {
    MN_TRY(page, stores->operations().messages({}, before, std::min<std::size_t>(messages_max - tried, 500)));
    for (const IndexedMessage& row : page.rows) {
      MN_TRY(bytes, stores->operations().message_bytes(row.seq));
      ++tried;
      if (const auto message = hl7::Message::view(bytes)) run.add(row.seq, *message, {row.listener});
    }
    if (!page.next || page.rows.empty()) break;
    before = page.next;
  }
  return run.json();
}

void Server::State::make_services() {
  services = std::make_unique<admin::Services>(admin::Services{
      .operations = stores->operations(),
      .tokens = *tokens,
      .metrics = metrics,
      .ready =
          [this](std::string& why) {
            if (fatal)
              why = "stopping: the journal or the follower failed";
            else if (!ready)
              why = "starting";
            return ready && !fatal;
          },
      .status =
          [this](JsonWriter& json) {
            housekeeping->write_status(json);
            json.key("destinations").begin_object();
            for (const auto& [name, step] : destinations) json.member(name, minato::name(step->breaker_state()));
            json.end_object().member("connections", mllp->connections());
          },
      .backup = [this](const std::string& directory) { return housekeeping->backup(directory); },
      .purge = [this](Seq through, std::string_view by,
                      std::string_view reason) { return housekeeping->purge(through, by, reason); },
      .reload = [this]() -> Status {
        if (config.http.tls.enabled()) MN_CHECK(http->reload_tls());
        return mllp->reload_certificates();
      },
      .routes_text = [this] { return routes->current()->text(); },
      .routes_dry_run = [this](const std::string& text,
                               std::size_t messages_max) { return dry_run(text, messages_max); },
      .routes_apply = [this](const std::string& text, std::string_view by) -> Result<std::string> {
        MN_TRY(version, routes->apply(text));
        MN_CHECK(stores->operations().note_action(by, "routes applied", version));
        return version;
      },
      .reset_destination = [this](std::string_view name) -> Status {
        const auto at = destinations.find(std::string(name));
        if (at == destinations.end()) return fail(Errc::kNotFound, "no such destination");
        at->second->reset_breaker();
        return {};
      },
      .notice_html = [this](std::string_view id) { return mail->page(id); },
  });
}

Status Server::State::open_doors() {
  // The HTTP port is taken first, so that links in mails can name it; it answers 503 to /readyz until all is open.
  http::Router router;
  MN_CHECK(admin::add_routes(router, *services));
  MN_TRY(options, http_options(config));
  MN_TRY(serving, http::Server::start(options, std::move(router), tokens.get()));
  http = std::move(serving);
  MN_TRY(doors, mllp_options(config));
  MN_TRY(listening, mllp::Server::start(doors, *receiver, metrics));
  mllp = std::move(listening);
  url = url_of(config, http->bound());
  return write_file_atomically(real_files(), config.data_dir + "/admin.url", url + "\n");
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { stop(); }

void Server::block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Result<std::unique_ptr<Server>> Server::start(const Config& config) {
  std::unique_ptr<Server> server(new Server(std::make_unique<State>()));
  State& state = *server->state_;
  state.config = config;
  MN_CHECK(state.open_stores());
  state.url = config.notify.base_url;
  if (state.url.empty()) state.url = "http://" + config.http.address + ":" + std::to_string(config.http.port);
  MN_CHECK(state.open_flow());
  state.housekeeping =
      std::make_unique<Housekeeping>(HousekeepingContext{state.config, *state.stores, state.metrics, real_clock()});
  state.make_services();
  MN_CHECK(state.open_doors());
  state.workers->start();
  state.ready = true;
  notify_systemd("READY=1\nSTATUS=accepting traffic");
  log::info("server.ready", {{"url", log::own(state.url)}});
  return server;
}

std::string Server::ready_line() const {
  std::string out = "ready";
  for (const MllpConfig& mllp : state_->config.mllp) {
    const auto bound = state_->mllp->bound(mllp.name);
    out += " mllp=" + mllp.address + ":" + std::to_string(bound ? bound->port : 0);
  }
  return out + " http=" + state_->url + " data=" + state_->config.data_dir;
}

Status Server::wait() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  while (true) {
    const timespec second{1, 0};
    const int signal = ::sigtimedwait(&set, nullptr, &second);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) {
      const Status reloaded = state_->services->reload();
      if (reloaded)
        log::info("server.reloaded", {});
      else
        log::error("server.reload_failed", {{"error", reloaded.error()}});
    }
    state_->housekeeping->tick();
  }
  if (state_->fatal) return fail(Errc::kCorrupt, "stopped: the journal or the follower failed; the log says why");
  return {};
}

void Server::stop() {
  State& state = *state_;
  if (!state.stores) return;
  notify_systemd("STOPPING=1");
  state.ready = false;
  const auto deadline = std::chrono::steady_clock::now() + kDrain;
  if (state.mllp) state.mllp->stop(deadline);
  if (state.http) state.http->stop(deadline);
  if (state.workers) state.workers->stop();
  if (state.follower.joinable()) {
    state.follower.request_stop();
    state.follower.join();
  }
  static_cast<void>(real_files().remove(state.config.data_dir + "/admin.url"));
  state.stores->journal().close();
  log::info("server.stopped", {});
  state.mllp.reset();
  state.http.reset();
  state.workers.reset();
  state.mail.reset();
  state.housekeeping.reset();
  state.receiver.reset();
  state.stores.reset();
}

}  // namespace minato

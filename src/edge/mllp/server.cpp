#include "edge/mllp/server.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "edge/mllp/byte_budget.h"
#include "edge/mllp/worker.h"
#include "os/thread.h"

namespace minato::mllp {
namespace {

// After the system ran out of descriptors or memory.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
// Connections taken from one listener before the loop turns to other things.
constexpr int kAcceptsPerTurn = 64;

double seconds_since_1970(Time time) { return static_cast<double>(to_micros(time)) / 1e6; }

// Takes connections from one listening socket, on the first worker's thread, and deals them out to all workers in turn.
class Acceptor final : public EventHandler {
 public:
  Acceptor(ListenerState& listener, std::vector<std::unique_ptr<Worker>>& workers)
      : listener_(listener), workers_(workers) {}

  Status begin() { return loop().add(listener_.socket.fd.get(), Interest::kRead, this); }
  void end() {
    loop().cancel(timer_);
    loop().remove(listener_.socket.fd.get());
    listener_.socket.fd.reset();
  }
  void on_ready(Ready) override {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      auto accepted = accept_tcp(listener_.socket.fd);
      if (accepted && !*accepted) return;
      if (accepted) {
        welcome(std::move(**accepted));
      } else if (accepted.error().code == Errc::kUnavailable) {
        return pause(accepted.error());
      }
    }
  }

 private:
  EventLoop& loop() { return workers_.front()->loop(); }

  void pause(const Error& error) {
    log::alarm("mllp.accept_fails", {{"listener", log::own(listener_.name())}, {"error", error}});
    const int fd = listener_.socket.fd.get();
    if (!loop().modify(fd, Interest::kNothing)) return;
    timer_ = loop().at(std::chrono::steady_clock::now() + kAcceptPause, [this, fd] {
      timer_ = {};
      [[maybe_unused]] const Status resumed = loop().modify(fd, Interest::kRead);
    });
  }

  void welcome(Accepted accepted) {
    if (!listener_.addresses.empty() && !listener_.addresses.contains(accepted.peer.ip)) {
      return turn_away(accepted, listener_.counts.refused_address, "address");
    }
    if (listener_.open.load(std::memory_order_relaxed) >= listener_.options.connections_max) {
      return turn_away(accepted, listener_.counts.refused_limit, "limit");
    }
    auto stream = make_stream(std::move(accepted));
    if (!stream) return;
    listener_.open.fetch_add(1, std::memory_order_relaxed);
    Worker& worker = *workers_[next_++ % workers_.size()];
    // A task must be copyable, a stream is not.
    auto carried = std::make_shared<std::unique_ptr<Stream>>(std::move(stream));
    worker.post([&worker, this, carried] { worker.adopt(listener_, std::move(*carried)); });
  }

  // Closed in order, so that the peer reads an end and no reset.
  void turn_away(const Accepted& accepted, metrics::Counter& count, log::Value reason) {
    count.add();
    log::warning(
        "mllp.turned_away",
        {{"listener", log::own(listener_.name())}, {"peer", log::own(accepted.peer.text())}, {"reason", reason}});
  }

  std::unique_ptr<Stream> make_stream(Accepted accepted) {
    if (const Status status = set_keep_alive(accepted.fd, listener_.options.keep_alive); !status) {
      log::warning("mllp.no_keep_alive", {{"error", status.error()}});
    }
    const SocketAddress peer = accepted.peer;
    if (!listener_.tls) return plain_stream(std::move(accepted.fd), peer);
    auto stream = tls_server_stream(std::move(accepted), *listener_.tls);
    if (stream) return std::move(*stream);
    log::error("mllp.no_tls", {{"listener", log::own(listener_.name())}, {"error", stream.error()}});
    return nullptr;
  }

  ListenerState& listener_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  std::size_t next_ = 0;
  EventLoop::TimerId timer_{};
};

// Counts down to zero and tells who waits.
class Latch {
 public:
  explicit Latch(std::size_t count) : count_(count) {}
  void arrive() {
    const std::lock_guard lock(mutex_);
    --count_;
    reached_.notify_all();
  }
  void wait_until(Deadline deadline) {
    std::unique_lock lock(mutex_);
    reached_.wait_until(lock, deadline, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;  // guards count_
  std::condition_variable reached_;
  std::size_t count_;
};

Status open_listener(ListenerState& listener) {
  const ListenerOptions& options = listener.options;
  MN_TRY(addresses, AddressList::parse(options.addresses_allowed));
  listener.addresses = std::move(addresses);
  if (options.tls) {
    MN_TRY(tls, TlsServerContext::open(*options.tls));
    listener.tls = std::move(tls);
    listener.counts.certificate_expiry.set(seconds_since_1970(listener.tls->certificate_not_after()));
  }
  MN_TRY(socket, listen_tcp({.host = options.host, .port = options.port, .backlog = options.backlog}));
  listener.socket = std::move(socket);
  return {};
}

}  // namespace

struct Server::State {
  explicit State(std::size_t buffer_bytes_max) : budget(buffer_bytes_max) {}

  ByteBudget budget;
  std::vector<std::unique_ptr<ListenerState>> listeners;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  bool stopped = false;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { stop(Deadline{}); }

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Receiver& receiver,
                                              metrics::Registry& registry) {
  MN_CHECK(check(options.listeners));
  ignore_broken_pipes();
  auto state = std::make_unique<State>(options.buffer_bytes_max);
  for (const ListenerOptions& listener : options.listeners) {
    auto& added = state->listeners.emplace_back(std::make_unique<ListenerState>(listener, receiver, registry));
    if (const Status opened = open_listener(*added); !opened)
      return context("listener " + added->name(), opened.error());
  }
  const unsigned count = options.workers != 0 ? options.workers : std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i) {
    MN_TRY(loop, EventLoop::create());
    state->workers.push_back(std::make_unique<Worker>(std::move(loop), receiver, state->budget));
  }
  for (auto& listener : state->listeners) {
    MN_CHECK(state->acceptors.emplace_back(std::make_unique<Acceptor>(*listener, state->workers))->begin());
    log::info("mllp.listening",
              {{"listener", log::own(listener->name())}, {"at", log::own(listener->socket.bound.text())}});
  }
  for (unsigned i = 0; i < count; ++i) state->workers[i]->start(i);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

std::optional<SocketAddress> Server::bound(std::string_view listener) const {
  for (const auto& one : state_->listeners) {
    if (one->name() == listener) return one->socket.bound;
  }
  return std::nullopt;
}

Status Server::reload_certificates() {
  Status first;
  for (const auto& listener : state_->listeners) {
    if (!listener->tls) continue;
    if (const Status status = listener->tls->reload(); !status) {
      log::alarm("mllp.certificate_kept", {{"listener", log::own(listener->name())}, {"error", status.error()}});
      if (first) first = context("listener " + listener->name(), status.error());
    }
    listener->counts.certificate_expiry.set(seconds_since_1970(listener->tls->certificate_not_after()));
  }
  return first;
}

std::size_t Server::connections() const {
  std::size_t count = 0;
  for (const auto& worker : state_->workers) count += worker->connections();
  return count;
}

void Server::stop(Deadline deadline) {
  if (std::exchange(state_->stopped, true)) return;
  // The tasks below run on threads that are joined before this returns.
  Latch doors(1);
  state_->workers.front()->post([&] {
    for (auto& acceptor : state_->acceptors) acceptor->end();
    doors.arrive();
  });
  doors.wait_until(Deadline::max());
  Latch empty(state_->workers.size());
  for (auto& worker : state_->workers) worker->drain([&empty] { empty.arrive(); });
  empty.wait_until(deadline);
  for (auto& worker : state_->workers) worker->finish();
  for (auto& worker : state_->workers) worker->join();
}

}  // namespace minato::mllp

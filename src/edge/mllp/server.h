// The MLLP doors: listening sockets, connections and the threads that serve them (HL7 v2 MLLP release 1).
//
//   MN_TRY(server, mllp::Server::start({.listeners = {{.rules = {.listener = "adt"}, .port = 2575}}}, receiver,
//   registry)); server->bound("adt")->port; server->stop(std::chrono::steady_clock::now() + 10s);   // before the
//   journal is closed
//
// Each connection belongs to one worker thread, whose epoll loop reads, frames, and hands all complete frames of one
// round to the receiver at once. Answers leave in the order of the frames, several in one write. What is bounded:
// connections and frames in flight, the size of a frame, and by `buffer_bytes_max` all bytes of frames that are read
// and not yet answered; above it reading stops (but for one link at a time, which may finish its frame), and the
// kernel's windows hold the senders.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/metrics.h"
#include "base/time.h"
#include "edge/mllp/options.h"
#include "flow/receive.h"

namespace minato::mllp {

class Server {
 public:
  // Listens and serves when this returns. kRefused as check(); kConflict: a port is taken; kUnavailable: out of
  // descriptors. The receiver and the registry outlive the server. Adds the listeners' rules to the receiver.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Receiver& receiver,
                                               metrics::Registry& registry);
  ~Server();  // stop() with no time left
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where the listener of that name listens, with the port that was chosen. nullopt: no such listener.
  std::optional<SocketAddress> bound(std::string_view listener) const;

  // Reads the certificates of all TLS listeners again; connections that exist go on with theirs. The first error is
  // returned; the listener that has it keeps what it had, the others are renewed.
  Status reload_certificates();

  std::size_t connections() const;

  // Stops accepting, closes idle links, lets the others finish the frame that they are in and answers it, and closes
  // what is left at the deadline (never with a false answer). Returns when all threads have ended; idempotent.
  void stop(Deadline deadline);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace minato::mllp

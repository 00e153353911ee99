// The running server: stores, flow and doors, wired from one configuration.
//
//   MN_TRY(server, Server::start(config));     // accepts traffic when this returns
//   server->wait();                            // until SIGTERM or SIGINT, or until something failed for good
//   server->stop();                            // doors, flow, follower, journal: in this order
#pragma once

#include <memory>
#include <string>

#include "app/config.h"
#include "base/error.h"

namespace minato {

class Server {
 public:
  // Signals must be blocked in the calling thread before (block_signals), so that every thread made here inherits it.
  static Result<std::unique_ptr<Server>> start(const Config& config);
  ~Server();

  // "ready mllp=127.0.0.1:2575 http=http://127.0.0.1:8080 data=minato-data"
  std::string ready_line() const;
  // Serves until SIGTERM or SIGINT (kExitOk) or until the journal or the follower failed for good. SIGHUP reads
  // certificates again. Does the housekeeping of every second and minute meanwhile.
  Status wait();
  void stop();

  static void block_signals();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace minato

// What an MLLP listener is made from. Plain options: who reads a configuration fills them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "flow/receive_rules.h"
#include "os/socket.h"
#include "os/tls.h"

namespace minato::mllp {

struct ListenerOptions {
  ListenerRules rules = {};  // rules.listener is the listener's name
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the system chooses
  int backlog = 512;
  std::optional<TlsServerOptions> tls = {};         // none: plain
  std::vector<std::string> addresses_allowed = {};  // addresses and CIDR blocks; empty: everybody
  std::size_t connections_max = kMllpConnectionsMax;
  std::size_t frame_bytes_max = kMllpFrameBytesMax;
  std::size_t frames_in_flight_max = kMllpFramesInFlightMax;  // of one connection: received and not yet answered
  // In the middle of a frame or of a TLS handshake, or while the peer does not take its answers: so long without a
  // byte, and the link is closed. A link between frames is never closed for being idle.
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(30);
  // How long the CR behind an FS is waited for; then the frame counts as complete.
  std::chrono::milliseconds cr_wait = std::chrono::milliseconds(250);
  KeepAlive keep_alive = {};
};

struct ServerOptions {
  std::vector<ListenerOptions> listeners = {};
  unsigned workers = 0;  // threads; 0: one a core
  std::size_t buffer_bytes_max = kGlobalBufferBytesMax;
};

// kRefused: no name, a name given twice, a limit of 0, addresses that are none, or a door that stands open beyond
// loopback: there, a listener needs TLS, and it must know its peers by a required client certificate or by their
// addresses.
Status check(const std::vector<ListenerOptions>& listeners);

}  // namespace minato::mllp

// One listener's parts that its connections share: options, rules, certificates and what is counted.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/metrics.h"
#include "edge/mllp/options.h"
#include "flow/receive.h"
#include "format/hl7/mllp_framer.h"
#include "os/socket.h"
#include "os/stream.h"
#include "os/tls.h"

namespace minato::mllp {

// The series of one listener. Thread-safe.
class Counts {
 public:
  Counts(metrics::Registry& registry, const std::string& listener);

  metrics::Gauge& connections;
  metrics::Counter& accepted;
  metrics::Counter& refused_address;
  metrics::Counter& refused_limit;
  metrics::Counter& refused_tls;
  metrics::Counter& frames;
  metrics::Counter& bytes_in;
  metrics::Counter& bytes_out;
  metrics::Counter& junk_bytes;
  metrics::Counter& missing_cr;
  metrics::Counter& stalled;
  metrics::Counter& broken_links;
  metrics::Counter& pauses;
  metrics::Gauge& last_frame_time;  // seconds since 1970: what an alarm on silence watches
  metrics::Gauge& certificate_expiry;
  metrics::Histogram& ack_seconds;
  metrics::Counter& broken(EventKind kind);

 private:
  metrics::Registry& registry_;
  std::string listener_;
};

struct ListenerState {
  ListenerState(ListenerOptions given, Receiver& receiver, metrics::Registry& registry)
      : options(std::move(given)),
        rules(receiver.add_listener(options.rules)),
        counts(registry, options.rules.listener) {}
  const std::string& name() const { return options.rules.listener; }

  const ListenerOptions options;
  ReceiveListener* const rules;
  Counts counts;
  AddressList addresses;
  std::unique_ptr<TlsServerContext> tls;
  Listener socket;
  std::atomic<std::size_t> open{0};
};

// How the peer is known: "cert:<common name>", or "cert-sha256:<digest>" when the certificate names nobody; else
// "address:<IP>" where the listener admits only known addresses; else "".
std::string identity_of(const ListenerState& listener, const Stream& stream);

}  // namespace minato::mllp

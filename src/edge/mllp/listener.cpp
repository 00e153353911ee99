#include "edge/mllp/listener.h"

#include <set>

namespace minato::mllp {
namespace {

metrics::Counter& refused(metrics::Registry& registry, const std::string& listener, const char* reason) {
  return registry.counter("minato_mllp_connections_refused_total",
                          "Connections that were closed before the first frame.",
                          {{"listener", listener}, {"reason", reason}});
}

Status check_door(const ListenerOptions& options) {
  const std::string& name = options.rules.listener;
  if (options.tls && options.tls->client_certificates != ClientCertificates::kNone &&
      options.tls->client_ca_file.empty()) {
    return fail(Errc::kRefused, "listener " + name + ": client certificates need client_ca_file");
  }
  if (is_loopback_host(options.host)) return {};
  if (!options.tls) return fail(Errc::kRefused, "listener " + name + ": beyond loopback a listener needs TLS");
  const bool by_certificate = options.tls->client_certificates == ClientCertificates::kRequired;
  if (by_certificate || !options.addresses_allowed.empty()) return {};
  return fail(
      Errc::kRefused,
      "listener " + name + ": beyond loopback a listener needs required client certificates or a list of addresses");
}

Status check_feed(const AuthoritativeFeed& feed) {
  constexpr std::string_view kAddress = "address:";
  const std::string& identity = feed.identity;
  if (identity.starts_with("cert:") || identity.starts_with("cert-sha256:")) return {};
  if (!identity.starts_with(kAddress))
    return fail(Errc::kRefused, "an authoritative feed is known by cert: or address:");
  const auto block = AddressList::parse({identity.substr(kAddress.size())});
  return block ? Status{} : std::unexpected(block.error());
}

Status check_one(const ListenerOptions& options) {
  const std::string& name = options.rules.listener;
  if (name.empty()) return fail(Errc::kRefused, "a listener has no name");
  if (options.connections_max == 0 || options.frame_bytes_max == 0 || options.frames_in_flight_max == 0) {
    return fail(Errc::kRefused, "listener " + name + ": a limit is 0");
  }
  if (options.frame_bytes_max > kJournalRecordBytesMax - kMiB) {
    return fail(Errc::kRefused, "listener " + name + ": a frame of that size fits into no journal record");
  }
  if (auto addresses = AddressList::parse(options.addresses_allowed); !addresses) {
    return context("listener " + name, addresses.error());
  }
  for (const AuthoritativeFeed& feed : options.rules.authoritative) {
    if (const Status checked = check_feed(feed); !checked) return context("listener " + name, checked.error());
  }
  return check_door(options);
}

}  // namespace

Status check(const std::vector<ListenerOptions>& listeners) {
  std::set<std::string> names;
  for (const ListenerOptions& listener : listeners) {
    MN_CHECK(check_one(listener));
    if (!names.insert(listener.rules.listener).second) {
      return fail(Errc::kRefused, "two listeners are named " + listener.rules.listener);
    }
  }
  return {};
}

Counts::Counts(metrics::Registry& registry, const std::string& listener)
    : connections(registry.gauge("minato_mllp_connections", "Connections that are open.", {{"listener", listener}})),
      accepted(registry.counter("minato_mllp_connections_total", "Connections accepted.", {{"listener", listener}})),
      refused_address(refused(registry, listener, "address")),
      refused_limit(refused(registry, listener, "limit")),
      refused_tls(refused(registry, listener, "tls")),
      frames(
          registry.counter("minato_mllp_frames_total", "Frames received, broken ones too.", {{"listener", listener}})),
      bytes_in(registry.counter("minato_mllp_received_bytes_total", "Bytes received.", {{"listener", listener}})),
      bytes_out(registry.counter("minato_mllp_sent_bytes_total", "Bytes sent.", {{"listener", listener}})),
      junk_bytes(registry.counter("minato_mllp_junk_bytes_total", "Bytes outside frames.", {{"listener", listener}})),
      missing_cr(registry.counter("minato_mllp_missing_cr_total", "Frames whose FS was not followed by CR.",
                                  {{"listener", listener}})),
      stalled(registry.counter("minato_mllp_stalled_total",
                               "Links closed in the middle of a frame, a handshake or an answer.",
                               {{"listener", listener}})),
      broken_links(registry.counter("minato_mllp_broken_links_total", "Links that ended in an error.",
                                    {{"listener", listener}})),
      pauses(registry.counter("minato_mllp_pauses_total", "Times that a link was not read because buffers were full.",
                              {{"listener", listener}})),
      last_frame_time(registry.gauge("minato_mllp_last_frame_time_seconds", "When the last frame came, since 1970.",
                                     {{"listener", listener}})),
      certificate_expiry(registry.gauge("minato_mllp_certificate_expiry_seconds",
                                        "When the listener's certificate expires, since 1970; 0 without TLS.",
                                        {{"listener", listener}})),
      ack_seconds(registry.histogram("minato_mllp_ack_seconds", "From a frame's last byte to its answer.",
                                     {{"listener", listener}})),
      registry_(registry),
      listener_(listener) {}

metrics::Counter& Counts::broken(EventKind kind) {
  return registry_.counter("minato_mllp_broken_frames_total", "Frames that are no messages, by what is wrong.",
                           {{"listener", listener_}, {"kind", std::string(name(kind))}});
}

std::string identity_of(const ListenerState& listener, const Stream& stream) {
  if (const auto certificate = stream.identity()) {
    if (!certificate->common_name.empty()) return "cert:" + certificate->common_name;
    return "cert-sha256:" + certificate->sha256;
  }
  if (listener.options.addresses_allowed.empty()) return {};
  return "address:" + stream.peer().ip.text();
}

}  // namespace minato::mllp

// TCP sockets: addresses, listening, accepting, connecting within a deadline. Every socket made here is non-blocking
// and close-on-exec, with Nagle's algorithm off. Functions are thread-safe; one descriptor is used by one thread at a
// time.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "os/fd.h"

struct sockaddr;

namespace minato {

// An IP address without a port. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are kept as the IPv4 address that they are.
class IpAddress {
 public:
  // nullopt: not the text of an address (names are not looked up). Brackets around IPv6 are accepted; zones are not.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::array<std::uint8_t, 4> bytes);
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes);

  bool is_v4() const { return v4_; }
  // 127.0.0.0/8 or ::1.
  bool is_loopback() const;
  // All zero: 0.0.0.0 or ::, which listen on every address of the host.
  bool is_any() const;
  // The first `bits` bits are those of `other`, and both are of one family.
  bool shares_prefix(const IpAddress& other, unsigned bits) const;
  unsigned bits() const { return v4_ ? 32 : 128; }
  // No bit behind the first `bits` is set.
  bool masked(unsigned bits) const;
  std::string text() const;  // without brackets
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 in the first four
  bool v4_ = true;
};

struct SocketAddress {
  IpAddress ip = {};
  std::uint16_t port = 0;
  std::string text() const;  // 127.0.0.1:2575, [::1]:2575
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};
// nullopt: neither IPv4 nor IPv6.
std::optional<SocketAddress> to_socket_address(const sockaddr* address);

// Whether a listener on that host is reachable from this machine only: a loopback address, or the name localhost. Names
// that would need a look-up count as reachable from elsewhere.
bool is_loopback_host(std::string_view host);

// Which peers may connect: addresses and CIDR blocks, of both families.
//   MN_TRY(allowed, AddressList::parse({"10.1.0.0/16", "2001:db8::/32", "192.0.2.7"}));
class AddressList {
 public:
  AddressList() = default;
  // kRefused: an entry that is no address or block, or that has bits set behind its prefix (10.1.2.3/16 is a slip).
  // kTooLarge: more than kAddressListMax.
  static Result<AddressList> parse(const std::vector<std::string>& entries);
  bool empty() const { return blocks_.empty(); }
  // An empty list contains nobody; whether empty means everybody is the caller's rule.
  bool contains(const IpAddress& ip) const;

 private:
  struct Block {
    IpAddress base;
    unsigned prefix_bits = 0;
  };
  std::vector<Block> blocks_;
};

struct ListenOptions {
  std::string host = "127.0.0.1";  // an address or a name; "::" listens on IPv6 and IPv4
  std::uint16_t port = 0;          // 0: the system chooses
  int backlog = 512;
};
struct Listener {
  Fd fd;
  SocketAddress bound;  // with the port that was chosen
};
// kConflict: the port is taken. kRefused: no such address here, or not permitted.
Result<Listener> listen_tcp(const ListenOptions& options);

struct Accepted {
  Fd fd;
  SocketAddress peer;
};
// nullopt: nobody is waiting (the listener is non-blocking). kRetry: one connection was lost while waiting, go on.
// kUnavailable: out of descriptors or memory; the connection stays in the backlog, so pause before trying again.
Result<std::optional<Accepted>> accept_tcp(const Fd& listener);

struct KeepAlive {
  std::chrono::seconds idle{60};      // silence before the first probe
  std::chrono::seconds interval{10};  // between probes
  int probes = 6;                     // unanswered ones before the link counts as dead
};
Status set_keep_alive(const Fd& socket, const KeepAlive& keep_alive);

struct Endpoint {
  std::string host = {};
  std::uint16_t port = 0;
};
// A connected, non-blocking socket. Each address of the host is tried in order with a fair share of the time that is
// left. kRetry: refused, unreachable, timed out, or the name did not resolve. A name's look-up is bounded by
// resolv.conf, not by the deadline: destinations that must not wait for a name server are given as addresses.
Result<Accepted> connect_tcp(const Endpoint& endpoint, Deadline deadline);

}  // namespace minato

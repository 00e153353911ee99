#include "os/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "base/limits.h"
#include "os/wait.h"

namespace minato {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::string reason(const char* call) { return std::string(call) + ": " + strerrordesc_np(errno); }

struct AddressInfoFree {
  void operator()(addrinfo* info) const { ::freeaddrinfo(info); }
};
using AddressInfo = std::unique_ptr<addrinfo, AddressInfoFree>;

Result<AddressInfo> resolve(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error == 0) return AddressInfo(found);
  return fail(Errc::kRetry, "the name " + host + " did not resolve: " + ::gai_strerror(error));
}

Result<SocketAddress> bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, address, &size) != 0) return fail(Errc::kUnavailable, reason("getsockname"));
  const auto bound = to_socket_address(address);
  if (!bound) return fail(Errc::kUnavailable, "a socket that is not IP");
  return *bound;
}

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Result<Listener> listen_at(const addrinfo& at, int backlog) {
  Fd fd(::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail(Errc::kUnavailable, reason("socket"));
  // Without it a restart would wait for the old connections' TIME_WAIT.
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.ai_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0) {
    return fail(errno == EADDRINUSE ? Errc::kConflict : Errc::kRefused, reason("bind"));
  }
  if (::listen(fd.get(), backlog) != 0) {
    return fail(errno == EADDRINUSE ? Errc::kConflict : Errc::kUnavailable, reason("listen"));
  }
  MN_TRY(bound, bound_address(fd.get()));
  return Listener{std::move(fd), bound};
}

Status wait_connected(int fd, Deadline deadline) {
  pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
  for (;;) {
    const int ready = ::poll(&entry, 1, milliseconds_until(deadline));
    if (ready > 0) break;
    if (ready == 0 && passed(deadline)) return fail(Errc::kRetry, "connect: timed out");
    if (ready < 0 && errno != EINTR) return fail(Errc::kRetry, reason("poll"));
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return {};
  return fail(Errc::kRetry, std::string("connect: ") + strerrordesc_np(error));
}

Result<Accepted> connect_at(const addrinfo& at, Deadline deadline) {
  Fd fd(::socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail(Errc::kUnavailable, reason("socket"));
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (::connect(fd.get(), at.ai_addr, at.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return fail(Errc::kRetry, reason("connect"));
    MN_CHECK(wait_connected(fd.get(), deadline));
  }
  const auto peer = to_socket_address(at.ai_addr);
  if (!peer) return fail(Errc::kRefused, "an address that is not IP");
  return Accepted{std::move(fd), *peer};
}

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) {
  IpAddress ip;
  std::ranges::copy(bytes, ip.bytes_.begin());
  return ip;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) {
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress ip;
  ip.bytes_ = bytes;
  ip.v4_ = false;
  return ip;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']') && text.find(':') != std::string_view::npos) {
    text = text.substr(1, text.size() - 2);
  }
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return v6(bytes);
  return std::nullopt;
}

bool IpAddress::is_loopback() const {
  static const IpAddress v6_loopback = *parse("::1");
  return v4_ ? bytes_[0] == 127 : *this == v6_loopback;
}

bool IpAddress::is_any() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::shares_prefix(const IpAddress& other, unsigned bits) const {
  if (v4_ != other.v4_) return false;
  const std::size_t whole = bits / 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(whole), other.bytes_.begin()))
    return false;
  if (bits % 8 == 0) return true;
  return (bytes_[whole] ^ other.bytes_[whole]) >> (8 - bits % 8) == 0;
}

bool IpAddress::masked(unsigned bits) const {
  for (unsigned bit = bits; bit < this->bits(); ++bit) {
    if ((bytes_[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

std::string IpAddress::text() const {
  char out[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), out, sizeof out);
  return out;
}

std::string SocketAddress::text() const {
  const std::string host = ip.is_v4() ? ip.text() : "[" + ip.text() + "]";
  return host + ":" + std::to_string(port);
}

std::optional<SocketAddress> to_socket_address(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &in.sin_addr, bytes.size());
    return SocketAddress{IpAddress::v4(bytes), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return SocketAddress{IpAddress::v6(bytes), ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

bool is_loopback_host(std::string_view host) {
  if (ascii_iequals(host, "localhost")) return true;
  const auto ip = IpAddress::parse(host);
  return ip && ip->is_loopback();
}

Result<AddressList> AddressList::parse(const std::vector<std::string>& entries) {
  if (entries.size() > kAddressListMax) return fail(Errc::kTooLarge, "an address list of too many entries");
  AddressList list;
  for (const std::string& entry : entries) {
    const std::string_view text = trim(entry);
    const auto slash = text.find('/');
    const auto ip = IpAddress::parse(text.substr(0, slash));
    if (!ip) return fail(Errc::kRefused, "address list: " + entry + " is no address and no block");
    const auto prefix = slash == std::string_view::npos ? ip->bits() : parse_unsigned(text.substr(slash + 1));
    if (!prefix || *prefix > ip->bits()) return fail(Errc::kRefused, "address list: the prefix length of " + entry);
    const auto bits = static_cast<unsigned>(*prefix);
    if (!ip->masked(bits)) return fail(Errc::kRefused, "address list: bits are set behind the prefix of " + entry);
    list.blocks_.push_back({*ip, bits});
  }
  return list;
}

bool AddressList::contains(const IpAddress& ip) const {
  return std::ranges::any_of(blocks_,
                             [&](const Block& block) { return ip.shares_prefix(block.base, block.prefix_bits); });
}

Result<Listener> listen_tcp(const ListenOptions& options) {
  auto found = resolve(options.host, options.port, AI_PASSIVE);
  if (!found) return fail(Errc::kRefused, found.error().what);
  return listen_at(**found, options.backlog);
}

Result<std::optional<Accepted>> accept_tcp(const Fd& listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  Fd fd(::accept4(listener.get(), address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) {
    set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    const auto peer = to_socket_address(address);
    if (!peer) return fail(Errc::kRetry, "accept: a peer that is not IP");
    return Accepted{std::move(fd), *peer};
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
  const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
  return fail(exhausted ? Errc::kUnavailable : Errc::kRetry, reason("accept"));
}

Status set_keep_alive(const Fd& socket, const KeepAlive& keep_alive) {
  const bool ok = set_option(socket.get(), SOL_SOCKET, SO_KEEPALIVE, 1) &&
                  set_option(socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(keep_alive.idle.count())) &&
                  set_option(socket.get(), IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(keep_alive.interval.count())) &&
                  set_option(socket.get(), IPPROTO_TCP, TCP_KEEPCNT, keep_alive.probes);
  if (ok) return {};
  return fail(Errc::kRefused, reason("keep-alive"));
}

Result<Accepted> connect_tcp(const Endpoint& endpoint, Deadline deadline) {
  MN_TRY(found, resolve(endpoint.host, endpoint.port, 0));
  int left = 0;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) ++left;
  Error last{Errc::kRetry, "connect: no address"};
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next, --left) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) break;
    auto connected = connect_at(*at, now + (deadline - now) / left);
    if (connected) return connected;
    last = connected.error();
  }
  return std::unexpected(last);
}

}  // namespace minato

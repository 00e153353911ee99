#include "os/socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

namespace minato {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

Accepted accepted(const Fd& listener) {
  pollfd entry{.fd = listener.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&entry, 1, 5000), 1);
  auto result = accept_tcp(listener);
  EXPECT_TRUE(result && *result);
  return std::move(**result);
}

TEST(IpAddress, ReadsBothFamiliesAndWritesThem) {
  EXPECT_EQ(ip("192.0.2.7").text(), "192.0.2.7");
  EXPECT_EQ(ip("2001:DB8:0:0::1").text(), "2001:db8::1");
  EXPECT_EQ(ip("[::1]").text(), "::1");
  EXPECT_EQ(ip("::ffff:192.0.2.7"), ip("192.0.2.7")) << "a mapped address is the IPv4 address";
  EXPECT_EQ((SocketAddress{ip("::1"), 80}.text()), "[::1]:80");
  EXPECT_EQ((SocketAddress{ip("10.0.0.1"), 2575}.text()), "10.0.0.1:2575");
  for (const char* bad :
       {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "localhost", "::g", "1.2.3.4 ", "[1.2.3.4]", "fe80::1%lo"}) {
    EXPECT_FALSE(IpAddress::parse(bad)) << bad;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("127.0.0.1\0x", 11)));
}

TEST(IpAddress, KnowsLoopbackAndAny) {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(ip(text).is_loopback()) << text;
  for (const char* text : {"128.0.0.1", "0.0.0.0", "::", "::2"}) EXPECT_FALSE(ip(text).is_loopback()) << text;
  EXPECT_TRUE(ip("::").is_any());
  EXPECT_TRUE(ip("0.0.0.0").is_any());
  EXPECT_FALSE(ip("::1").is_any());
  EXPECT_TRUE(is_loopback_host("LocalHost"));
  EXPECT_TRUE(is_loopback_host("127.0.0.1"));
  EXPECT_FALSE(is_loopback_host("0.0.0.0"));
  EXPECT_FALSE(is_loopback_host("localhost.example"));
  EXPECT_FALSE(is_loopback_host(""));
}

TEST(AddressList, ContainsExactlyItsBlocks) {
  const auto list = AddressList::parse({"10.1.0.0/16", "192.0.2.7", "2001:db8:8000::/33", "203.0.113.128/25"});
  ASSERT_TRUE(list) << list.error().what;
  for (const char* text : {"10.1.0.0", "10.1.255.255", "192.0.2.7", "2001:db8:8000::1",
                           "2001:db8:ffff::", "::ffff:10.1.2.3", "203.0.113.128", "203.0.113.255"}) {
    EXPECT_TRUE(list->contains(ip(text))) << text;
  }
  for (const char* text : {"10.0.255.255", "10.2.0.0", "192.0.2.6", "192.0.2.8",
                           "2001:db8:7fff::", "2001:db9::", "203.0.113.127", "203.0.114.0"}) {
    EXPECT_FALSE(list->contains(ip(text))) << text;
  }
  EXPECT_TRUE(AddressList::parse({"0.0.0.0/0"})->contains(ip("8.8.8.8")));
  EXPECT_FALSE(AddressList::parse({"0.0.0.0/0"})->contains(ip("2001:db8::1")));
  EXPECT_FALSE(AddressList().contains(ip("127.0.0.1")));
}

TEST(AddressList, RefusesWhatIsNoBlock) {
  for (const char* bad : {"", "10.1.2.3/16", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "host",
                          "::1/129", "2001:db8::1/32"}) {
    const auto list = AddressList::parse({bad});
    ASSERT_FALSE(list) << bad;
    EXPECT_EQ(list.error().code, Errc::kRefused);
  }
}

TEST(Socket, BytesGoBetweenAcceptedAndConnected) {
  const auto listener = listen_tcp({});
  ASSERT_TRUE(listener);
  EXPECT_NE(listener->bound.port, 0);
  EXPECT_EQ(listener->bound.ip, ip("127.0.0.1"));
  auto client = connect_tcp({"127.0.0.1", listener->bound.port}, in(5s));
  ASSERT_TRUE(client) << client.error().what;
  EXPECT_EQ(client->peer, listener->bound);
  const Accepted server = accepted(listener->fd);
  EXPECT_EQ(server.peer.ip, ip("127.0.0.1"));
  ASSERT_EQ(::send(client->fd.get(), "hello", 5, 0), 5);
  pollfd entry{.fd = server.fd.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&entry, 1, 5000), 1);
  char text[8];
  EXPECT_EQ(::recv(server.fd.get(), text, sizeof text, 0), 5);
}

TEST(Socket, TheAnyAddressOfIpv6ListensOnBothFamilies) {
  const auto listener = listen_tcp({.host = "::"});
  if (!listener) GTEST_SKIP() << "no IPv6 on this machine: " << listener.error().what;
  const auto four = connect_tcp({"127.0.0.1", listener->bound.port}, in(5s));
  ASSERT_TRUE(four) << four.error().what;
  EXPECT_EQ(accepted(listener->fd).peer.ip, ip("127.0.0.1")) << "an IPv4 peer is seen as one, for the allow-list";
  const auto six = connect_tcp({"::1", listener->bound.port}, in(5s));
  ASSERT_TRUE(six) << six.error().what;
  EXPECT_EQ(accepted(listener->fd).peer.ip, ip("::1"));
}

TEST(Socket, NobodyWaitingIsNoError) {
  const auto listener = listen_tcp({});
  const auto none = accept_tcp(listener->fd);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST(Socket, ATakenPortIsAConflictAndAClosedOneIsRetried) {
  auto first = listen_tcp({});
  const auto second = listen_tcp({.port = first->bound.port});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kConflict);
  const auto port = first->bound.port;
  first->fd.reset();
  const auto none = connect_tcp({"127.0.0.1", port}, in(5s));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::kRetry);
  EXPECT_EQ(listen_tcp({.host = "192.0.2.1"}).error().code, Errc::kRefused) << "no address of this host";
}

TEST(Socket, ConnectingEndsAtTheDeadline) {
  // A listener whose backlog is full answers no further SYN, so the connection hangs.
  const auto listener = listen_tcp({.backlog = 0});
  std::vector<Result<Accepted>> waiting;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) {
    waiting.push_back(connect_tcp({"127.0.0.1", listener->bound.port}, in(100ms)));
    if (!waiting.back()) break;
  }
  ASSERT_FALSE(waiting.back()) << "a full backlog must hang";
  EXPECT_EQ(waiting.back().error().code, Errc::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Socket, KeepAliveIsWhatWasAskedFor) {
  const auto listener = listen_tcp({});
  const auto client = connect_tcp({"localhost", listener->bound.port}, in(5s));
  ASSERT_TRUE(client);
  ASSERT_TRUE(set_keep_alive(client->fd, {.idle = 77s, .interval = 7s, .probes = 5}));
  const auto option = [&](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(client->fd.get(), level, name, &value, &size);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 7);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 5);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_NODELAY), 1);
}

}  // namespace
}  // namespace minato

#include "os/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>

#include "os/test_pki.h"
#include "os/thread.h"

namespace minato {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

Accepted wait_for_client(const Fd& listener) {
  pollfd entry{.fd = listener.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&entry, 1, 5000), 1);
  auto result = accept_tcp(listener);
  EXPECT_TRUE(result && *result);
  return std::move(**result);
}

std::string read_exactly(BlockingStream& stream, std::size_t bytes) {
  std::string out;
  std::string chunk(64 * 1024, '\0');
  while (out.size() < bytes) {
    const auto count = stream.read_some(chunk, in(10s));
    if (!count || *count == 0) break;
    out.append(chunk, 0, *count);
  }
  return out;
}

// Everything that a TLS test needs: an authority, a server with its certificate, files in a directory.
class Tls : public testing::Test {
 protected:
  Tls() {
    write_server(server_);
    dir_.write("ca.pem", authority_.pem());
    server_options_ = {.certificate_file = dir_.path("server.pem"),
                       .key_file = dir_.path("server.key"),
                       .client_ca_file = dir_.path("ca.pem"),
                       .crl_file = {}};
    client_options_.ca_file = dir_.path("ca.pem");
  }
  void write_server(const TestCertificate& certificate) {
    dir_.write("server.pem", certificate.certificate);
    dir_.write("server.key", certificate.key);
  }
  void use_client(const TestCertificate& certificate) {
    client_options_.certificate_file = dir_.write("client.pem", certificate.certificate);
    client_options_.key_file = dir_.write("client.key", certificate.key);
  }

  struct Meeting {
    Status server = {};              // the server's handshake
    Result<std::size_t> client{0u};  // the client's handshake and one read, which must give what the server wrote
    std::optional<PeerIdentity> seen_by_server, seen_by_client;
  };
  // One connection: handshake on both sides, then the server sends four bytes.
  Meeting meet(const TlsServerContext& server, const std::string& server_name = "localhost") {
    Meeting meeting;
    auto listener = std::move(*listen_tcp({}));
    auto context = TlsClientContext::open(client_options_);
    EXPECT_TRUE(context) << context.error().what;
    auto thread = start_thread("server", [&](std::stop_token) {
      BlockingStream stream(std::move(*tls_server_stream(wait_for_client(listener.fd), server)));
      meeting.server = stream.handshake(in(10s));
      meeting.seen_by_server = stream.stream().identity();
      if (meeting.server) meeting.server = stream.write_all("data", in(10s));
      char end[1];
      if (meeting.server) (void)stream.read_some(end, in(10s));
    });
    {
      auto client = connect_stream(
          {.endpoint = {"127.0.0.1", listener.bound.port}, .tls = context->get(), .server_name = server_name}, in(10s));
      char text[8];
      if (client) {
        meeting.client = client->read_some(text, in(10s));
        meeting.seen_by_client = client->stream().identity();
      } else {
        meeting.client = std::unexpected(client.error());
      }
    }
    thread.join();
    return meeting;
  }

  TestDirectory dir_;
  TestAuthority authority_{"Test CA"};
  TestCertificate server_ =
      authority_.issue({.common_name = "server", .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}});
  TlsServerOptions server_options_;
  TlsClientOptions client_options_;
};

TEST(PlainStream, StatesTellWhatToWaitFor) {
  const auto listener = listen_tcp({});
  auto connected = connect_tcp({"127.0.0.1", listener->bound.port}, in(5s));
  auto client = plain_stream(std::move(connected->fd), connected->peer);
  Accepted accepted = wait_for_client(listener->fd);
  auto server = plain_stream(std::move(accepted.fd), accepted.peer);
  char text[64];
  EXPECT_EQ(server->read(text).state, IoState::kWantRead);
  // Until the socket's buffers are full, then kWantWrite.
  const std::string block(1 << 20, 'x');
  std::size_t written = 0;
  IoResult result{IoState::kDone, 0};
  while (result.state == IoState::kDone) written += (result = client->write(block)).bytes;
  EXPECT_EQ(result.state, IoState::kWantWrite);
  EXPECT_EQ(client->shutdown().state, IoState::kDone);
  BlockingStream reader(std::move(server));
  EXPECT_EQ(read_exactly(reader, written + 1).size(), written);
  EXPECT_EQ(reader.stream().read(text).state, IoState::kClosed);
}

TEST(PlainStream, AResetIsAnErrorAndNotAnEnd) {
  const auto listener = listen_tcp({});
  auto connected = connect_tcp({"127.0.0.1", listener->bound.port}, in(5s));
  Accepted accepted = wait_for_client(listener->fd);
  auto server = plain_stream(std::move(accepted.fd), accepted.peer);
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(connected->fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  connected->fd.reset();
  pollfd entry{.fd = server->fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&entry, 1, 5000), 1);
  char text[8];
  EXPECT_EQ(server->read(text).state, IoState::kError);
  EXPECT_EQ(server->error_text(), "Connection reset by peer");
}

TEST(BlockingStream, WaitsNoLongerThanTheDeadline) {
  const auto listener = listen_tcp({});
  auto link = connect_stream({.endpoint = {"127.0.0.1", listener->bound.port}}, in(5s));
  ASSERT_TRUE(link);
  char text[8];
  const auto start = std::chrono::steady_clock::now();
  const auto read = link->read_some(text, in(20ms));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kRetry);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
  EXPECT_FALSE(link->write_all(std::string(64 << 20, 'x'), in(20ms))) << "nobody reads";
}

TEST(BlockingStream, SeesThatAnIdleLinkWasClosed) {
  const auto listener = listen_tcp({});
  auto link = connect_stream({.endpoint = {"127.0.0.1", listener->bound.port}}, in(5s));
  Accepted accepted = wait_for_client(listener->fd);
  EXPECT_FALSE(link->readable_now());
  accepted.fd.reset();
  pollfd entry{.fd = link->stream().fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&entry, 1, 5000), 1);
  EXPECT_TRUE(link->readable_now());
  char text[8];
  EXPECT_EQ(link->read_some(text, in(5s)), 0u);
}

TEST_F(Tls, BothSidesReadWhatTheOtherWrote) {
  const auto context = TlsServerContext::open(server_options_);
  ASSERT_TRUE(context) << context.error().what;
  const Meeting meeting = meet(**context);
  ASSERT_TRUE(meeting.server) << meeting.server.error().what;
  EXPECT_EQ(meeting.client, 4u);
  EXPECT_FALSE(meeting.seen_by_server);
  ASSERT_TRUE(meeting.seen_by_client);
  EXPECT_EQ(meeting.seen_by_client->common_name, "server");
  EXPECT_EQ(meeting.seen_by_client->dns_names, std::vector<std::string>{"localhost"});
  EXPECT_EQ(meeting.seen_by_client->sha256.size(), 64u);
}

TEST_F(Tls, MegabytesGoThroughInBothDirectionsAtOnce) {
  const auto server_context = TlsServerContext::open(server_options_);
  const auto client_context = TlsClientContext::open(client_options_);
  const auto listener = listen_tcp({});
  std::string sent(8 << 20, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 >> 3);
  auto thread = start_thread("echo", [&](std::stop_token) {
    BlockingStream stream(std::move(*tls_server_stream(wait_for_client(listener->fd), **server_context)));
    const std::string got = read_exactly(stream, sent.size());
    EXPECT_TRUE(stream.write_all(got, in(20s)));
    EXPECT_EQ(stream.stream().shutdown().state, IoState::kDone);
  });
  auto client =
      connect_stream({.endpoint = {"localhost", listener->bound.port}, .tls = client_context->get()}, in(10s));
  ASSERT_TRUE(client) << client.error().what;
  ASSERT_TRUE(client->write_all(sent, in(20s)));
  EXPECT_EQ(read_exactly(*client, sent.size()), sent);
  char text[8];
  EXPECT_EQ(client->read_some(text, in(10s)), 0u) << "close_notify is an end in order";
}

TEST_F(Tls, AnEndWithoutCloseNotifyIsAnError) {
  const auto server_context = TlsServerContext::open(server_options_);
  const auto client_context = TlsClientContext::open(client_options_);
  const auto listener = listen_tcp({});
  auto thread = start_thread("server", [&](std::stop_token) {
    BlockingStream stream(std::move(*tls_server_stream(wait_for_client(listener->fd), **server_context)));
    EXPECT_TRUE(stream.handshake(in(10s)));
  });
  auto client =
      connect_stream({.endpoint = {"localhost", listener->bound.port}, .tls = client_context->get()}, in(10s));
  ASSERT_TRUE(client);
  char text[8];
  EXPECT_FALSE(client->read_some(text, in(10s))) << "somebody may have cut the link to shorten the message";
}

TEST_F(Tls, ARequiredClientCertificateIsSeenByTheServer) {
  server_options_.client_certificates = ClientCertificates::kRequired;
  use_client(authority_.issue({.common_name = "検査室", .dns_names = {"lab.example"}}));
  const auto context = TlsServerContext::open(server_options_);
  const Meeting meeting = meet(**context);
  ASSERT_TRUE(meeting.server) << meeting.server.error().what;
  ASSERT_TRUE(meeting.seen_by_server);
  EXPECT_EQ(meeting.seen_by_server->common_name, "検査室");
  EXPECT_EQ(meeting.seen_by_server->dns_names, std::vector<std::string>{"lab.example"});
}

TEST_F(Tls, WithoutARequiredCertificateThereIsNoLink) {
  server_options_.client_certificates = ClientCertificates::kRequired;
  const auto context = TlsServerContext::open(server_options_);
  const Meeting meeting = meet(**context);
  EXPECT_FALSE(meeting.server);
  ASSERT_FALSE(meeting.client);
  EXPECT_EQ(meeting.client.error().code, Errc::kRefused) << meeting.client.error().what;
}

TEST_F(Tls, AnOptionalCertificateMayBeAbsentButNotWrong) {
  server_options_.client_certificates = ClientCertificates::kOptional;
  const auto context = TlsServerContext::open(server_options_);
  const Meeting absent = meet(**context);
  EXPECT_TRUE(absent.server);
  EXPECT_FALSE(absent.seen_by_server);
  const TestAuthority other("Test CA");  // the same name and another key
  use_client(other.issue({.common_name = "intruder"}));
  EXPECT_FALSE(meet(**context).server);
  use_client(authority_.issue({.common_name = "late", .valid_from_seconds = -7200, .valid_to_seconds = -3600}));
  EXPECT_FALSE(meet(**context).server);
  use_client(authority_.issue({.common_name = "early", .valid_from_seconds = 3600}));
  EXPECT_FALSE(meet(**context).server);
}

TEST_F(Tls, ARevokedCertificateIsRefusedAndItsNeighbourIsNot) {
  server_options_.client_certificates = ClientCertificates::kRequired;
  const TestCertificate revoked = authority_.issue({.common_name = "revoked"});
  const TestCertificate good = authority_.issue({.common_name = "good"});
  server_options_.crl_file = dir_.write("crl.pem", authority_.revoke({revoked.serial}));
  const auto context = TlsServerContext::open(server_options_);
  ASSERT_TRUE(context) << context.error().what;
  use_client(good);
  EXPECT_TRUE(meet(**context).server);
  use_client(revoked);
  EXPECT_FALSE(meet(**context).server);
}

TEST_F(Tls, TheClientRefusesAServerThatIsNotTheOneItWanted) {
  const auto context = TlsServerContext::open(server_options_);
  EXPECT_TRUE(meet(**context, "127.0.0.1").client) << "an address in the certificate is a name too";
  for (const char* name : {"other.example", "127.0.0.2", "localhost.example"}) {
    const Meeting meeting = meet(**context, name);
    ASSERT_FALSE(meeting.client) << name;
    EXPECT_EQ(meeting.client.error().code, Errc::kRefused) << meeting.client.error().what;
  }
  const TestAuthority other("Other CA");
  client_options_.ca_file = dir_.write("other.pem", other.pem());
  EXPECT_EQ(meet(**context).client.error().code, Errc::kRefused);
}

TEST_F(Tls, AnExpiredServerIsRefused) {
  write_server(authority_.issue({.common_name = "server", .dns_names = {"localhost"}, .valid_to_seconds = -60}));
  const auto context = TlsServerContext::open(server_options_);
  EXPECT_EQ(meet(**context).client.error().code, Errc::kRefused);
}

TEST_F(Tls, ReloadChangesNewLinksAndKeepsOldOnes) {
  const auto server_context = std::move(*TlsServerContext::open(server_options_));
  const auto client_context = TlsClientContext::open(client_options_);
  const auto listener = listen_tcp({});
  auto thread = start_thread("echo", [&](std::stop_token) {
    BlockingStream stream(std::move(*tls_server_stream(wait_for_client(listener->fd), *server_context)));
    char text[8];
    while (stream.read_some(text, in(10s)).value_or(0) > 0) EXPECT_TRUE(stream.write_all("x", in(10s)));
  });
  auto old = connect_stream({.endpoint = {"localhost", listener->bound.port}, .tls = client_context->get()}, in(10s));
  ASSERT_TRUE(old);
  char text[8];
  ASSERT_TRUE(old->write_all("a", in(10s)));
  EXPECT_EQ(old->read_some(text, in(10s)), 1u);
  const Time before = server_context->certificate_not_after();

  write_server(authority_.issue({.common_name = "renewed", .dns_names = {"localhost"}, .valid_to_seconds = 172'800}));
  ASSERT_TRUE(server_context->reload());
  EXPECT_GT(server_context->certificate_not_after(), before + 23h);
  EXPECT_EQ(meet(*server_context).seen_by_client->common_name, "renewed");
  ASSERT_TRUE(old->write_all("b", in(10s)));
  EXPECT_EQ(old->read_some(text, in(10s)), 1u) << "the old link goes on";
  EXPECT_EQ(old->stream().identity()->common_name, "server");
  old->stream().shutdown();
}

TEST_F(Tls, AFailedReloadKeepsWhatWasThere) {
  const auto context = std::move(*TlsServerContext::open(server_options_));
  dir_.write("server.key", authority_.issue({.common_name = "x"}).key);
  const Status mismatch = context->reload();
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().code, Errc::kRefused);
  dir_.write("server.pem", "no certificate");
  EXPECT_FALSE(context->reload());
  EXPECT_EQ(meet(*context).client, 4u);
}

TEST_F(Tls, WrongFilesAreRefusedAtTheStart) {
  const auto refused = [](const TlsServerOptions& options) {
    const auto context = TlsServerContext::open(options);
    return !context && context.error().code == Errc::kRefused;
  };
  EXPECT_FALSE(refused(server_options_));
  TlsServerOptions options = server_options_;
  options.certificate_file = dir_.path("missing.pem");
  EXPECT_TRUE(refused(options));
  options = server_options_;
  options.client_certificates = ClientCertificates::kRequired;
  options.client_ca_file.clear();
  EXPECT_TRUE(refused(options));
  options.client_ca_file = dir_.write("empty.pem", "");
  EXPECT_TRUE(refused(options));
  options.client_ca_file = dir_.path("ca.pem");
  options.crl_file = dir_.path("ca.pem");
  EXPECT_TRUE(refused(options)) << "a certificate is no CRL";
  client_options_.ca_file = dir_.path("empty.pem");
  EXPECT_FALSE(TlsClientContext::open(client_options_));
}

// The handshake's result for a client that speaks exactly `version`.
bool old_client_connects(const TlsServerContext& context, int version) {
  const auto listener = listen_tcp({});
  auto thread = start_thread("server", [&](std::stop_token) {
    BlockingStream stream(std::move(*tls_server_stream(wait_for_client(listener->fd), context)));
    (void)stream.handshake(in(10s));
  });
  auto link = connect_tcp({"127.0.0.1", listener->bound.port}, in(5s));
  ::fcntl(link->fd.get(), F_SETFL, 0);
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> client(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_security_level(client.get(), 0);
  SSL_CTX_set_min_proto_version(client.get(), version);
  SSL_CTX_set_max_proto_version(client.get(), version);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(client.get()), &SSL_free);
  SSL_set_fd(ssl.get(), link->fd.get());
  return SSL_connect(ssl.get()) == 1;
}

TEST_F(Tls, TheLowestVersionHolds) {
  const auto tls12 = TlsServerContext::open(server_options_);
  EXPECT_FALSE(old_client_connects(**tls12, TLS1_1_VERSION));
  EXPECT_TRUE(old_client_connects(**tls12, TLS1_2_VERSION));
  EXPECT_TRUE(old_client_connects(**tls12, TLS1_3_VERSION));
  server_options_.version_min = TlsVersion::kTls13;
  const auto tls13 = TlsServerContext::open(server_options_);
  EXPECT_FALSE(old_client_connects(**tls13, TLS1_2_VERSION));
  EXPECT_TRUE(old_client_connects(**tls13, TLS1_3_VERSION));
}

TEST_F(Tls, TheExpiryOfAFileIsItsCertificates) {
  const auto expires = certificate_not_after(dir_.path("server.pem"));
  ASSERT_TRUE(expires);
  const auto left = *expires - std::chrono::floor<Duration>(std::chrono::system_clock::now());
  EXPECT_GT(left, 23h);
  EXPECT_LE(left, 24h);
  EXPECT_FALSE(certificate_not_after(dir_.path("server.key")));
}

}  // namespace
}  // namespace minato

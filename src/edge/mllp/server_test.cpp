#include "edge/mllp/server.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <future>

#include "base/log.h"
#include "edge/mllp/test_server.h"
#include "os/test_pki.h"
#include "os/thread.h"

namespace minato::mllp {
namespace {

using namespace std::chrono_literals;

TEST(ServerTest, ManyFramesInOneWriteAreAnsweredInOrder) {
  TestServer server({.frames_in_flight_max = 8});
  TestLink link = TestLink::to(server);
  std::string bytes;
  for (int i = 0; i < 500; ++i) bytes += encode_frame(adt("M" + std::to_string(i)));
  link.send(bytes);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(link.told(), "AA M" + std::to_string(i));
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), 500u);
}

TEST(ServerTest, AnAnswerNeverComesBeforeTheCommit) {
  TestServer server;
  server.journal.set_mode(TestJournal::Mode::kHold);
  TestLink link = TestLink::to(server);
  link.send_frame(adt("M1"));
  while (server.journal.held() == 0) std::this_thread::yield();
  EXPECT_FALSE(link.stream().readable_now());
  server.journal.commit_held();
  EXPECT_EQ(link.told(), "AA M1");
}

TEST(ServerTest, ALaterFramesAnswerWaitsForTheEarlierOnes) {
  TestServer server;
  server.journal.set_mode(TestJournal::Mode::kHold);
  TestLink link = TestLink::to(server);
  link.send_frame(adt("M1"));
  while (server.journal.held() < 1) std::this_thread::yield();
  // The journal refuses the second at once; the first is still on its way.
  server.journal.refuse({Errc::kUnavailable, "full"});
  link.send_frame(adt("M2"));
  while (server.counted("minato_receive_messages_total", {{"outcome", "turned_away"}}) < 1) std::this_thread::yield();
  EXPECT_FALSE(link.stream().readable_now());
  server.journal.commit_held();
  EXPECT_EQ(link.told(), "AA M1");
  EXPECT_EQ(link.told(), "AR M2 207E");
}

TEST(ServerTest, ManyLinksAtOnceEachGetTheirOwnAnswers) {
  TestServer server;
  constexpr int kLinks = 32;
  constexpr int kEach = 25;
  std::vector<std::future<int>> clients;
  for (int client = 0; client < kLinks; ++client) {
    clients.push_back(std::async(std::launch::async, [&server, client] {
      TestLink link = TestLink::to(server);
      int right = 0;
      for (int i = 0; i < kEach; ++i) {
        const std::string id = std::to_string(client) + "-" + std::to_string(i);
        link.send_frame(adt(id));
        right += link.told() == "AA " + id ? 1 : 0;
      }
      return right;
    }));
  }
  for (auto& client : clients) EXPECT_EQ(client.get(), kEach);
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), std::size_t{kLinks * kEach});
}

TEST(ServerTest, SixtyFourMegabytesAreAccepted) {
  TestServer server;
  TestLink link = TestLink::to(server);
  const std::string message = adt("BIG", "OBX|1|ED|PDF||" + std::string(64 * kMiB, 'A') + "\r");
  link.send_frame(message);
  EXPECT_EQ(link.told(), "AA BIG");
  EXPECT_EQ(server.journal.entries().front().record.body, message);
}

TEST(ServerTest, OverTheByteBudgetEveryFrameIsStillAnswered) {
  // Eight links send 1 MiB each while 512 KiB may be held: all are half read at once, and none may wait for ever.
  TestServer server(ServerOptions{.listeners = {TestServer::named({})}, .workers = 2, .buffer_bytes_max = 512 * kKiB});
  std::vector<std::future<std::string>> clients;
  for (int client = 0; client < 8; ++client) {
    clients.push_back(std::async(std::launch::async, [&server, client] {
      TestLink link = TestLink::to(server);
      link.send_frame(adt("B" + std::to_string(client), "OBX|1|TX|||" + std::string(kMiB, 'x') + "\r"));
      return link.told();
    }));
  }
  for (int client = 0; client < 8; ++client)
    EXPECT_EQ(clients[static_cast<std::size_t>(client)].get(), "AA B" + std::to_string(client));
  EXPECT_GT(server.counted("minato_mllp_pauses_total"), 0u);
}

TEST(ServerTest, APeerThatTakesNoAnswersIsNotReadAndThenClosed) {
  TestServer server({.frames_in_flight_max = 100'000, .stall_timeout = 200ms});
  TestLink link = TestLink::to(server);
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += encode_frame(adt("M" + std::to_string(i), std::string(10, 'Z') + "\r"));
  // Until the kernel's buffers are full both ways: the server has stopped reading, so we cannot write.
  Status sent;
  std::size_t written = 0;
  while (sent) {
    sent = link.stream().write_all(bytes, test_deadline());
    written += bytes.size();
    ASSERT_LT(written, 2000 * kMiB) << "the server reads for ever";
  }
  EXPECT_EQ(server.counted("minato_mllp_stalled_total"), 1u);
}

TEST(ServerTest, AnIdleLinkIsNeverClosedAndAStalledOneIs) {
  TestServer server({.stall_timeout = 50ms});
  TestLink idle = TestLink::to(server);
  idle.send_frame(adt("M1"));
  EXPECT_EQ(idle.told(), "AA M1");
  TestLink stalled = TestLink::to(server);
  stalled.send("\x0BMSH|^~\\&|HIS");
  EXPECT_EQ(stalled.told(), "(closed)");
  EXPECT_EQ(server.counted("minato_mllp_stalled_total"), 1u);
  idle.send_frame(adt("M2"));
  EXPECT_EQ(idle.told(), "AA M2");
  const auto refused = server.journal.entries_of(RecordKind::kHl7Refused);
  ASSERT_EQ(refused.size(), 1u) << "the half is kept for a person to see";
  EXPECT_EQ(refused[0].record.body, "MSH|^~\\&|HIS");
}

TEST(ServerTest, OneLinkTooManyIsClosedAndTheOthersGoOn) {
  TestServer server({.connections_max = 2});
  TestLink first = TestLink::to(server);
  TestLink second = TestLink::to(server);
  first.send_frame(adt("M1"));
  EXPECT_EQ(first.told(), "AA M1");
  TestLink third = TestLink::to(server);
  EXPECT_EQ(third.told(), "(closed)");
  EXPECT_EQ(server.counted("minato_mllp_connections_refused_total", {{"reason", "limit"}}), 1u);
  second.send_frame(adt("M2"));
  EXPECT_EQ(second.told(), "AA M2");
}

TEST(ServerTest, OnlyAllowedAddressesMayConnect) {
  TestServer refusing({.addresses_allowed = {"192.0.2.0/24"}});
  TestLink stranger = TestLink::to(refusing);
  EXPECT_EQ(stranger.told(), "(closed)");
  EXPECT_EQ(refusing.counted("minato_mllp_connections_refused_total", {{"reason", "address"}}), 1u);

  TestServer admitting({.addresses_allowed = {"127.0.0.0/8"}});
  TestLink known = TestLink::to(admitting);
  known.send_frame(adt("M1"));
  EXPECT_EQ(known.told(), "AA M1");
  EXPECT_NE(admitting.journal.entries().front().record.meta.find(R"("identity":"address:127.0.0.1")"),
            std::string::npos);
}

TEST(ServerTest, DrainingFinishesTheFrameInFlightAndClosesIdleLinks) {
  TestServer server;
  server.journal.set_mode(TestJournal::Mode::kHold);
  TestLink idle = TestLink::to(server);
  TestLink waiting = TestLink::to(server);
  TestLink half = TestLink::to(server);
  waiting.send_frame(adt("M1"));
  const std::string frame = encode_frame(adt("M2"));
  half.send(frame.substr(0, 40));
  while (server.journal.held() < 1 || server.counted("minato_mllp_received_bytes_total") < frame.size() + 40) {
    std::this_thread::yield();
  }
  auto stopping = start_thread("stop", [&](const std::stop_token&) { server.server->stop(test_deadline()); });
  EXPECT_EQ(idle.told(), "(closed)");
  server.journal.commit_held();
  EXPECT_EQ(waiting.told(), "AA M1");
  EXPECT_EQ(waiting.told(), "(closed)");
  server.journal.set_mode(TestJournal::Mode::kCommitAtOnce);
  half.send(frame.substr(40));
  EXPECT_EQ(half.told(), "AA M2");
  EXPECT_EQ(half.told(), "(closed)");
  stopping.join();
  EXPECT_FALSE(connect_tcp({"127.0.0.1", server.server->bound("adt")->port}, test_deadline())) << "the door is closed";
}

TEST(ServerTest, StoppingWithNoTimeLeftAnswersNothingFalsely) {
  TestServer server;
  TestLink half = TestLink::to(server);
  half.send("\x0BMSH|^~\\&|HIS");
  while (server.counted("minato_mllp_received_bytes_total") == 0) std::this_thread::yield();
  server.server->stop(std::chrono::steady_clock::now());
  EXPECT_EQ(half.told(), "(closed)");
  EXPECT_EQ(server.server->connections(), 0u);
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), 0u);
}

TEST(ServerTest, AFailedCommitClosesTheLinkWithoutAnAnswer) {
  std::atomic<int> fatal = 0;
  TestServer server(ServerOptions{.listeners = {TestServer::named({})}, .workers = 1},
                    {.on_fatal = [&](const Error&) { ++fatal; }});
  server.journal.set_mode(TestJournal::Mode::kHold);
  TestLink link = TestLink::to(server);
  link.send_frame(adt("M1"));
  while (server.journal.held() == 0) std::this_thread::yield();
  server.journal.fail_held({Errc::kCorrupt, "fdatasync"});
  EXPECT_TRUE(link.told().starts_with("(")) << "no answer";
  EXPECT_EQ(fatal, 1);
}

TEST(ServerTest, APeerThatLeavesBeforeItsAnswerChangesNothing) {
  TestServer server;
  server.journal.set_mode(TestJournal::Mode::kHold);
  {
    TestLink link = TestLink::to(server);
    link.send_frame(adt("M1"));
    while (server.journal.held() == 0) std::this_thread::yield();
  }
  server.journal.commit_held();
  server.journal.set_mode(TestJournal::Mode::kCommitAtOnce);
  TestLink again = TestLink::to(server);
  again.send_frame(adt("M1"));
  EXPECT_EQ(again.told(), "AA M1");
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), 1u);
}

TEST(ServerTest, NothingOfAMessageReachesTheLog) {
  std::mutex mutex;
  std::string lines;
  {
    const log::Redirect redirect([&](std::string_view line) {
      const std::lock_guard lock(mutex);
      lines += line;
    });
    TestServer server;
    TestLink link = TestLink::to(server);
    link.send("SECRETJUNK\x0B" + adt("SECRET").substr(0, 60) + "\x0B" + adt("SECRET") + "\x1C\r\x0BSECRET\x1C\r");
    EXPECT_EQ(link.told(), "AA SECRET");
    link.end();
    EXPECT_TRUE(link.told().starts_with("AR"));
    EXPECT_EQ(link.told(), "(closed)");
  }
  EXPECT_NE(lines.find("mllp.junk"), std::string::npos);
  EXPECT_NE(lines.find("receive.half_frame"), std::string::npos);
  EXPECT_EQ(lines.find("SECRET"), std::string::npos) << lines;
}

TEST(ServerTest, AThousandIdleLinksAreCheap) {
  TestServer server;
  const std::size_t before = ::mallinfo2().uordblks;
  std::vector<TestLink> links;
  for (int i = 0; i < 1000; ++i) {
    links.push_back(TestLink::to(server));
    links.back().send_frame(adt("M" + std::to_string(i)));
    ASSERT_EQ(links.back().told(), "AA M" + std::to_string(i));
  }
  const std::size_t grown = ::mallinfo2().uordblks - before;
  RecordProperty("bytes_per_link", static_cast<int>(grown / 1000));
  std::printf("1000 idle links after one message each: %zu KiB more, both ends and the journal in memory\n",
              grown / kKiB);
  EXPECT_LT(grown, 20 * kMiB);
  for (int i = 0; i < 1000; ++i) links[static_cast<std::size_t>(i)].send_frame(adt("N" + std::to_string(i)));
  for (auto& link : links) EXPECT_TRUE(link.told().starts_with("AA N"));
}

TEST(CheckTest, ADoorBeyondLoopbackNeedsTlsAndAKnownPeer) {
  const auto listener = [](auto change) {
    ListenerOptions options{.rules = {.listener = "adt"}, .host = "0.0.0.0"};
    change(options);
    return check({options}).has_value();
  };
  TlsServerOptions tls{.certificate_file = "c.pem", .key_file = "k.pem"};
  EXPECT_FALSE(listener([](auto&) {}));
  EXPECT_FALSE(listener([&](auto& options) { options.tls = tls; }));
  EXPECT_FALSE(listener([&](auto& options) { options.addresses_allowed = {"10.0.0.0/8"}; }));
  EXPECT_TRUE(listener([&](auto& options) {
    options.tls = tls;
    options.addresses_allowed = {"10.0.0.0/8"};
  }));
  tls.client_ca_file = "ca.pem";
  tls.client_certificates = ClientCertificates::kOptional;
  EXPECT_FALSE(listener([&](auto& options) { options.tls = tls; }));
  tls.client_certificates = ClientCertificates::kRequired;
  EXPECT_TRUE(listener([&](auto& options) { options.tls = tls; }));
  EXPECT_TRUE(listener([](auto& options) { options.host = "127.0.0.1"; }));
}

TEST(CheckTest, MistakesAreFound) {
  const ListenerOptions good{.rules = {.listener = "adt"}};
  EXPECT_TRUE(check({good}));
  EXPECT_FALSE(check({good, good})) << "a name twice";
  EXPECT_FALSE(check({ListenerOptions{}})) << "no name";
  auto bad = good;
  bad.addresses_allowed = {"nonsense"};
  EXPECT_FALSE(check({bad}));
  bad = good;
  bad.frame_bytes_max = 0;
  EXPECT_FALSE(check({bad}));
  bad = good;
  bad.frame_bytes_max = 1024 * kMiB;
  EXPECT_FALSE(check({bad}));
  bad = good;
  bad.rules.authoritative = {{.identity = "", .sender = {.application = "HIS"}}};
  EXPECT_FALSE(check({bad}));
  bad.rules.authoritative = {{.identity = "address:10.0.0.0/99", .sender = {.application = "HIS"}}};
  EXPECT_FALSE(check({bad}));
  bad.rules.authoritative = {{.identity = "address:10.0.0.0/8", .sender = {.application = "HIS"}}};
  EXPECT_TRUE(check({bad}));
}

// A server with TLS, and clients with any certificate.
class TlsServerTest : public ::testing::Test {
 protected:
  TlsServerTest() {
    write("server",
          authority_.issue({.common_name = "localhost", .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}}));
    dir_.write("ca.pem", authority_.pem());
  }
  void write(const std::string& name, const TestCertificate& certificate) {
    dir_.write(name + ".pem", certificate.certificate);
    dir_.write(name + ".key", certificate.key);
  }
  ListenerOptions options(ClientCertificates wanted) const {
    return {.tls = TlsServerOptions{.certificate_file = dir_.path("server.pem"),
                                    .key_file = dir_.path("server.key"),
                                    .client_ca_file = wanted == ClientCertificates::kNone ? "" : dir_.path("ca.pem"),
                                    .crl_file = "",
                                    .client_certificates = wanted},
            .stall_timeout = 5s};
  }
  // What a client with that certificate hears when it sends one message; "" for none.
  std::string told(TestServer& server, const std::string& certificate) {
    TlsClientOptions client{.ca_file = dir_.path("ca.pem"), .certificate_file = "", .key_file = ""};
    if (!certificate.empty()) {
      client.certificate_file = dir_.path(certificate + ".pem");
      client.key_file = dir_.path(certificate + ".key");
    }
    const auto context = TlsClientContext::open(client);
    EXPECT_TRUE(context);
    auto stream = connect_stream({.endpoint = {"127.0.0.1", server.server->bound("adt")->port},
                                  .tls = context->get(),
                                  .server_name = "localhost"},
                                 test_deadline());
    if (!stream) return "(refused)";
    TestLink link(std::move(*stream));
    // TLS 1.3: the client learns of a refusal with its first read.
    if (!link.stream().write_all(encode_frame(adt("M" + certificate)), test_deadline())) return "(refused)";
    const std::string answer = link.told();
    return answer.starts_with("(") ? "(refused)" : answer;
  }

  TestDirectory dir_;
  TestAuthority authority_{"Test CA"};
};

TEST_F(TlsServerTest, ClientCertificatesAreRequiredWhereTheListenerSaysSo) {
  write("good", authority_.issue({.common_name = "his.example"}));
  write("expired",
        authority_.issue({.common_name = "his.example", .valid_from_seconds = -7200, .valid_to_seconds = -3600}));
  write("foreign", TestAuthority("Other CA").issue({.common_name = "his.example"}));
  TestServer server(options(ClientCertificates::kRequired));
  EXPECT_EQ(told(server, ""), "(refused)");
  EXPECT_EQ(told(server, "expired"), "(refused)");
  EXPECT_EQ(told(server, "foreign"), "(refused)");
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), 0u);
  EXPECT_EQ(server.counted("minato_mllp_connections_refused_total", {{"reason", "tls"}}), 3u);
  EXPECT_EQ(told(server, "good"), "AA Mgood");
  EXPECT_NE(server.journal.entries().front().record.meta.find(R"("identity":"cert:his.example")"), std::string::npos);
}

TEST_F(TlsServerTest, WhereTheyAreOptionalAWrongOneIsStillRefused) {
  write("good", authority_.issue({.common_name = "his.example"}));
  write("foreign", TestAuthority("Other CA").issue({.common_name = "his.example"}));
  TestServer server(options(ClientCertificates::kOptional));
  EXPECT_EQ(told(server, ""), "AA M");
  EXPECT_EQ(told(server, "good"), "AA Mgood");
  EXPECT_EQ(told(server, "foreign"), "(refused)");
  EXPECT_EQ(server.journal.entries().front().record.meta.find("identity"), std::string::npos);
}

TEST_F(TlsServerTest, ARevokedCertificateIsRefused) {
  const TestCertificate revoked = authority_.issue({.common_name = "his.example"});
  write("revoked", revoked);
  write("good", authority_.issue({.common_name = "lab.example"}));
  ListenerOptions listener = options(ClientCertificates::kRequired);
  listener.tls->crl_file = dir_.write("crl.pem", authority_.revoke({revoked.serial}));
  TestServer server(listener);
  EXPECT_EQ(told(server, "revoked"), "(refused)");
  EXPECT_EQ(told(server, "good"), "AA Mgood");
}

TEST_F(TlsServerTest, APlainClientIsRefused) {
  TestServer server(options(ClientCertificates::kNone));
  TestLink plain = TestLink::to(server);
  plain.send_frame(adt("M1"));
  plain.end();
  EXPECT_FALSE(plain.told().starts_with("AA"));
  EXPECT_EQ(server.counted("minato_mllp_connections_refused_total", {{"reason", "tls"}}), 1u);
  EXPECT_EQ(server.stored(RecordKind::kHl7Received), 0u);
}

TEST_F(TlsServerTest, LargeFramesAndManyFramesPassThroughTls) {
  TestServer server(options(ClientCertificates::kNone));
  TlsClientOptions client{.ca_file = dir_.path("ca.pem"), .certificate_file = "", .key_file = ""};
  const auto context = TlsClientContext::open(client);
  auto stream = connect_stream(
      {.endpoint = {"127.0.0.1", server.server->bound("adt")->port}, .tls = context->get(), .server_name = "localhost"},
      test_deadline());
  ASSERT_TRUE(stream);
  TestLink link(std::move(*stream));
  const std::string message = adt("BIG", "OBX|1|ED|PDF||" + std::string(8 * kMiB, 'A') + "\r");
  link.send_frame(message);
  EXPECT_EQ(link.told(), "AA BIG");
  EXPECT_EQ(server.journal.entries().front().record.body, message);
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += encode_frame(adt("M" + std::to_string(i)));
  link.send(bytes);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(link.told(), "AA M" + std::to_string(i));
}

TEST_F(TlsServerTest, ReloadingTheCertificateKeepsLinksAndServesTheNewOne) {
  TestServer server(options(ClientCertificates::kNone));
  const auto context = TlsClientContext::open({.ca_file = dir_.path("ca.pem"), .certificate_file = "", .key_file = ""});
  const auto connect = [&] {
    auto stream = connect_stream({.endpoint = {"127.0.0.1", server.server->bound("adt")->port},
                                  .tls = context->get(),
                                  .server_name = "localhost"},
                                 test_deadline());
    EXPECT_TRUE(stream);
    return TestLink(std::move(*stream));
  };
  TestLink before = connect();
  before.send_frame(adt("M1"));
  EXPECT_EQ(before.told(), "AA M1");
  const std::string old_certificate = before.stream().stream().identity()->sha256;
  metrics::Gauge& expiry = server.registry.gauge("minato_mllp_certificate_expiry_seconds",
                                                 "When the listener's certificate expires, since 1970; 0 without TLS.",
                                                 {{"listener", "adt"}});
  const double old_expiry = expiry.value();

  write("server",
        authority_.issue({.common_name = "localhost", .dns_names = {"localhost"}, .valid_to_seconds = 2 * 86'400}));
  ASSERT_TRUE(server.server->reload_certificates());
  TestLink after = connect();
  EXPECT_NE(after.stream().stream().identity()->sha256, old_certificate);
  EXPECT_NEAR(expiry.value() - old_expiry, 86'400, 60);
  before.send_frame(adt("M2"));
  EXPECT_EQ(before.told(), "AA M2");

  dir_.write("server.key", "no key");
  EXPECT_FALSE(server.server->reload_certificates());
  after.send_frame(adt("M3"));
  EXPECT_EQ(after.told(), "AA M3");
  TestLink still = connect();
  still.send_frame(adt("M4"));
  EXPECT_EQ(still.told(), "AA M4");
}

}  // namespace
}  // namespace minato::mllp

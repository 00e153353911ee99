#include "os/http_client.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <functional>

#include "base/bytes.h"
#include "os/http_server.h"
#include "os/stream.h"
#include "os/test_pki.h"
#include "os/thread.h"

namespace minato::http {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

std::unique_ptr<Server> serve(std::vector<Route> routes, ServerOptions options = {}) {
  Router router;
  for (auto& route : routes) {
    route.zone = kPublicZone;
    EXPECT_TRUE(router.add(std::move(route)));
  }
  auto server = Server::start(options, std::move(router), nullptr);
  EXPECT_TRUE(server) << server.error().what;
  return server ? std::move(*server) : nullptr;
}

std::string url(const Server& server, const std::string& path) { return "http://" + server.bound().text() + path; }

// A peer that answers each connection with the same bytes and then closes it.
class RawServer {
 public:
  explicit RawServer(std::string answer) : answer_(std::move(answer)) {
    thread_ = start_thread("raw-server", [this](std::stop_token stop) {
      while (!stop.stop_requested()) {
        pollfd entry{.fd = listener_->fd.get(), .events = POLLIN, .revents = 0};
        if (::poll(&entry, 1, 10) != 1) continue;
        auto accepted = accept_tcp(listener_->fd);
        if (!accepted || !*accepted) continue;
        BlockingStream stream(plain_stream(std::move((*accepted)->fd), (*accepted)->peer));
        char request[4096];
        (void)stream.read_some(request, in(5s));
        (void)stream.write_all(answer_, in(5s));
        stream.stream().shutdown();
      }
    });
  }
  std::string url() const { return "http://" + listener_->bound.text() + "/"; }

 private:
  std::string answer_;
  Result<Listener> listener_ = listen_tcp({});
  std::jthread thread_;
};

TEST(HttpClient, SendsMethodHeadersAndBodyAndReadsTheAnswer) {
  const auto server =
      serve({{.method = "PUT", .pattern = "/things/{id}", .handler = [](const Request& request) {
                Response response = text_response(
                    201, request.method + " " + std::string(request.path_parameter("id")) + " " +
                             std::string(request.header("X-Key").value_or("none")) + " " +
                             std::string(request.header("X-Empty").value_or("none")) + "|" +
                             std::string(request.header("Content-Type").value_or("none")) + " " + request.body);
                response.headers.emplace_back("X-Answer", "yes");
                return response;
              }}});
  Client client;
  const auto answer = client.send({.method = "PUT",
                                   .url = url(*server, "/things/7"),
                                   .headers = {{"X-Key", "value"}, {"X-Empty", ""}},
                                   .body = std::string("a\0b", 3)});
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, std::string("PUT 7 value |none a\0b", 21));
  EXPECT_EQ(find(answer->headers, "x-answer"), "yes");
}

TEST(HttpClient, KeepsTheConnectionBetweenRequestsAndNothingElse) {
  std::vector<std::uint16_t> ports;
  std::vector<std::string> keys;
  const auto server = serve({{.method = "GET", .pattern = "/", .handler = [&](const Request& request) {
                                ports.push_back(request.peer.port);
                                keys.emplace_back(request.header("X-Key").value_or("none"));
                                return text_response(200, "");
                              }}});
  Client client;
  ASSERT_TRUE(client.send({.url = url(*server, "/"), .headers = {{"X-Key", "1"}}}));
  ASSERT_TRUE(client.send({.url = url(*server, "/")}));
  EXPECT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0], ports[1]);
  EXPECT_EQ(keys, (std::vector<std::string>{"1", "none"}));
}

TEST(HttpClient, AnyStatusIsAnAnswerAndRedirectsAreNotFollowed) {
  const auto server =
      serve({{.method = "GET", .pattern = "/{status}", .handler = [](const Request& request) {
                return Response{.status = static_cast<int>(*parse_unsigned(request.path_parameter("status"))),
                                .headers = {{"Location", "/200"}},
                                .body = "x"};
              }}});
  Client client;
  for (const int status : {200, 302, 404, 500, 503}) {
    const auto answer = client.send({.url = url(*server, "/" + std::to_string(status))});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, status);
  }
}

TEST(HttpClient, HeadHasHeadersAndNoBody) {
  const auto server =
      serve({{.method = "GET", .pattern = "/", .handler = [](const Request&) { return text_response(200, "12345"); }}});
  Client client;
  const auto answer = client.send({.method = "HEAD", .url = url(*server, "/")});
  ASSERT_TRUE(answer) << answer.error().what;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(find(answer->headers, "Content-Length"), "5");
}

TEST(HttpClient, RefusesToSendWhatIsMalformed) {
  Client client;
  const auto code = [&](const ClientRequest& request) {
    const auto answer = client.send(request);
    return answer ? Errc::kConflict : answer.error().code;
  };
  EXPECT_EQ(code({.url = "http://127.0.0.1:1/", .headers = {{"X", "a\r\nY: b"}}}), Errc::kRefused);
  EXPECT_EQ(code({.url = "http://127.0.0.1:1/", .headers = {{"X\n", "a"}}}), Errc::kRefused);
  EXPECT_EQ(code({.method = "GET /x", .url = "http://127.0.0.1:1/"}), Errc::kRefused);
  EXPECT_EQ(code({.url = "http://127.0.0.1:1/\r\nX: y"}), Errc::kRefused);
  EXPECT_EQ(code({.url = "file:///etc/passwd"}), Errc::kRefused);
  EXPECT_EQ(code({.url = "http://"}), Errc::kRefused);
}

TEST(HttpClient, ErrorsDoNotCarryTheUrl) {
  Client client;
  const auto answer = client.send({.url = "http://127.0.0.1:1/patient?mrn=4711"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kRetry);
  EXPECT_EQ(answer.error().what.find("4711"), std::string::npos);
}

TEST(HttpClient, AnAnswerAboveTheLimitIsRefusedWithOrWithoutALength) {
  Client client;
  const RawServer declared("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_EQ(client.send({.url = declared.url(), .answer_bytes_max = 999}).error().code, Errc::kTooLarge);
  EXPECT_EQ(client.send({.url = declared.url(), .answer_bytes_max = 1000})->body.size(), 1000u);
  const RawServer until_close("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_EQ(client.send({.url = until_close.url(), .answer_bytes_max = 999}).error().code, Errc::kTooLarge);
  EXPECT_EQ(client.send({.url = until_close.url(), .answer_bytes_max = 1000})->body.size(), 1000u);
  const RawServer headers("HTTP/1.1 200 OK\r\nX: " + std::string(90'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.send({.url = headers.url()}).error().code, Errc::kTooLarge);
}

TEST(HttpClient, AShortOrBrokenAnswerIsRetried) {
  Client client;
  const RawServer cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
  EXPECT_EQ(client.send({.url = cut.url()}).error().code, Errc::kRetry);
  const RawServer silent("");
  EXPECT_EQ(client.send({.url = silent.url()}).error().code, Errc::kRetry);
  const RawServer interim("HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  const auto answer = client.send({.url = interim.url()});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_FALSE(find(answer->headers, "X-Old"));
}

TEST(HttpClient, GivesUpAtItsTimeout) {
  const auto listener = listen_tcp({});  // accepts in the kernel and never answers
  Client client;
  const auto start = std::chrono::steady_clock::now();
  const auto answer = client.send({.url = "http://" + listener->bound.text() + "/", .timeout = 50ms});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(HttpClient, VerifiesTheServerAndShowsItsCertificate) {
  const TestDirectory dir;
  const TestAuthority authority("Test CA"), other("Other CA");
  const auto issued = authority.issue({.common_name = "server", .ip_addresses = {"127.0.0.1"}});
  const auto ours = authority.issue({.common_name = "us"});
  ServerOptions options;
  options.tls = ServerTls{.certificate_file = dir.write("s.pem", issued.certificate),
                          .key_file = dir.write("s.key", issued.key),
                          .client_ca_file = dir.write("ca.pem", authority.pem()),
                          .client_certificates = ClientCertificates::kOptional};
  const auto server =
      serve({{.method = "GET",
              .pattern = "/",
              .handler =
                  [](const Request& request) {
                    return text_response(
                        200, request.client_certificate ? request.client_certificate->common_name : "nobody");
                  }}},
            options);
  ASSERT_NE(server, nullptr);
  const std::string at = "https://" + server->bound().text() + "/";
  Client client;
  const auto nobody = client.send({.url = at, .ca_file = dir.path("ca.pem")});
  ASSERT_TRUE(nobody) << nobody.error().what;
  EXPECT_EQ(nobody->body, "nobody");
  const auto known = client.send({.url = at,
                                  .ca_file = dir.path("ca.pem"),
                                  .certificate_file = dir.write("c.pem", ours.certificate),
                                  .key_file = dir.write("c.key", ours.key)});
  ASSERT_TRUE(known) << known.error().what;
  EXPECT_EQ(known->body, "us");
  EXPECT_EQ(client.send({.url = at, .ca_file = dir.write("other.pem", other.pem())}).error().code, Errc::kRefused);
  EXPECT_EQ(client.send({.url = at}).error().code, Errc::kRefused) << "the system does not know our CA";
  EXPECT_EQ(client.send({.url = at, .ca_file = dir.path("missing.pem")}).error().code, Errc::kRefused);
  const std::string by_name = "https://localhost:" + std::to_string(server->bound().port) + "/";
  EXPECT_EQ(client.send({.url = by_name, .ca_file = dir.path("ca.pem")}).error().code, Errc::kRefused)
      << "the certificate is for the address only";
}

TEST(HttpClient, DeliverySortsTheStatuses) {
  for (const int status : {200, 201, 202, 204, 299}) EXPECT_TRUE(delivery_status(status)) << status;
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 507}) {
    EXPECT_EQ(delivery_status(status).error().code, Errc::kRetry) << status;
  }
  for (const int status : {301, 302, 304, 400, 401, 403, 404, 409, 410, 413, 415, 422, 501, 505}) {
    EXPECT_EQ(delivery_status(status).error().code, Errc::kRefused) << status;
  }
}

}  // namespace
}  // namespace minato::http

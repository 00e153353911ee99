#include "os/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "base/bytes.h"
#include "os/http_client.h"
#include "os/http_message.h"
#include "os/stream.h"
#include "os/test_pki.h"
#include "os/thread.h"

namespace minato::http {
namespace {

using namespace std::chrono_literals;

Deadline in(std::chrono::milliseconds span) { return std::chrono::steady_clock::now() + span; }

// token "reader" may read, "writer" may read and write, "slow" cannot be decided now.
class Tokens final : public Authenticator {
 public:
  Decision decide(const Request& request, const Route& route) override {
    ++asked;
    const std::string token = request.bearer_token.value_or("");
    if (token == "slow") return {.access = Access::kUnavailable};
    if (token == "reader") return {route.scope == "read" ? Access::kGranted : Access::kForbidden, {.name = "reader"}};
    if (token == "writer") return {Access::kGranted, {.name = "writer"}};
    return {.access = Access::kUnauthenticated};
  }
  std::atomic<int> asked{0};
};

Route public_get(const std::string& pattern, Handler handler) {
  return {.method = "GET", .pattern = pattern, .zone = std::string(kPublicZone), .handler = std::move(handler)};
}

// One connection on which the test writes bytes of its own.
class Raw {
 public:
  explicit Raw(const Server& server)
      : stream_(std::move(*connect_stream({.endpoint = {"127.0.0.1", server.bound().port}}, in(5s)))) {}
  void send(std::string_view bytes) { ASSERT_TRUE(stream_.write_all(bytes, in(10s))); }
  // The next answer with its body, as far as the length is declared or the peer closes; chunks are not decoded.
  std::string answer() {
    while (text_.find("\r\n\r\n") == std::string::npos && more()) continue;
    const auto end = text_.find("\r\n\r\n");
    if (end == std::string::npos) return std::exchange(text_, "");
    const std::string head = ascii_lower(text_.substr(0, end + 4));
    const auto length = head.find("content-length: ");
    std::size_t size = head.starts_with("http/1.1 1") ? end + 4 : std::string::npos;
    if (length != std::string::npos) size = end + 4 + std::stoul(head.substr(length + 16));
    while (text_.size() < size && more()) continue;
    const std::string out = text_.substr(0, size);
    text_.erase(0, std::min(size, text_.size()));
    return out;
  }
  std::string all() {
    while (more()) continue;
    return std::exchange(text_, "");
  }
  bool closed() {
    char one[1];
    const auto read = stream_.read_some(one, in(5s));
    return !read || *read == 0;
  }

 private:
  bool more() {
    char chunk[4096];
    const auto read = stream_.read_some(chunk, in(5s));
    if (!read || *read == 0) return false;
    text_.append(chunk, *read);
    return true;
  }
  BlockingStream stream_;
  std::string text_;
};

int status_of(const std::string& answer) {
  if (!answer.starts_with("HTTP/1.")) return 0;
  return std::atoi(answer.c_str() + 9);
}

class HttpServer : public testing::Test {
 protected:
  void add(Route route) {
    const auto added = router_.add(std::move(route));
    ASSERT_TRUE(added) << added.error().what;
  }
  void add_zone(const std::string& method, const std::string& pattern, const std::string& scope, Handler handler) {
    add({.method = method, .pattern = pattern, .zone = "admin", .scope = scope, .handler = std::move(handler)});
  }
  void start(ServerOptions options = {}) {
    if (!options.observer) {
      options.observer = [this](const Exchange& exchange) {
        const std::lock_guard lock(mutex_);
        seen_.push_back(
            {exchange.status, exchange.request.route ? exchange.request.route->pattern : "", exchange.completed});
        changed_.notify_all();
      };
    }
    auto server = Server::start(options, std::move(router_), &tokens_);
    ASSERT_TRUE(server) << server.error().what;
    server_ = std::move(*server);
  }
  std::string ask(const std::string& request) {
    Raw raw(*server_);
    raw.send(request);
    return raw.answer();
  }
  std::string get(const std::string& path, const std::string& headers = "") {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  }
  struct Seen {
    int status;
    std::string pattern;
    bool completed;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  std::vector<Seen> seen(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 5s, [&] { return seen_.size() >= count; });
    return seen_;
  }

  Tokens tokens_;
  Router router_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Seen> seen_;
  std::unique_ptr<Server> server_;
};

TEST(HttpRouter, RefusesRoutesThatAreWrong) {
  const Handler handler = [](const Request&) { return text_response(200, ""); };
  const auto code = [&](Route route) {
    Router router;
    EXPECT_TRUE(router.add({.method = "GET", .pattern = "/a/{id}", .zone = "admin", .scope = "s", .handler = handler}));
    const auto added = router.add(std::move(route));
    return added ? "added" : std::string(name(added.error().code));
  };
  EXPECT_EQ(code({.method = "GET", .pattern = "/a/{other}", .zone = "admin", .scope = "s", .handler = handler}),
            "conflict");
  EXPECT_EQ(code({.method = "POST", .pattern = "/a/{other}", .zone = "admin", .scope = "s", .handler = handler}),
            "added");
  EXPECT_EQ(code({.method = "GET", .pattern = "/a/b", .zone = "admin", .scope = "s", .handler = handler}), "added");
  EXPECT_EQ(code({.method = "GET", .pattern = "/b", .zone = "admin", .handler = handler}), "refused") << "no scope";
  EXPECT_EQ(code({.method = "GET", .pattern = "/b", .handler = handler}), "refused") << "no zone";
  EXPECT_EQ(code({.method = "GET", .pattern = "/b", .zone = "public"}), "refused") << "no handler";
  for (const char* bad : {"", "b", "/{", "/{}", "/{a b}", "/x{a}", "/{rest*}/x", "/*", "/{a*"}) {
    EXPECT_EQ(code({.method = "GET", .pattern = bad, .zone = "public", .handler = handler}), "refused") << bad;
  }
}

TEST(HttpRouter, TheClosestPatternWinsAndTheMethodIsLookedForThere) {
  const Handler handler = [](const Request&) { return text_response(200, ""); };
  Router router;
  for (const char* pattern : {"/m/{id}", "/m/find", "/m/{id}/raw", "/{rest*}", "/m/{id}/{name}"}) {
    ASSERT_TRUE(router.add({.method = "GET", .pattern = pattern, .zone = "public", .handler = handler}));
  }
  ASSERT_TRUE(router.add({.method = "POST", .pattern = "/m/{id}", .zone = "public", .handler = handler}));
  const auto found = [&](std::string_view method, std::vector<std::string> segments) {
    const auto match = router.match(method, segments);
    std::string text = match.route ? match.route->pattern : "-";
    for (const auto& [name, value] : match.parameters) text += " " + name + "=" + value;
    for (const auto& allowed : match.allowed) text += match.route ? "" : " " + allowed;
    return text;
  };
  EXPECT_EQ(found("GET", {"m", "find"}), "/m/find");
  EXPECT_EQ(found("GET", {"m", "7"}), "/m/{id} id=7");
  EXPECT_EQ(found("HEAD", {"m", "7"}), "/m/{id} id=7");
  EXPECT_EQ(found("GET", {"m", "a/b"}), "/m/{id} id=a/b");
  EXPECT_EQ(found("GET", {"m", "7", "raw"}), "/m/{id}/raw id=7");
  EXPECT_EQ(found("GET", {"m", "7", "x"}), "/m/{id}/{name} id=7 name=x");
  EXPECT_EQ(found("GET", {"m", "7", "x", "y"}), "/{rest*} rest=m/7/x/y");
  EXPECT_EQ(found("GET", {"m", ""}), "/{rest*} rest=m/") << "a parameter is never empty";
  EXPECT_EQ(found("POST", {"m", "find"}), "- GET HEAD") << "not the POST of /m/{id}";
  EXPECT_EQ(found("DELETE", {"m", "7"}), "- GET HEAD POST");
}

TEST(HttpMessage, TargetsAreTakenApartSegmentBySegment) {
  const auto target = parse_target("/a%2Fb/%E6%9C%AC/?q=1+2&q=%26&flag&=x&&z=a=b");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->segments, (std::vector<std::string>{"a/b", "本", ""}));
  EXPECT_EQ(target->path, "/a/b/本/");
  EXPECT_EQ(target->query, (std::vector<std::pair<std::string, std::string>>{
                               {"q", "1 2"}, {"q", "&"}, {"flag", ""}, {"", "x"}, {"z", "a=b"}}));
  EXPECT_EQ(parse_target("http://host:80/x?y")->path, "/x");
  EXPECT_EQ(parse_target("http://host")->path, "/");
  EXPECT_EQ(parse_target("/")->segments, std::vector<std::string>{""});
  for (const char* bad : {"", "x", "*", "?a", "ftp://h/", "/%", "/%2", "/%00", "/a/../b", "/a/%2e%2E/b", "/.", "/a#b",
                          "/?%z", "http://h?x"}) {
    EXPECT_FALSE(parse_target(bad)) << bad;
  }
  std::string many = "/?";
  for (std::size_t i = 0; i < kHttpQueryParametersMax; ++i) many += "a&";
  EXPECT_TRUE(parse_target(many));
  EXPECT_FALSE(parse_target(many + "a&"));
}

TEST(HttpMessage, FramingHasOneReadingOrIsRefused) {
  const auto status = [](std::string_view version, const Headers& more) {
    Headers headers = {{"Host", "x"}};
    headers.insert(headers.end(), more.begin(), more.end());
    const auto framing = check_framing(version, headers);
    return framing ? 0 : framing.error().status;
  };
  EXPECT_EQ(status("HTTP/1.1", {}), 0);
  EXPECT_EQ(status("HTTP/1.1", {{"content-length", "5"}}), 0);
  EXPECT_EQ(status("HTTP/1.1", {{"Transfer-Encoding", "Chunked"}}), 0);
  EXPECT_EQ(status("HTTP/1.1", {{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}), 400);
  EXPECT_EQ(status("HTTP/1.1", {{"Content-Length", "5"}, {"Content-Length", "5"}}), 400);
  for (const char* bad : {"-1", "+1", "5, 5", "0x5", "", "99999999999999999999"}) {
    EXPECT_EQ(status("HTTP/1.1", {{"Content-Length", bad}}), 400) << bad;
  }
  EXPECT_EQ(status("HTTP/1.1", {{"Transfer-Encoding", "gzip, chunked"}}), 501);
  EXPECT_EQ(status("HTTP/1.1", {{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}), 501);
  EXPECT_EQ(status("HTTP/1.0", {{"Transfer-Encoding", "chunked"}}), 400);
  EXPECT_EQ(status("HTTP/1.1", {{"Host", "y"}}), 400);
  EXPECT_EQ(status("HTTP/1.1", {{"Expect", "100-Continue"}}), 0);
  EXPECT_EQ(status("HTTP/1.1", {{"Expect", "teapot"}}), 417);
  EXPECT_EQ(status("HTTP/1.1", {{"X y", "1"}}), 400);
  EXPECT_EQ(status("HTTP/1.1", {{"Content-Length ", "5"}}), 400);
  EXPECT_EQ(status("HTTP/1.1", {{"X", "a\rb"}}), 400);
  EXPECT_EQ(check_framing("HTTP/1.1", {}).error().status, 400);
  EXPECT_TRUE(check_framing("HTTP/1.0", {}));
}

TEST(HttpMessage, BearerTokensAreReadByTheBook) {
  EXPECT_EQ(*bearer_token({}), std::nullopt);
  EXPECT_EQ(*bearer_token({{"authorization", "bearer  abc.-_~+/=="}}), "abc.-_~+/==");
  EXPECT_EQ(*bearer_token({{"Authorization", "Basic abc"}}), std::nullopt);
  for (const char* bad : {"Bearer", "Bearer ", "Bearer a b", "Bearer a=b", "Bearer =", "Bearer \xE6"}) {
    EXPECT_FALSE(bearer_token({{"Authorization", bad}})) << bad;
  }
  EXPECT_FALSE(bearer_token({{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}));
}

TEST(HttpProblem, ClassesHaveTheirStatus) {
  EXPECT_EQ(problem(Error{Errc::kRefused, "x"}).status, 400);
  EXPECT_EQ(problem(Error{Errc::kNotFound, "x"}).status, 404);
  EXPECT_EQ(problem(Error{Errc::kUnavailable, "x"}).status, 503);
  EXPECT_TRUE(find(problem(Error{Errc::kRetry, "x"}).headers, "Retry-After"));
  EXPECT_EQ(problem(Error{Errc::kCorrupt, "x"}).status, 500);
  EXPECT_EQ(problem(413, "too \"large\"").body,
            R"({"title":"Content Too Large","status":413,"detail":"too \"large\""})");
}

TEST_F(HttpServer, AHandlerSeesTheWholeRequest) {
  add_zone("POST", "/api/{id}/x", "write", [](const Request& r) {
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.path, "/api/a b/x");
    EXPECT_EQ(r.target, "/api/a%20b/x?k=1&k=2");
    EXPECT_EQ(r.path_parameter("id"), "a b");
    EXPECT_EQ(r.path_parameter("none"), "");
    EXPECT_EQ(r.query_parameters("k"), (std::vector<std::string_view>{"1", "2"}));
    EXPECT_EQ(r.query_parameter("none"), std::nullopt);
    EXPECT_EQ(r.header("x-one"), "1");
    EXPECT_EQ(r.bearer_token, "writer");
    EXPECT_EQ(r.principal.name, "writer");
    EXPECT_TRUE(r.peer.ip.is_loopback());
    EXPECT_FALSE(r.over_tls);
    EXPECT_FALSE(r.client_certificate);
    EXPECT_EQ(r.route->zone, "admin");
    return json_response(202, "{\"got\":" + std::to_string(r.body.size()) + "}");
  });
  start();
  const std::string answer =
      ask("POST /api/a%20b/x?k=1&k=2 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nAuthorization: Bearer writer\r\n"
          "Content-Length: 5\r\n\r\nhello");
  EXPECT_EQ(status_of(answer), 202) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n{\"got\":5}")) << answer;
  EXPECT_NE(answer.find("Date: "), std::string::npos);
  EXPECT_EQ(seen(1), (std::vector<Seen>{{202, "/api/{id}/x", true}}));
}

TEST_F(HttpServer, PipelinedRequestsAreAnsweredInOrderOnOneConnection) {
  add(public_get("/{n}", [](const Request& r) { return text_response(200, std::string(r.path_parameter("n"))); }));
  start();
  Raw raw(*server_);
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  raw.send(requests);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(raw.answer().ends_with("\r\n\r\n" + std::to_string(i))) << i;
}

TEST_F(HttpServer, NobodyPassesWithoutAToken) {
  std::atomic<int> handled{0};
  const Handler handler = [&](const Request&) { return ++handled, text_response(200, ""); };
  add_zone("GET", "/read", "read", handler);
  add_zone("POST", "/write", "write", handler);
  add(public_get("/healthz", handler));
  start();
  const std::string anonymous = get("/read");
  EXPECT_EQ(status_of(anonymous), 401);
  EXPECT_NE(anonymous.find("WWW-Authenticate: Bearer"), std::string::npos);
  EXPECT_EQ(status_of(get("/read", "Authorization: Bearer wrong\r\n")), 401);
  EXPECT_EQ(status_of(get("/read", "Authorization: Basic cmVhZGVy\r\n")), 401);
  EXPECT_EQ(status_of(get("/read", "Authorization: Bearer reader\r\nAuthorization: Bearer writer\r\n")), 400);
  EXPECT_EQ(status_of(get("/read", "Authorization: Bearer slow\r\n")), 503);
  EXPECT_EQ(
      status_of(ask("POST /write HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer reader\r\nContent-Length: 2\r\n\r\nxx")),
      403);
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(status_of(get("/read", "Authorization: Bearer reader\r\n")), 200);
  const int asked = tokens_.asked;
  EXPECT_EQ(status_of(get("/healthz")), 200);
  EXPECT_EQ(tokens_.asked, asked) << "public routes ask nobody";
  EXPECT_EQ(handled, 2);
}

TEST_F(HttpServer, WithoutAnAuthenticatorOnlyPublicRoutesStart) {
  Router router;
  ASSERT_TRUE(
      router.add({.method = "GET", .pattern = "/", .zone = "admin", .scope = "s", .handler = [](const Request&) {
                    return text_response(200, "");
                  }}));
  const auto server = Server::start({}, std::move(router), nullptr);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::kRefused);
}

TEST_F(HttpServer, UnknownPathsMethodsAndVersionsHaveTheirStatus) {
  add(public_get("/a", [](const Request&) { return text_response(200, "body"); }));
  start();
  EXPECT_EQ(status_of(get("/b")), 404);
  EXPECT_EQ(status_of(get("/a/")), 404);
  const std::string wrong = ask("DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(status_of(wrong), 405);
  EXPECT_NE(wrong.find("Allow: GET, HEAD\r\n"), std::string::npos) << wrong;
  EXPECT_EQ(status_of(ask("BREW /a HTTP/1.1\r\nHost: x\r\n\r\n")), 501);
  EXPECT_EQ(status_of(ask("get /a HTTP/1.1\r\nHost: x\r\n\r\n")), 501) << "methods are case-sensitive";
  const std::string head = ask("HEAD /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(status_of(head), 200);
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << "no body";
  EXPECT_NE(ascii_lower(head).find("content-length: 4"), std::string::npos);
  EXPECT_NE(status_of(ask("GET /a HTTP/2.0\r\nHost: x\r\n\r\n")), 200);
  EXPECT_EQ(status_of(ask("GET /a HTTP/1.1\r\n\r\n")), 400) << "no Host";
  EXPECT_EQ(status_of(ask("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")), 400);
  EXPECT_EQ(status_of(ask("GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n")), 200) << "absolute-form";
  EXPECT_EQ(status_of(ask("GET /a?%zz HTTP/1.1\r\nHost: x\r\n\r\n")), 400);
}

// RFC 9112 sections 5.1, 6.1, 6.3 and 11.2: what two readers could read differently is refused, and the link with it.
TEST_F(HttpServer, AmbiguousFramingIsRefusedAndTheLinkCloses) {
  std::atomic<int> handled{0};
  add(public_get("/", [&](const Request&) { return ++handled, text_response(200, ""); }));
  add({.method = "POST", .pattern = "/", .zone = "public", .handler = [&](const Request&) {
         return ++handled, text_response(200, "");
       }});
  start();
  const std::string smuggled = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const std::string headers : {
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length: 5\r\nContent-Length: 6\r\n",
           "Content-Length: +5\r\n",
           "Content-Length: 5 5\r\n",
           "Transfer-Encoding: xchunked\r\n",
           "Transfer-Encoding: chunked, identity\r\n",
           "Content-Length : 5\r\n",
           "Transfer-Encoding : chunked\r\n",
       }) {
    Raw raw(*server_);
    raw.send("POST / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n0\r\n\r\n" + smuggled);
    const std::string all = raw.all();
    EXPECT_TRUE(status_of(all) == 400 || status_of(all) == 501) << headers << all;
    EXPECT_EQ(all.find(" 200 "), std::string::npos) << headers << "a second answer: " << all;
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServer, BodiesUpToTheLimitPassAndOneByteMoreIs413) {
  std::atomic<std::size_t> got{0};
  add({.method = "POST",
       .pattern = "/",
       .zone = "public",
       .handler = [&](const Request& r) { return got = r.body.size(), text_response(200, ""); },
       .body_bytes_max = 100'000});
  start();
  const auto post = [&](std::size_t size) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           std::string(size, 'b');
  };
  const auto chunked = [&](std::size_t size) {
    std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t left = size; left > 0; left -= std::min<std::size_t>(left, 0x1000)) {
      const std::size_t now = std::min<std::size_t>(left, 0x1000);
      char length[16];
      std::snprintf(length, sizeof length, "%zx\r\n", now);
      text += length + std::string(now, 'c') + "\r\n";
    }
    return text + "0\r\n\r\n";
  };
  for (const auto& form :
       {std::function<std::string(std::size_t)>(post), std::function<std::string(std::size_t)>(chunked)}) {
    EXPECT_EQ(status_of(ask(form(100'000))), 200);
    EXPECT_EQ(got.exchange(0), 100'000u);
    Raw raw(*server_);
    raw.send(form(100'001) + form(7));
    EXPECT_EQ(status_of(raw.answer()), 413) << "the sender has sent all of it and still sees the answer";
    EXPECT_EQ(status_of(raw.answer()), 200) << "and the link goes on";
    EXPECT_EQ(got.exchange(0), 7u);
  }
}

TEST_F(HttpServer, WhoWaitsForContinueIsAnsweredBeforeTheBody) {
  add({.method = "POST",
       .pattern = "/",
       .zone = "admin",
       .scope = "write",
       .handler = [](const Request& r) { return text_response(200, r.body); },
       .body_bytes_max = 10});
  start();
  const std::string start_line = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n";
  Raw good(*server_);
  good.send(start_line + "Authorization: Bearer writer\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(status_of(good.answer()), 100);
  good.send("ok");
  EXPECT_TRUE(good.answer().ends_with("ok"));
  Raw anonymous(*server_);
  anonymous.send(start_line + "Content-Length: 2\r\n\r\n");
  EXPECT_EQ(status_of(anonymous.all()), 401);
  Raw large(*server_);
  large.send(start_line + "Authorization: Bearer writer\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(status_of(large.all()), 413);
}

TEST_F(HttpServer, HeadersAboveTheLimitAreRefused) {
  add(public_get("/", [](const Request&) { return text_response(200, ""); }));
  start({.header_bytes_max = 16 * kKiB});
  EXPECT_EQ(status_of(get("/", "X: " + std::string(8'000, 'x') + "\r\n")), 200);
  const int status = status_of(get("/", "X: " + std::string(40'000, 'x') + "\r\n"));
  EXPECT_TRUE(status == 431 || status == 413) << status;
  EXPECT_EQ(status_of(get("/" + std::string(40'000, 'x'))), 414);
}

class Counting final : public BodyReceiver {
 public:
  Counting(std::atomic<int>& finished, std::atomic<int>& gone) : finished_(finished), gone_(gone) {}
  ~Counting() override { ++gone_; }
  Status receive(std::string_view chunk) override {
    bytes_ += chunk.size();
    if (chunk.find('!') != std::string_view::npos)
      return fail(Errc::kRefused, "a mark at byte " + std::to_string(bytes_));
    return {};
  }
  Response finish() override { return ++finished_, text_response(200, std::to_string(bytes_)); }

 private:
  std::size_t bytes_ = 0;
  std::atomic<int>&finished_, &gone_;
};

TEST_F(HttpServer, ABodyIsReceivedWhileItComes) {
  std::atomic<int> finished{0}, gone{0};
  add({.method = "POST",
       .pattern = "/",
       .zone = "public",
       .receive = [&](const Request&) -> Result<std::unique_ptr<BodyReceiver>> {
         return std::make_unique<Counting>(finished, gone);
       },
       .body_bytes_max = 64 * kMiB});
  start();
  Client client;
  const std::string url = "http://" + server_->bound().text() + "/";
  const auto large = client.send({.method = "POST", .url = url, .body = std::string(40 * kMiB, 'x')});
  ASSERT_TRUE(large) << large.error().what;
  EXPECT_EQ(large->body, std::to_string(40 * kMiB));
  const auto refused =
      client.send({.method = "POST", .url = url, .body = std::string(kMiB, 'x') + "!" + std::string(kMiB, 'x')});
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 400);
  const auto empty = client.send({.method = "POST", .url = url});
  EXPECT_EQ(empty->body, "0");
  {
    Raw vanishing(*server_);
    vanishing.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf");
  }
  const auto all = seen(4);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_FALSE(all[3].completed);
  EXPECT_EQ(finished, 2) << "half a body is never finished";
  server_.reset();
  EXPECT_EQ(gone, 4);
}

TEST_F(HttpServer, AnAnswerIsProducedWhileItIsSent) {
  std::atomic<int> released{0};
  const auto producing = [&](std::size_t total, std::size_t fail_at) {
    std::shared_ptr<int> guard(new int, [&](int* p) { delete p, ++released; });
    return [total, fail_at, guard, at = std::size_t{0}](std::span<char> into) mutable -> Result<std::size_t> {
      if (at >= fail_at) return fail(Errc::kCorrupt, "broken");
      const std::size_t now = std::min(into.size(), total - at);
      std::fill_n(into.begin(), now, 'p');
      at += now;
      return now;
    };
  };
  add(public_get("/chunked", [&](const Request&) { return Response{.producer = producing(5'000'000, SIZE_MAX)}; }));
  add(public_get("/sized", [&](const Request&) {
    return Response{.producer = producing(5'000'000, SIZE_MAX), .producer_bytes = 5'000'000};
  }));
  add(public_get("/broken", [&](const Request&) { return Response{.producer = producing(5'000'000, 1'000'000)}; }));
  add(public_get("/short",
                 [&](const Request&) { return Response{.producer = producing(10, SIZE_MAX), .producer_bytes = 20}; }));
  start();
  Client client;
  const std::string url = "http://" + server_->bound().text();
  const auto chunked = client.send({.url = url + "/chunked"});
  ASSERT_TRUE(chunked) << chunked.error().what;
  EXPECT_EQ(chunked->body.size(), 5'000'000u);
  EXPECT_EQ(find(chunked->headers, "Transfer-Encoding"), "chunked");
  const auto sized = client.send({.url = url + "/sized"});
  ASSERT_TRUE(sized);
  EXPECT_EQ(sized->body.size(), 5'000'000u);
  EXPECT_EQ(find(sized->headers, "Content-Length"), "5000000");
  EXPECT_FALSE(client.send({.url = url + "/broken"})) << "a body that is not whole must not look whole";
  EXPECT_FALSE(client.send({.url = url + "/short"}));
  const auto all = seen(4);
  EXPECT_TRUE(all[0].completed);
  EXPECT_TRUE(all[1].completed);
  EXPECT_FALSE(all[2].completed);
  EXPECT_FALSE(all[3].completed);
  server_.reset();
  EXPECT_EQ(released, 4);
}

TEST_F(HttpServer, ASlowHandlerHoldsUpNobodyAndIsNotTimedOut) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  add(public_get("/slow", [&](const Request&) {
    // Longer than the idle time-out, which is for peers and not for us.
    EXPECT_EQ(released.wait_for(1200ms), std::future_status::timeout);
    return text_response(200, "slow");
  }));
  add(public_get("/fast", [](const Request&) { return text_response(200, "fast"); }));
  start({.idle_timeout = 1s});
  Raw slow(*server_);
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(get("/fast").ends_with("fast"));
  EXPECT_TRUE(slow.answer().ends_with("slow"));
  Raw idle(*server_);
  idle.send("GET /fast HT");
  EXPECT_TRUE(idle.closed()) << "half a request is timed out";
}

TEST_F(HttpServer, AHeaderWithALineBreakNeverReachesThePeer) {
  add(public_get("/", [](const Request&) { return Response{.headers = {{"X", "a\r\nSet-Cookie: b"}}, .body = "x"}; }));
  start();
  const std::string answer = get("/");
  EXPECT_EQ(status_of(answer), 500);
  EXPECT_EQ(answer.find("Set-Cookie"), std::string::npos);
}

TEST_F(HttpServer, AnExceptionOfALibraryEndsTheConnectionOnly) {
  add(public_get("/throw", [](const Request&) -> Response { throw std::bad_alloc(); }));
  add(public_get("/", [](const Request&) { return text_response(200, ""); }));
  start();
  EXPECT_EQ(get("/throw"), "");
  EXPECT_EQ(status_of(get("/")), 200);
}

TEST_F(HttpServer, StopAnswersWhatRunsAndRefusesWhatIsNew) {
  std::promise<void> entered, release;
  auto released = release.get_future().share();
  add(public_get("/slow", [&](const Request&) {
    entered.set_value();
    released.wait();
    return text_response(200, "done");
  }));
  add(public_get("/", [](const Request&) { return text_response(200, ""); }));
  start();
  Raw old(*server_);
  old.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(status_of(old.answer()), 200);
  Raw slow(*server_);
  slow.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.get_future().wait();
  EXPECT_EQ(server_->requests_running(), 1u);
  const Endpoint at{"127.0.0.1", server_->bound().port};
  auto stopper = start_thread("stop", [&](std::stop_token) { server_->stop(in(30s)); });
  // Until the port is closed; then the server is draining.
  while (true) {
    auto link = connect_tcp(at, in(5s));
    if (!link) break;
  }
  old.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string refused = old.answer();
  EXPECT_EQ(status_of(refused), 503) << refused;
  EXPECT_NE(refused.find("Connection: close"), std::string::npos);
  release.set_value();
  const std::string answer = slow.answer();
  EXPECT_TRUE(answer.ends_with("done")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  stopper.join();
  EXPECT_EQ(server_->requests_running(), 0u);
}

TEST_F(HttpServer, ConnectionsAboveTheLimitAreNotServed) {
  add(public_get("/", [](const Request&) { return text_response(200, ""); }));
  start({.connections_max = 2});
  Raw a(*server_), b(*server_);
  a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  b.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(status_of(a.answer()), 200);
  EXPECT_EQ(status_of(b.answer()), 200);
  auto third = connect_stream({.endpoint = {"127.0.0.1", server_->bound().port}}, in(5s));
  ASSERT_TRUE(third);
  (void)third->write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n", in(5s));
  char text[16];
  const auto read = third->read_some(text, in(100ms));
  EXPECT_FALSE(read && *read > 0) << "a third connection is closed or waits";
  a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(status_of(a.answer()), 200);
}

TEST_F(HttpServer, ManyClientsAtOnceGetTheirOwnAnswers) {
  add({.method = "POST", .pattern = "/{n}", .zone = "public", .handler = [](const Request& r) {
         return text_response(200, std::string(r.path_parameter("n")) + r.body);
       }});
  start();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.push_back(start_thread("client", [&, t](std::stop_token) {
      Client client;
      for (int i = 0; i < 50; ++i) {
        const std::string n = std::to_string(t * 1000 + i);
        const auto answer = client.send({.method = "POST",
                                         .url = "http://" + server_->bound().text() + "/" + n,
                                         .body = std::string(static_cast<std::size_t>(i) * 100, 'x')});
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->body, n + std::string(static_cast<std::size_t>(i) * 100, 'x'));
      }
    }));
  }
  threads.clear();
  EXPECT_EQ(seen(400).size(), 400u);
}

class HttpServerTls : public HttpServer {
 protected:
  HttpServerTls() {
    const auto issued = authority_.issue({.common_name = "server", .ip_addresses = {"127.0.0.1"}});
    options_.tls = ServerTls{.certificate_file = dir_.write("server.pem", issued.certificate),
                             .key_file = dir_.write("server.key", issued.key),
                             .client_ca_file = dir_.write("ca.pem", authority_.pem()),
                             .client_certificates = ClientCertificates::kRequired};
    add(public_get("/", [](const Request& r) {
      EXPECT_TRUE(r.over_tls);
      return text_response(200, r.client_certificate ? r.client_certificate->common_name : "nobody");
    }));
  }
  Result<ClientResponse> ask_as(const TestCertificate* certificate) {
    Client client;
    return send(client, certificate);
  }
  Result<ClientResponse> send(Client& client, const TestCertificate* certificate) {
    ClientRequest request{.url = "https://" + server_->bound().text() + "/", .ca_file = dir_.path("ca.pem")};
    if (certificate != nullptr) {
      request.certificate_file = dir_.write("client.pem", certificate->certificate);
      request.key_file = dir_.write("client.key", certificate->key);
    }
    return client.send(request);
  }
  TestDirectory dir_;
  TestAuthority authority_{"Test CA"};
  ServerOptions options_;
};

TEST_F(HttpServerTls, AGoodCertificateIsSeenAndEveryOtherIsRefused) {
  const auto good = authority_.issue({.common_name = "good"});
  const auto expired =
      authority_.issue({.common_name = "expired", .valid_from_seconds = -7200, .valid_to_seconds = -3600});
  const auto early = authority_.issue({.common_name = "early", .valid_from_seconds = 3600});
  const auto revoked = authority_.issue({.common_name = "revoked"});
  const TestAuthority same_name("Test CA");
  const auto foreign = same_name.issue({.common_name = "good"});
  options_.tls->crl_file = dir_.write("crl.pem", authority_.revoke({revoked.serial}));
  start(options_);
  const auto ok = ask_as(&good);
  ASSERT_TRUE(ok) << ok.error().what;
  EXPECT_EQ(ok->body, "good");
  const auto refusal = [&](const TestCertificate* certificate) {
    const auto answer = ask_as(certificate);
    return answer ? std::to_string(answer->status) + " " + answer->body : answer.error().what;
  };
  EXPECT_NE(refusal(nullptr).find("403"), std::string::npos);
  EXPECT_NE(refusal(nullptr).find("required"), std::string::npos);
  EXPECT_NE(refusal(&expired).find("has expired"), std::string::npos) << refusal(&expired);
  EXPECT_NE(refusal(&early).find("not valid yet"), std::string::npos) << refusal(&early);
  EXPECT_NE(refusal(&revoked).find("is revoked"), std::string::npos) << refusal(&revoked);
  EXPECT_NE(refusal(&foreign).find("not trusted"), std::string::npos) << refusal(&foreign);
}

TEST_F(HttpServerTls, AnOptionalCertificateMayBeAbsentButNotWrong) {
  options_.tls->client_certificates = ClientCertificates::kOptional;
  start(options_);
  EXPECT_EQ(ask_as(nullptr)->body, "nobody");
  const auto expired =
      authority_.issue({.common_name = "expired", .valid_from_seconds = -7200, .valid_to_seconds = -3600});
  EXPECT_EQ(ask_as(&expired)->status, 403);
}

TEST_F(HttpServerTls, ReloadChangesNewConnectionsAndKeepsOldOnes) {
  const auto good = authority_.issue({.common_name = "good"});
  start(options_);
  Client old;
  EXPECT_EQ(send(old, &good)->body, "good");
  const Time before = server_->certificate_not_after();
  // Renewed for longer, and the client's certificate revoked.
  const auto renewed =
      authority_.issue({.common_name = "renewed", .ip_addresses = {"127.0.0.1"}, .valid_to_seconds = 172'800});
  dir_.write("server.pem", renewed.certificate);
  EXPECT_FALSE(server_->reload_tls()) << "the key is still the old one";
  EXPECT_EQ(server_->certificate_not_after(), before);
  EXPECT_EQ(ask_as(&good)->body, "good");
  dir_.write("server.key", renewed.key);
  dir_.write("ca.pem", authority_.pem());
  ASSERT_TRUE(server_->reload_tls());
  EXPECT_GT(server_->certificate_not_after(), before + 23h);
  EXPECT_EQ(send(old, &good)->body, "good") << "the old connection goes on";
  EXPECT_EQ(ask_as(&good)->body, "good") << "a new one is served by the new certificate";
  auto context = TlsClientContext::open({.ca_file = dir_.path("ca.pem"),
                                         .certificate_file = dir_.path("client.pem"),
                                         .key_file = dir_.path("client.key")});
  auto link = connect_stream({.endpoint = {"127.0.0.1", server_->bound().port}, .tls = context->get()}, in(5s));
  ASSERT_TRUE(link) << link.error().what;
  EXPECT_EQ(link->stream().identity()->common_name, "renewed");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(server_->reload_tls());
  EXPECT_EQ(ask_as(&good)->body, "good");
}

TEST_F(HttpServerTls, WrongFilesAreRefusedAtTheStart) {
  const auto start_with = [&](ServerTls tls) {
    ServerOptions options;
    options.tls = std::move(tls);
    const auto server = Server::start(options, Router(), nullptr);
    return server ? "started" : std::string(name(server.error().code));
  };
  EXPECT_EQ(start_with(*options_.tls), "started");
  ServerTls tls = *options_.tls;
  tls.certificate_file = dir_.path("missing.pem");
  EXPECT_EQ(start_with(tls), "refused");
  tls = *options_.tls;
  tls.key_file = dir_.write("other.key", authority_.issue({.common_name = "x"}).key);
  EXPECT_EQ(start_with(tls), "refused");
  tls = *options_.tls;
  tls.client_ca_file.clear();
  EXPECT_EQ(start_with(tls), "refused");
  tls.client_ca_file = dir_.write("empty.pem", "\n");
  EXPECT_EQ(start_with(tls), "refused");
  tls = *options_.tls;
  const TestAuthority other("Other CA");
  tls.crl_file = dir_.write("crl.pem", other.revoke({1}));
  EXPECT_EQ(start_with(tls), "refused") << "a CRL of somebody else would revoke nothing";
}

TEST_F(HttpServerTls, PlainTextIsNotAnswered) {
  start(options_);
  const std::string answer = get("/");
  EXPECT_FALSE(answer.starts_with("HTTP/")) << answer;
}

}  // namespace
}  // namespace minato::http

// How many small requests the HTTP server answers on kept connections.
// links: minato_os
//
//   cmake --build --preset release --target http_bench && build/release/bin/http_bench
//
// Yardstick: the same clients and bytes against a thread per connection that reads a request and writes a fixed answer,
// with no HTTP in between. "ratio" is our rate over that of the yardstick.
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "os/http_server.h"
#include "os/stream.h"
#include "os/thread.h"

namespace {

using namespace minato;
using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr auto kRunFor = seconds(2);
constexpr std::string_view kRequest =
    "GET /api/v1/messages/123456?limit=10 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\n\r\n";

Deadline soon() { return Clock::now() + seconds(10); }

class Everybody final : public http::Authenticator {
 public:
  http::Decision decide(const http::Request&, const http::Route&) override {
    return {http::Access::kGranted, {.name = "bench"}};
  }
};

// The length of the answer is learnt from the first one: all are the same.
void client(std::uint16_t port, Clock::time_point end, std::atomic<std::uint64_t>& answered) {
  auto link = connect_stream({.endpoint = {"127.0.0.1", port}}, soon());
  if (!link) return;
  char chunk[4096];
  (void)link->write_all(kRequest, soon());
  const std::size_t size = link->read_some(chunk, soon()).value_or(0);
  while (size > 0 && Clock::now() < end) {
    if (!link->write_all(kRequest, soon())) return;
    for (std::size_t left = size; left > 0;) {
      const auto read = link->read_some({chunk, left}, soon());
      if (!read || *read == 0) return;
      left -= *read;
    }
    answered.fetch_add(1, std::memory_order_relaxed);
  }
}

double per_second(std::uint16_t port, int clients) {
  std::atomic<std::uint64_t> answered{0};
  const auto start = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < clients; ++i) {
      threads.push_back(start_thread("client", [&](std::stop_token) { client(port, start + kRunFor, answered); }));
    }
  }
  return static_cast<double>(answered) / std::chrono::duration<double>(Clock::now() - start).count();
}

// A thread per connection that answers each read with the same bytes.
class Bare {
 public:
  explicit Bare(std::string answer) : answer_(std::move(answer)) {
    acceptor_ = start_thread("bare", [this](std::stop_token stop) {
      while (!stop.stop_requested()) {
        pollfd entry{.fd = listener_->fd.get(), .events = POLLIN, .revents = 0};
        if (::poll(&entry, 1, 20) != 1) continue;
        auto accepted = accept_tcp(listener_->fd);
        if (accepted && *accepted) serve(std::move(**accepted));
      }
    });
  }
  std::uint16_t port() const { return listener_->bound.port; }

 private:
  void serve(Accepted link) {
    threads_.push_back(start_thread("bare-link", [this, fd = link.fd.release(), peer = link.peer](std::stop_token) {
      BlockingStream stream(plain_stream(Fd(fd), peer));
      char chunk[4096];
      while (stream.read_some(chunk, soon()).value_or(0) > 0 && stream.write_all(answer_, soon())) continue;
    }));
  }
  std::string answer_;
  Result<Listener> listener_ = listen_tcp({});
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace

int main() {
  const std::string body(200, 'x');
  Everybody everybody;
  http::Router routes;
  const auto handler = [&](const http::Request&) { return http::json_response(200, body); };
  if (!routes.add(
          {.method = "GET", .pattern = "/api/v1/messages/{id}", .zone = "admin", .scope = "s", .handler = handler})) {
    return 1;
  }
  auto server = http::Server::start({}, std::move(routes), &everybody);
  if (!server) return 1;
  Bare bare(
      "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
      "Content-Length: 200\r\n\r\n" +
      body);
  for (const int clients : {1, 4, 32}) {
    const double yardstick = per_second(bare.port(), clients);
    const double ours = per_second((*server)->bound().port, clients);
    std::printf("%2d clients  %8.0f requests/s  bare %8.0f/s  ratio %.2f\n", clients, ours, yardstick,
                ours / yardstick);
  }
}

// For tests only: an MLLP server in this process with a journal in memory, and clients that talk to it over loopback.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/mllp/server.h"
#include "flow/receive_test_journal.h"
#include "format/hl7/message.h"
#include "os/clock.h"
#include "os/stream.h"

namespace minato::mllp {

// A wait that long is a failure.
inline Deadline test_deadline() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

class SystemClock final : public Clock {
 public:
  Time now() const override { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }
  Deadline::duration steady() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

class TestServer {
 public:
  explicit TestServer(ServerOptions options, ReceiverOptions receiver_options = {})
      : receiver(std::move(receiver_options), journal, clock, registry) {
    auto started = Server::start(options, receiver, registry);
    EXPECT_TRUE(started) << (started ? "" : started.error().what);
    if (started) server = std::move(*started);
  }
  TestServer() : TestServer(ListenerOptions{}) {}
  explicit TestServer(ListenerOptions options)
      : TestServer(ServerOptions{.listeners = {named(std::move(options))}, .workers = 2}) {}
  ~TestServer() {
    journal.commit_held();
    if (server) server->stop(std::chrono::steady_clock::now());
  }

  static ListenerOptions named(ListenerOptions options) {
    if (options.rules.listener.empty()) options.rules.listener = "adt";
    return options;
  }
  std::uint64_t counted(std::string_view name, const metrics::Labels& more = {}) {
    metrics::Labels labels = {{"listener", "adt"}};
    labels.insert(labels.end(), more.begin(), more.end());
    return registry.counter(name, help_of(name), labels).value();
  }
  std::size_t stored(RecordKind kind) const { return journal.entries_of(kind).size(); }

  SystemClock clock;
  TestJournal journal;
  metrics::Registry registry;
  Receiver receiver;
  std::unique_ptr<Server> server;

 private:
  // The registry wants the same help text each time; the exposition has it.
  std::string help_of(std::string_view name) const {
    const std::string all = registry.exposition();
    const std::string mark = "# HELP " + std::string(name) + " ";
    const std::size_t at = all.find(mark);
    if (at == std::string::npos) return "?";
    return all.substr(at + mark.size(), all.find('\n', at) - at - mark.size());
  }
};

// One client's connection.
class TestLink {
 public:
  explicit TestLink(BlockingStream stream) : stream_(std::move(stream)) {}
  static TestLink to(const TestServer& server, std::string_view listener = "adt") {
    auto stream = connect_stream({.endpoint = {"127.0.0.1", server.server->bound(listener)->port}, .server_name = ""},
                                 test_deadline());
    EXPECT_TRUE(stream) << stream.error().what;
    return TestLink(std::move(*stream));
  }

  void send(std::string_view bytes) {
    const Status sent = stream_.write_all(bytes, test_deadline());
    EXPECT_TRUE(sent) << sent.error().what;
  }
  void send_frame(std::string_view message) { send(encode_frame(message)); }
  // Ends our side; answers may still come.
  void end() { stream_.stream().shutdown(); }
  // The next answer without its frame; "(closed)" at the end of the stream.
  std::string answer() {
    while (events_.empty()) {
      char buffer[65536];
      const auto count = stream_.read_some(buffer, test_deadline());
      if (!count) return "(broken: " + count.error().what + ")";
      if (*count == 0) return "(closed)";
      framer_.feed({buffer, *count}, events_);
    }
    std::string bytes = std::move(events_.front().bytes);
    events_.erase(events_.begin());
    return bytes;
  }
  // "AA M1", with the code of the first ERR and its severity when there is one: "AR M1 203E".
  std::string told() { return in_short(answer()); }
  static std::string in_short(const std::string& bytes);
  BlockingStream& stream() { return stream_; }

 private:
  BlockingStream stream_;
  Framer framer_;
  std::vector<Event> events_;
};

inline std::string TestLink::in_short(const std::string& bytes) {
  const auto message = hl7::Message::view(bytes);
  if (!message) return bytes;
  std::string text = message->get("MSA-1") + " " + message->get("MSA-2");
  if (!message->segment("ERR").exists()) return text;
  // ERR-3 and ERR-4 from v2.5 on, the fourth component of ERR-1 before.
  const std::string code = message->get("ERR-3.1");
  return text + " " + (code.empty() ? message->get("ERR-1.4.1") + "E" : code + message->get("ERR-4"));
}

inline std::string adt(std::string_view control_id, std::string_view rest = "PID|1||42^^^H^PI||Yamada^Taro\r") {
  return "MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20260401120000||ADT^A01^ADT_A01|" + std::string(control_id) +
         "|P|2.5||||||UNICODE UTF-8\r" + std::string(rest);
}

}  // namespace minato::mllp

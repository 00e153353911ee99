// What one message costs between its frame and its answer, without sockets and without a disk (CPU time; budget: 5 µs).
// links: minato_flow minato_journal
//
//   cmake --build --preset release --target receive_bench && build/release/bin/receive_bench
//
// 770-byte ADT^A01, each with its own MSH-10, in batches as a worker takes them. The journal commits at once and keeps
// nothing.
#include <stdlib.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "flow/receive.h"
#include "os/clock.h"
#include "os/files.h"
#include "store/journal/segment_journal.h"

namespace {

using namespace minato;

class NoJournal final : public Journal {
 public:
  Status submit(std::vector<Submission> batch) override {
    std::vector<CommitSink::Committed> done;
    CommitSink* sink = nullptr;
    for (const Submission& submission : batch) {
      done.push_back({submission.ticket, Seq{++last_}});
      sink = submission.sink;
    }
    if (sink != nullptr) sink->committed(done);
    return {};
  }
  Result<Seq> append(std::vector<Record>, std::vector<Fence>) override { return Seq{++last_}; }
  Result<std::vector<Entry>> read(Seq, ReadLimits) override { return std::vector<Entry>(); }
  Seq wait_past(Seq seen, Deadline) override { return seen; }
  Result<Seq> purge(Seq) override { return Seq{}; }
  JournalStats stats() const override { return {}; }
  void close() override {}

 private:
  std::uint64_t last_ = 0;
};

class CountingSink final : public AnswerSink {
 public:
  void answered(std::vector<Answer> batch) override {
    for (const Answer& answer : batch) positive += answer.wire.find("MSA|AA|") != std::string::npos ? 1 : 0;
  }
  std::uint64_t positive = 0;
};

std::string admission(std::uint64_t number) {
  char id[24];
  std::snprintf(id, sizeof id, "B%018llu", static_cast<unsigned long long>(number));
  std::string text = "MSH|^~\\&|HIS|WARD7|MINATO|HOSP|20261124140607.123+0900||ADT^A01^ADT_A01|" + std::string(id) +
                     "|P|2.5||||||UNICODE UTF-8\rEVN|A01|20261124140607\rPID|1||0001234567^^^HOSP^PI||Yamamoto^Kyoko\r";
  return text + "NTE|1||" + std::string(770 - text.size() - 8, 'x') + "\r";
}

// Of this thread alone, so that a machine which others use too tells the truth.
double cpu_microseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double microseconds_each(std::size_t batch_size) {
  constexpr std::uint64_t kMessages = 256'000;
  constexpr std::size_t kTimedTogether = 6400;
  NoJournal journal;
  metrics::Registry registry;
  CountingSink sink;
  Receiver receiver({}, journal, real_clock(), registry);
  ReceiveListener& listener = *receiver.add_listener({.listener = "adt"});
  const ReceivePeer peer = receiver.peer(listener, "192.0.2.7:50123", "cert:his.example");
  std::uint64_t number = 0;
  double spent = 0;
  while (number < kMessages) {
    std::vector<std::vector<IncomingFrame>> batches(kTimedTogether / batch_size);
    for (auto& batch : batches) {
      for (std::size_t i = 0; i < batch_size; ++i) {
        mllp::Event event;
        event.bytes = admission(++number);
        batch.push_back({.event = std::move(event), .ticket = i, .peer = &peer});
      }
    }
    const double begin = cpu_microseconds();
    for (auto& batch : batches) receiver.receive(std::move(batch), sink);
    spent += cpu_microseconds() - begin;
  }
  if (sink.positive != number) std::printf("wrong answers\n");
  return spent / static_cast<double>(number);
}

std::string record_meta() {
  return R"({"listener":"adt","peer":"192.0.2.7:50123","identity":"cert:his.example","sender":{"application":"HIS",)"
         R"("facility":"WARD7"},"charset":"UTF-8","ack":"AA"})";
}

// How long a start takes until the duplicate window is filled from a journal on disk.
void time_recovery() {
  std::string directory = (std::filesystem::temp_directory_path() / "minato-receive-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return;
  auto journal = open_segment_journal(real_files(), real_clock(), {.directory = directory + "/journal"});
  for (std::uint64_t n = 0; journal && n < kDuplicateMessagesMax; n += 4096) {
    std::vector<Record> records;
    for (std::uint64_t i = 0; i < 4096; ++i) {
      records.push_back({RecordKind::kHl7Received, real_clock().now(), record_meta(), admission(n + i)});
    }
    if (!(*journal)->append(std::move(records))) return;
  }
  metrics::Registry registry;
  Receiver receiver({}, **journal, real_clock(), registry);
  const auto begin = std::chrono::steady_clock::now();
  const Status recovered = receiver.recover();
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - begin;
  std::printf("recovery of %zu messages: %.0f ms%s\n", kDuplicateMessagesMax, spent.count(),
              recovered ? "" : " FAILED");
  (*journal)->close();
  std::filesystem::remove_all(directory);
}

}  // namespace

int main() {
  minato::log::set_level(minato::log::Level::kError);
  for (const std::size_t batch : {1, 16, 64}) {
    std::printf("batches of %2zu: %.2f us a message\n", batch, microseconds_each(batch));
  }
  time_recovery();
}

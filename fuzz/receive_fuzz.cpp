// Any bytes on a link: every frame is answered exactly once, nothing is stored twice, and what is stored came in.
// links: minato_flow
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string_view>

#include "base/log.h"
#include "flow/receive.h"
#include "flow/receive_test_journal.h"
#include "os/clock.h"

namespace {

using namespace minato;

void must(bool ok) {
  if (!ok) std::abort();
}

class FixedClock final : public Clock {
 public:
  Time now() const override { return from_micros(1'790'000'000'000'000); }
  Deadline::duration steady() const override { return {}; }
};

class CountingSink final : public AnswerSink {
 public:
  void answered(std::vector<Answer> batch) override {
    for (Answer& answer : batch) must(wires.emplace(answer.ticket, std::move(answer.wire)).second);
  }
  std::map<std::uint64_t, std::string> wires;
};

}  // namespace

// The first byte chooses the rules and how the rest is cut into reads.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  log::set_level(log::Level::kAlarm);
  const log::Redirect quiet([](std::string_view) {});
  const FixedClock clock;
  TestJournal journal;
  metrics::Registry registry;
  CountingSink sink;
  Receiver receiver({}, journal, clock, registry);
  ListenerRules rules{.listener = "fuzz"};
  if ((data[0] & 1) != 0) rules.batch_answer = BatchAnswer::kBatch;
  if ((data[0] & 2) != 0) rules.invalid_text = InvalidText::kRefuse;
  const ReceivePeer peer = receiver.peer(*receiver.add_listener(std::move(rules)), "192.0.2.1:1", "cert:fuzz");

  mllp::Framer framer({.frame_bytes_max = 4096});
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t step = 1 + (data[0] >> 2);
  std::uint64_t sent = 0;
  bool more = true;
  while (more) {
    std::vector<mllp::Event> events;
    framer.feed(input.substr(0, step), events);
    input.remove_prefix(std::min(step, input.size()));
    more = !input.empty();
    if (!more) framer.close(events);
    std::vector<IncomingFrame> batch;
    for (mllp::Event& event : events) {
      const bool frame = event.kind != mllp::EventKind::kJunk && event.kind != mllp::EventKind::kCommitAck &&
                         event.kind != mllp::EventKind::kCommitNak;
      if (frame) batch.push_back({.event = std::move(event), .ticket = ++sent, .peer = &peer});
    }
    receiver.receive(std::move(batch), sink);
  }
  receiver.flush();
  must(sink.wires.size() == sent);
  must(receiver.in_flight() == 0);
  const std::string_view whole(reinterpret_cast<const char*>(data + 1), size - 1);
  for (const Entry& entry : journal.entries_of(RecordKind::kHl7Received)) {
    must(whole.find(entry.record.body) != std::string_view::npos);
  }
  return 0;
}

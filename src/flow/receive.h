// What happens to one MLLP frame between the wire and its answer, without sockets: character set, MSH, acknowledgement
// mode, support and content checks, duplicates, one journal record, and the answer when that record is durable.
//
//   Receiver receiver({.on_fatal = stop_the_process}, journal, real_clock(), registry);
//   ReceiveListener* adt = receiver.add_listener({.listener = "adt"});
//   MN_CHECK(receiver.recover());
//   ReceivePeer peer = receiver.peer(*adt, "192.0.2.7:50123", "cert:his.example");
//   receiver.receive(std::move(frames), sink);   // sink.answered(…) comes now or later, on this or another thread
//
// Promises
// - A positive answer (AA, CA) is given only after the journal said that the record is durable. HL7 v2.5.1
// section 2.9.2.
// - Every frame gets exactly one Answer to the sink; its wire bytes are empty only where the sender is owed nothing: it
// asked
//   for silence (MSH-15, MSH-16), it sent an acknowledgement, or the frame never ended (half a frame is never
//   answered).
// - The same bytes from the same sender within the window get the very same positive answer again and one effect. One
// that
//   comes while the first is still being committed waits for it. A resend after a negative answer is processed afresh.
// - What is refused is stored too (kHl7Refused), with the place of the fault, and stops nothing else.
// - Nothing is parsed before the answer but MSH.
// Receiver's functions may be called from any thread; decisions are in docs/adr/ and docs/mllp.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/metrics.h"
#include "flow/duplicates.h"
#include "flow/receive_rules.h"
#include "format/hl7/ack.h"
#include "format/hl7/mllp_framer.h"
#include "os/clock.h"
#include "store/journal/journal.h"

namespace minato {

struct ReceiverOptions {
  hl7::Identity us = {};   // MSH-3 and MSH-4 of an answer to a message that named no receiver
  int offset_minutes = 0;  // of MSH-7 in answers, east of UTC
  Duration duplicate_age_max = std::chrono::hours(24);
  std::size_t duplicate_messages_max = kDuplicateMessagesMax;
  // A commit failed: the state of the journal is unknown and the process must stop. Called once, on the thread that
  // committed; it must not block. The links whose frames were in that commit are closed without an answer.
  std::function<void(const Error&)> on_fatal = {};
};

// Where answers go. Called on the thread that called receive() or on any thread that commits; must not block and must
// not call the receiver.
class AnswerSink {
 public:
  enum class Link : std::uint8_t { kKeep, kClose };
  struct Answer {
    std::uint64_t ticket = 0;
    std::string wire;  // MLLP blocks, in the order in which they must be sent; empty: nothing is owed
    Link link = Link::kKeep;
  };
  virtual ~AnswerSink() = default;
  virtual void answered(std::vector<Answer> batch) = 0;
};

struct AnswerOptions;
struct Judgement;
namespace hl7 {
struct Batch;
enum class Fault : std::uint8_t;
}  // namespace hl7

class ReceiveListener;  // the rules of one listener and what is counted for it

// One connection as the receiver sees it. Copyable; lives as long as its connection.
struct ReceivePeer {
  ReceiveListener* listener = nullptr;
  std::string address = {};
  std::string identity = {};
  std::string meta = {};                          // the members that all its records share
  std::vector<SenderName> authoritative_as = {};  // the names under which it may change the registry
};

struct IncomingFrame {
  mllp::Event event;                  // kFrame, kEmptyFrame, kHalfFrame, kNoStartBlock, kOversize or kClosedMidFrame
  std::uint64_t ticket = 0;           // the caller's own, given back with the answer
  const ReceivePeer* peer = nullptr;  // used during the call only
};

class Receiver final : private CommitSink {
 public:
  Receiver(ReceiverOptions options, Journal& journal, const Clock& clock, metrics::Registry& registry);
  ~Receiver() override;  // nothing may be in flight: close the journal first
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // Before the first receive(). The listener lives as long as the receiver.
  ReceiveListener* add_listener(ListenerRules rules);
  // `address` is the peer's, with port; `identity` how it is known: "cert:…" or "address:…"; "" for nobody.
  ReceivePeer peer(ReceiveListener& listener, std::string address, std::string identity) const;

  // Fills the duplicate window from the journal's end; call it before the first receive(). Reads at most
  // duplicate_messages_max records. The error is the journal's.
  Status recover();
  // Entries of the journal as they become visible, of this node or others, in order: keeps the window in step. Cheap
  // for entries that the window has already.
  void observe(std::span<const Entry> entries);

  // Takes what one worker read in one round, from any of its connections, in order; one journal submission for all of
  // it.
  void receive(std::vector<IncomingFrame> batch, AnswerSink& sink);
  // Hands records to the journal that came up while a commit was being told (duplicates that waited). receive() does it
  // too; a worker calls it when it has been answered.
  void flush();

  std::size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  struct Pending;
  struct FrameState;
  struct Round;
  struct Part;
  class Answers;
  struct Settled {
    std::unique_ptr<Pending> pending;
    Seq seq;
  };
  struct Admission {
    std::optional<DuplicateWindow::Known> known;  // answered already
    bool waits = false;                           // on its way already
    bool reused_id = false;                       // new, but its id is not
  };

  void committed(std::span<const Committed> batch) override;
  void failed(std::span<const std::uint64_t> tickets, const Error& error) override;

  void take_frame(Round& round, IncomingFrame& frame);
  void take_batch(Round& round, IncomingFrame& frame, const hl7::Batch& batch, std::unique_ptr<Pending> pending);
  void take_message(Round& round, std::string bytes, Part part);
  void take_duplicate(Round& round, Part part, const Judgement& judgement, DuplicateWindow::Known known);
  void take_refused(Round& round, std::string bytes, Part part, const Judgement& judgement);
  void take_half(Round& round, std::string bytes, Part part, const Judgement& judgement);
  void take_deferred(std::vector<Submission>& submissions);
  Admission admit(Part& part);
  void end_committing(Pending& pending);
  void store(Round& round, RecordKind kind, std::string bytes, Part part, const Judgement& judgement);
  void submit(Round& round);

  void settle(Pending& pending, Seq seq, Answers& answers);
  void defer_duplicate(const Pending& again, Seq of);
  void hang_up(Pending& pending, Answers& answers);
  void turn_away(std::span<Pending* const> tickets, hl7::Fault fault, Answers& answers);
  void turn_away_one(Pending& pending, hl7::Fault fault, std::string_view dtm, Answers& answers);
  void leave_window(Pending& pending);
  void deliver(Pending& pending, AnswerSink::Link link, Answers& answers);
  std::string batch_answer(const FrameState& frame) const;
  AnswerOptions answer_options(const ReceiveListener& listener, std::string_view dtm, std::string_view digits) const;
  static void count_accepted(ReceiveListener& listener, const Judgement& judgement);
  void report_fatal(const Error& error);

  ReceiverOptions options_;
  Journal& journal_;
  const Clock& clock_;
  metrics::Registry& registry_;
  std::string placeholder_;  // stands for the sequence in an answer that waits for it; nobody outside can know it
  std::vector<std::unique_ptr<ReceiveListener>> listeners_;
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::uint64_t> refusals_;  // for the ids of answers that have no record
  std::atomic<bool> fatal_{false};
  std::atomic<bool> has_deferred_{false};
  // Sequences that this receiver has committed lately, each at its remainder: observe() passes over them.
  std::vector<std::atomic<std::uint64_t>> own_;

  mutable std::mutex mutex_;  // guards all below
  DuplicateWindow window_;
  std::vector<Pending*> committing_;  // chains of those on their way, by MessageDigest::id
  std::vector<Record> deferred_;
};

}  // namespace minato

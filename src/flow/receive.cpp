#include "flow/receive.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "crypto/random.h"
#include "flow/receive_answer.h"
#include "flow/receive_judge.h"
#include "flow/receive_listener.h"
#include "flow/receive_meta.h"
#include "format/hl7/batch.h"
#include "os/socket.h"

namespace minato {
namespace {

std::uint64_t random_number() {
  std::uint64_t number = 0;
  const std::string bytes = crypto::random_bytes(sizeof number);
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

SipKey random_key() { return {.k0 = random_number(), .k1 = random_number()}; }

// Sixteen digits that stand for a sequence until it is known. Random, so that no message can hold them.
std::string random_digits() { return sequence_digits(random_number() % 10'000'000'000'000'000); }

// Whether a feed's identity names this peer: the same text, or an address in its block.
bool names(const std::string& rule, const std::string& identity) {
  constexpr std::string_view kAddress = "address:";
  if (rule == identity) return !identity.empty();
  if (!rule.starts_with(kAddress) || !identity.starts_with(kAddress)) return false;
  const auto block = AddressList::parse({rule.substr(kAddress.size())});
  const auto ip = IpAddress::parse(std::string_view(identity).substr(kAddress.size()));
  return block && ip && block->contains(*ip);
}

// Messages that are being committed at once are some thousand at most; more only make longer chains.
constexpr std::size_t kCommittingBuckets = 4 * kKiB;

// A follower that lags further behind than this looks at our own entries too.
constexpr std::size_t kOwnSequences = 64 * kKiB;

bool authoritative(const ReceivePeer& peer, const SenderName& sender) {
  return std::ranges::any_of(peer.authoritative_as, [&](const SenderName& rule) { return matches(rule, sender); });
}

// Half a frame was never meant to be answered: its sender has gone on or away.
bool unanswerable(mllp::EventKind kind) {
  return kind == mllp::EventKind::kHalfFrame || kind == mllp::EventKind::kClosedMidFrame;
}

bool broken(mllp::EventKind kind) { return kind != mllp::EventKind::kFrame; }

hl7::Fault fault_of(const Error& error) {
  return error.code == Errc::kUnavailable ? hl7::Fault::kFull : hl7::Fault::kInternal;
}

}  // namespace

// A frame that held several messages: answered when all of them are.
struct Receiver::FrameState {
  AnswerSink* sink = nullptr;
  std::uint64_t ticket = 0;
  BatchAnswer answer = BatchAnswer::kOneEach;
  Envelope envelope = Envelope::kBatch;
  std::size_t open = 0;             // guarded by the receiver's mutex_, as all below
  std::vector<AnswerWire> answers;  // one a message
  AnswerSink::Link link = AnswerSink::Link::kKeep;
};

// One message on its way through the journal. Its address is the ticket there.
struct Receiver::Pending {
  AnswerSink* sink = nullptr;
  std::uint64_t ticket = 0;
  ReceiveListener* listener = nullptr;
  std::shared_ptr<FrameState> frame;  // of several messages; null otherwise
  std::size_t index = 0;              // in it
  Time time;
  AnswerWire answer;      // with the placeholder where the sequence will be
  std::string msh;        // to answer otherwise when the journal refuses
  std::string peer_meta;  // of one that waits for another
  MessageDigest digest;
  enum class Kind : std::uint8_t { kAccepted, kRefused } kind = Kind::kAccepted;
  Pending* next = nullptr;                        // of those being committed, in its bucket; guarded by mutex_
  std::vector<std::unique_ptr<Pending>> waiting;  // the same message again; guarded by mutex_
};

// Answers by sink, so that each is called once.
class Receiver::Answers {
 public:
  explicit Answers(Receiver& receiver) : receiver_(receiver) {}
  void add(AnswerSink* sink, AnswerSink::Answer answer) {
    const auto at = std::ranges::find(sinks_, sink, &BySink::first);
    BySink& place = at != sinks_.end() ? *at : sinks_.emplace_back(sink, std::vector<AnswerSink::Answer>());
    place.second.push_back(std::move(answer));
    ++count_;
  }
  // Without any lock held.
  void send() {
    for (BySink& place : sinks_) place.first->answered(std::move(place.second));
    receiver_.in_flight_.fetch_sub(count_, std::memory_order_relaxed);
    sinks_.clear();
    count_ = 0;
  }

 private:
  using BySink = std::pair<AnswerSink*, std::vector<AnswerSink::Answer>>;
  Receiver& receiver_;
  std::vector<BySink> sinks_;
  std::size_t count_ = 0;
};

// One call of receive().
struct Receiver::Round {
  AnswerSink& sink;
  Time now;
  std::string dtm;
  std::vector<Submission> submissions;
  std::vector<std::unique_ptr<Pending>> pending;  // whose tickets are in the submissions
  Answers answers;
};

// One message of a frame.
struct Receiver::Part {
  const ReceivePeer& peer;
  std::string_view frame;  // see MetaExtra
  std::optional<BatchPlace> place;
  std::unique_ptr<Pending> pending;
};

Receiver::Receiver(ReceiverOptions options, Journal& journal, const Clock& clock, metrics::Registry& registry)
    : options_(std::move(options)),
      journal_(journal),
      clock_(clock),
      registry_(registry),
      placeholder_(random_digits()),
      refusals_(static_cast<std::uint64_t>(to_micros(clock.now())) / 10),
      own_(kOwnSequences),
      window_({.age_max = options_.duplicate_age_max,
               .messages_max = options_.duplicate_messages_max,
               .key = random_key()}),
      committing_(kCommittingBuckets) {}

Receiver::~Receiver() = default;

ReceiveListener* Receiver::add_listener(ListenerRules rules) {
  return listeners_.emplace_back(std::make_unique<ReceiveListener>(std::move(rules), registry_)).get();
}

ReceivePeer Receiver::peer(ReceiveListener& listener, std::string address, std::string identity) const {
  ReceivePeer peer{.listener = &listener, .address = std::move(address), .identity = std::move(identity)};
  peer.meta = peer_meta(listener.rules.listener, peer.address, peer.identity);
  for (const AuthoritativeFeed& feed : listener.rules.authoritative) {
    if (names(feed.identity, peer.identity)) peer.authoritative_as.push_back(feed.sender);
  }
  return peer;
}

void Receiver::receive(std::vector<IncomingFrame> batch, AnswerSink& sink) {
  const Time now = clock_.now();
  Round round{.sink = sink,
              .now = now,
              .dtm = to_hl7_dtm(now, options_.offset_minutes),
              .submissions = {},
              .pending = {},
              .answers = Answers(*this)};
  in_flight_.fetch_add(batch.size(), std::memory_order_relaxed);
  round.submissions.reserve(batch.size() + 1);
  round.pending.reserve(batch.size());
  for (IncomingFrame& frame : batch) take_frame(round, frame);
  take_deferred(round.submissions);
  submit(round);
  round.answers.send();
}

void Receiver::take_frame(Round& round, IncomingFrame& frame) {
  mllp::Event& event = frame.event;
  const ListenerRules& rules = frame.peer->listener->rules;
  auto pending = std::make_unique<Pending>();
  pending->sink = &round.sink;
  pending->ticket = frame.ticket;
  if (broken(event.kind)) {
    Part part{*frame.peer, mllp::name(event.kind), std::nullopt, std::move(pending)};
    const Judgement judgement = judge_broken(event.kind, event.bytes, rules);
    return unanswerable(event.kind) ? take_half(round, std::move(event.bytes), std::move(part), judgement)
                                    : take_refused(round, std::move(event.bytes), std::move(part), judgement);
  }
  const hl7::Batch split = hl7::split_batch(event.bytes);
  if (split.kind != hl7::BatchKind::kSingle) return take_batch(round, frame, split, std::move(pending));
  Part part{*frame.peer, {}, std::nullopt, std::move(pending)};
  take_message(round, std::move(event.bytes), std::move(part));
}

void Receiver::take_batch(Round& round, IncomingFrame& frame, const hl7::Batch& batch,
                          std::unique_ptr<Pending> pending) {
  const std::string_view bytes = frame.event.bytes;
  const auto has = [&](hl7::BatchProblem problem) { return std::ranges::count(batch.problems, problem) != 0; };
  if (batch.messages.empty() || has(hl7::BatchProblem::kTooManyMessages)) {
    const hl7::Fault fault = batch.messages.empty() ? hl7::Fault::kSegmentSequence : hl7::Fault::kTooLarge;
    const Judgement judgement = judge_as(fault, bytes, frame.peer->listener->rules);
    Part part{*frame.peer, "batch", std::nullopt, std::move(pending)};
    return take_refused(round, std::move(frame.event.bytes), std::move(part), judgement);
  }
  auto state = std::make_shared<FrameState>();
  state->sink = pending->sink;
  state->ticket = pending->ticket;
  state->answer =
      batch.kind == hl7::BatchKind::kSeveral ? BatchAnswer::kOneEach : frame.peer->listener->rules.batch_answer;
  state->envelope = batch.kind == hl7::BatchKind::kFile ? Envelope::kFile : Envelope::kBatch;
  state->open = batch.messages.size();
  state->answers.resize(batch.messages.size());
  for (const hl7::BatchProblem problem : batch.problems) {
    frame.peer->listener->warned("batch-" + std::string(hl7::name(problem)));
  }
  const char* end = bytes.data();
  for (std::size_t i = 0; i < batch.messages.size(); ++i) {
    const std::string_view message = batch.messages[i];
    BatchPlace place{.index = i + 1, .count = batch.messages.size(), .before = {end, message.data()}, .after = {}};
    end = message.data() + message.size();
    if (place.index == place.count) place.after = {end, bytes.data() + bytes.size()};
    auto own = std::make_unique<Pending>();
    own->sink = pending->sink;
    own->ticket = pending->ticket;
    own->frame = state;
    own->index = i;
    take_message(round, std::string(message), Part{*frame.peer, "batch", place, std::move(own)});
  }
}

void Receiver::take_message(Round& round, std::string bytes, Part part) {
  Judgement judgement = judge_message(bytes, part.peer.listener->rules);
  if (judgement.fault) return take_refused(round, std::move(bytes), std::move(part), judgement);
  Pending& pending = *part.pending;
  const hl7::Header& header = judgement.header;
  pending.listener = part.peer.listener;
  pending.time = round.now;
  pending.msh.assign(bytes, header.offset, header.end - header.offset);
  pending.answer = answer_wire(judgement, answer_options(*pending.listener, round.dtm, placeholder_));
  pending.digest = window_.digest({.identity = part.peer.identity,
                                   .application = header.sending_application(),
                                   .facility = header.sending_facility(),
                                   .control_id = header.control_id()},
                                  bytes);
  const Admission admission = admit(part);
  if (admission.known) return take_duplicate(round, std::move(part), judgement, *admission.known);
  if (admission.waits) return;
  count_accepted(*pending.listener, judgement);
  if (admission.reused_id) {
    pending.listener->reused_ids.add();
    judgement.warnings.emplace_back("control-id-reused");
  }
  store(round, RecordKind::kHl7Received, std::move(bytes), std::move(part), judgement);
}

// Under the lock: is it known, on its way already, or new? New ones are on their way from here on.
Receiver::Admission Receiver::admit(Part& part) {
  Pending& pending = *part.pending;
  const std::lock_guard lock(mutex_);
  Admission admission{.known = window_.find(pending.digest, pending.time), .waits = false, .reused_id = false};
  if (admission.known) return admission;
  admission.reused_id = window_.id_seen(pending.digest, pending.time);
  Pending*& bucket = committing_[pending.digest.id % committing_.size()];
  for (Pending* other = bucket; other != nullptr; other = other->next) {
    if (other->digest.id == pending.digest.id) admission.reused_id = true;
    if (!(other->digest == pending.digest)) continue;
    admission.waits = true;
    pending.answer = other->answer;
    pending.peer_meta = part.peer.meta;
    other->waiting.push_back(std::move(part.pending));
    return admission;
  }
  pending.next = std::exchange(bucket, &pending);
  return admission;
}

// Under the lock: it is on its way no more.
void Receiver::end_committing(Pending& pending) {
  Pending** at = &committing_[pending.digest.id % committing_.size()];
  while (*at != &pending) at = &(*at)->next;
  *at = pending.next;
}

void Receiver::take_duplicate(Round& round, Part part, const Judgement& judgement, DuplicateWindow::Known known) {
  Pending& pending = *part.pending;
  const std::string dtm = to_hl7_dtm(known.time, options_.offset_minutes);
  const std::string digits = sequence_digits(known.seq.value);
  pending.answer = answer_wire(judgement, answer_options(*pending.listener, dtm, digits));
  pending.listener->duplicates.add();
  Submission submission;
  submission.records.push_back({.kind = RecordKind::kHl7Duplicate,
                                .time = round.now,
                                .meta = duplicate_meta(part.peer.meta, known.seq),
                                .body = {}});
  round.submissions.push_back(std::move(submission));
  deliver(pending, AnswerSink::Link::kKeep, round.answers);
}

void Receiver::take_refused(Round& round, std::string bytes, Part part, const Judgement& judgement) {
  Pending& pending = *part.pending;
  pending.kind = Pending::Kind::kRefused;
  pending.listener = part.peer.listener;
  pending.time = round.now;
  pending.answer = answer_wire(judgement, answer_options(*pending.listener, round.dtm, placeholder_));
  pending.listener->refused(judgement.fault->fault);
  log::warning("receive.refused", {{"listener", log::own(pending.listener->rules.listener)},
                                   {"peer", log::own(part.peer.address)},
                                   {"fault", log::own(hl7::name(judgement.fault->fault))},
                                   {"bytes", bytes.size()}});
  store(round, RecordKind::kHl7Refused, std::move(bytes), std::move(part), judgement);
}

// Kept for a person to see, and not answered: the caller hears at once that nothing is owed.
void Receiver::take_half(Round& round, std::string bytes, Part part, const Judgement& judgement) {
  part.peer.listener->refused(judgement.fault->fault);
  log::alarm("receive.half_frame", {{"listener", log::own(part.peer.listener->rules.listener)},
                                    {"peer", log::own(part.peer.address)},
                                    {"how", log::own(part.frame)},
                                    {"bytes", bytes.size()}});
  const MetaExtra extra{.ack = {}, .authority = Authority::kNone, .frame = part.frame, .place = std::nullopt};
  Submission submission;
  submission.records.push_back({.kind = RecordKind::kHl7Refused,
                                .time = round.now,
                                .meta = message_meta(part.peer.meta, judgement, extra),
                                .body = std::move(bytes)});
  round.submissions.push_back(std::move(submission));
  deliver(*part.pending, AnswerSink::Link::kKeep, round.answers);
}

void Receiver::store(Round& round, RecordKind kind, std::string bytes, Part part, const Judgement& judgement) {
  const CodesOwed owed = codes_owed(judgement, part.peer.listener->rules.application_answer);
  const bool feeds = kind == RecordKind::kHl7Received && authoritative(part.peer, judgement.sender);
  const MetaExtra extra{.ack = owed.first ? hl7::name(*owed.first) : std::string_view(),
                        .authority = feeds ? Authority::kAuthoritative : Authority::kNone,
                        .frame = part.frame,
                        .place = part.place};
  Submission submission;
  submission.records.push_back({.kind = kind,
                                .time = round.now,
                                .meta = message_meta(part.peer.meta, judgement, extra),
                                .body = std::move(bytes)});
  submission.sink = this;
  submission.ticket = reinterpret_cast<std::uintptr_t>(part.pending.get());
  round.submissions.push_back(std::move(submission));
  round.pending.push_back(std::move(part.pending));
}

// Once submitted, the pending belong to committed() or failed(), which may run inside submit().
void Receiver::submit(Round& round) {
  if (round.submissions.empty()) return;
  std::vector<Pending*> tickets;
  tickets.reserve(round.pending.size());
  for (auto& pending : round.pending) tickets.push_back(pending.release());
  round.pending.clear();
  const Status status = journal_.submit(std::move(round.submissions));
  if (status) return;
  log::error("receive.journal_refuses", {{"error", status.error()}, {"messages", tickets.size()}});
  turn_away(tickets, fault_of(status.error()), round.answers);
}

void Receiver::committed(std::span<const Committed> batch) {
  Answers answers(*this);
  std::vector<Settled> settled;
  settled.reserve(batch.size());
  {
    const std::lock_guard lock(mutex_);
    for (const Committed& commit : batch) {
      // The ticket is the address that store() gave away.
      std::unique_ptr<Pending> pending(reinterpret_cast<Pending*>(static_cast<std::uintptr_t>(commit.ticket)));
      if (pending->kind == Pending::Kind::kAccepted) {
        window_.insert(pending->digest, {.seq = commit.seq, .time = pending->time});
        own_[commit.seq.value % own_.size()].store(commit.seq.value, std::memory_order_relaxed);
        end_committing(*pending);
      }
      for (auto& again : pending->waiting) defer_duplicate(*again, commit.seq);
      settled.push_back({std::move(pending), commit.seq});
    }
  }
  for (Settled& one : settled) settle(*one.pending, one.seq, answers);
  answers.send();
}

void Receiver::settle(Pending& pending, Seq seq, Answers& answers) {
  const std::string digits = sequence_digits(seq.value);
  pending.answer.set_digits(digits);
  deliver(pending, AnswerSink::Link::kKeep, answers);
  for (auto& again : pending.waiting) settle(*again, seq, answers);
}

void Receiver::defer_duplicate(const Pending& again, Seq of) {
  again.listener->duplicates.add();
  deferred_.push_back(
      {.kind = RecordKind::kHl7Duplicate, .time = again.time, .meta = duplicate_meta(again.peer_meta, of), .body = {}});
  has_deferred_.store(true, std::memory_order_release);
}

void Receiver::failed(std::span<const std::uint64_t> tickets, const Error& error) {
  std::vector<Pending*> lost;
  lost.reserve(tickets.size());
  for (const std::uint64_t ticket : tickets)
    lost.push_back(reinterpret_cast<Pending*>(static_cast<std::uintptr_t>(ticket)));
  Answers answers(*this);
  if (error.code != Errc::kCorrupt) {
    turn_away(lost, fault_of(error), answers);
    return answers.send();
  }
  report_fatal(error);
  for (Pending* raw : lost) {
    const std::unique_ptr<Pending> pending(raw);
    leave_window(*pending);
    hang_up(*pending, answers);
  }
  answers.send();
}

// Whether the record is durable is unknown: no answer is true, so there is none.
void Receiver::hang_up(Pending& pending, Answers& answers) {
  pending.answer = {};
  deliver(pending, AnswerSink::Link::kClose, answers);
  for (auto& again : pending.waiting) hang_up(*again, answers);
}

void Receiver::turn_away(std::span<Pending* const> tickets, hl7::Fault fault, Answers& answers) {
  const std::string dtm = to_hl7_dtm(clock_.now(), options_.offset_minutes);
  for (Pending* raw : tickets) {
    const std::unique_ptr<Pending> pending(raw);
    leave_window(*pending);
    turn_away_one(*pending, fault, dtm, answers);
    for (auto& again : pending->waiting) turn_away_one(*again, fault, dtm, answers);
  }
}

void Receiver::turn_away_one(Pending& pending, hl7::Fault fault, std::string_view dtm, Answers& answers) {
  // No record, so no sequence: a number of our own makes the answer's id.
  std::string digits = sequence_digits(refusals_.fetch_add(1, std::memory_order_relaxed));
  digits.front() = 'R';
  if (pending.kind == Pending::Kind::kRefused) {
    pending.listener->unstored.add();
    pending.answer.set_digits(digits);
  } else {
    pending.listener->turned_away.add();
    const Judgement judgement = judge_as(fault, pending.msh, pending.listener->rules);
    pending.answer = answer_wire(judgement, answer_options(*pending.listener, dtm, digits));
  }
  deliver(pending, AnswerSink::Link::kKeep, answers);
}

void Receiver::leave_window(Pending& pending) {
  if (pending.kind != Pending::Kind::kAccepted) return;
  const std::lock_guard lock(mutex_);
  end_committing(pending);
}

void Receiver::deliver(Pending& pending, AnswerSink::Link link, Answers& answers) {
  if (!pending.frame) {
    answers.add(pending.sink, {.ticket = pending.ticket, .wire = std::move(pending.answer.bytes), .link = link});
    return;
  }
  FrameState& frame = *pending.frame;
  {
    const std::lock_guard lock(mutex_);
    frame.answers[pending.index] = std::move(pending.answer);
    if (link == AnswerSink::Link::kClose) frame.link = link;
    if (--frame.open > 0) return;
  }
  answers.add(frame.sink, {.ticket = frame.ticket, .wire = batch_answer(frame), .link = frame.link});
}

std::string Receiver::batch_answer(const FrameState& frame) const {
  if (frame.answer == BatchAnswer::kBatch) return batch_wire(frame.answers, frame.envelope, options_.us);
  std::string wire;
  for (const AnswerWire& answer : frame.answers) wire += answer.bytes;
  return wire;
}

AnswerOptions Receiver::answer_options(const ReceiveListener& listener, std::string_view dtm,
                                       std::string_view digits) const {
  return {.us = &options_.us, .application = listener.rules.application_answer, .time_dtm = dtm, .digits = digits};
}

void Receiver::count_accepted(ReceiveListener& listener, const Judgement& judgement) {
  (judgement.acknowledges ? listener.answers : listener.accepted).add();
  for (const std::string& warning : judgement.warnings) listener.warned(warning);
}

void Receiver::take_deferred(std::vector<Submission>& submissions) {
  if (!has_deferred_.load(std::memory_order_acquire)) return;
  std::vector<Record> records;
  {
    const std::lock_guard lock(mutex_);
    records.swap(deferred_);
    has_deferred_.store(false, std::memory_order_relaxed);
  }
  if (records.empty()) return;
  submissions.emplace_back().records = std::move(records);
}

void Receiver::flush() {
  std::vector<Submission> submissions;
  take_deferred(submissions);
  if (submissions.empty()) return;
  if (const Status status = journal_.submit(std::move(submissions)); !status) {
    log::error("receive.duplicates_unrecorded", {{"error", status.error()}});
  }
}

void Receiver::report_fatal(const Error& error) {
  if (fatal_.exchange(true)) return;
  log::alarm("receive.journal_failed", {{"error", error}});
  if (options_.on_fatal) options_.on_fatal(error);
}

}  // namespace minato

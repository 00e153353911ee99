#include "edge/mllp/worker.h"

#include <algorithm>

#include "base/log.h"
#include "os/thread.h"

namespace minato::mllp {
namespace {

constexpr std::size_t kReadBufferBytes = 256 * kKiB;
// How often a worker looks whether another one has made room for its paused links.
constexpr auto kResumeEvery = std::chrono::milliseconds(10);

}  // namespace

Worker::Worker(std::unique_ptr<EventLoop> loop, Receiver& receiver, ByteBudget& budget)
    : loop_(std::move(loop)), receiver_(receiver), budget_(budget), read_buffer_(kReadBufferBytes) {}
Worker::~Worker() = default;

void Worker::start(unsigned number) {
  thread_ = start_thread("mllp-" + std::to_string(number), [this](const std::stop_token&) { run(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  while (stage_ != Stage::kFinished || free_tickets_.size() != in_flight_.size()) {
    loop_->run_once(Deadline::max());
    end_round();
  }
}

// Closing links may bring half frames to hand over, and answers may end links: until nothing is left.
void Worker::end_round() {
  do {
    hand_over();
    if (take_answers()) receiver_.flush();
    for (std::size_t i = 0; i < touched_.size(); ++i) touched_[i]->flush();
    touched_.clear();
    resume_paused();
  } while (!round_.empty());
  sweep();
}

void Worker::hand_over() {
  if (round_.empty()) return;
  round_bytes_ = 0;
  receiver_.receive(std::exchange(round_, {}), *this);
}

void Worker::answered(std::vector<Answer> batch) {
  if (std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed)) {
    std::ranges::move(batch, std::back_inserter(answers_));
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = inbox_.empty();
    std::ranges::move(batch, std::back_inserter(inbox_));
  }
  if (wake) loop_->post([] {});  // the end of the round takes them
}

bool Worker::take_answers() {
  std::vector<Answer> batch = std::exchange(answers_, {});
  {
    const std::lock_guard lock(mutex_);
    if (batch.empty()) {
      batch.swap(inbox_);
    } else {
      std::ranges::move(inbox_, std::back_inserter(batch));
      inbox_.clear();
    }
  }
  if (batch.empty()) return false;
  tick();
  for (Answer& answer : batch) take_answer(answer);
  return true;
}

void Worker::take_answer(Answer& answer) {
  InFlight& frame = in_flight_[answer.ticket];
  budget_.change(frame.bytes, 0);
  frame.listener->counts.ack_seconds.observe(std::chrono::duration<double>(now_ - frame.since).count());
  if (Connection* connection = std::exchange(frame.connection, nullptr)) {
    connection->answered(frame.number, std::move(answer.wire), answer.link);
  }
  free_tickets_.push_back(answer.ticket);
}

std::uint64_t Worker::submit(Connection& connection, Event event, std::uint64_t number) {
  if (free_tickets_.empty()) {
    free_tickets_.push_back(in_flight_.size());
    in_flight_.emplace_back();
  }
  const std::uint64_t ticket = free_tickets_.back();
  free_tickets_.pop_back();
  const std::size_t bytes = event.bytes.capacity();
  // A large frame goes alone, so that the journal refusing it for its size refuses nothing else.
  if (round_bytes_ + bytes >= kMllpRoundBytesMax) hand_over();
  in_flight_[ticket] = {
      .connection = &connection, .listener = &connection.listener(), .number = number, .bytes = bytes, .since = now_};
  budget_.change(0, bytes);
  round_bytes_ += bytes;
  round_.push_back({.event = std::move(event), .ticket = ticket, .peer = &connection.peer()});
  if (round_bytes_ >= kMllpRoundBytesMax) hand_over();
  return ticket;
}

void Worker::name_peer(ReceivePeer& peer, ListenerState& listener, std::string identity) {
  peer = receiver_.peer(*listener.rules, std::move(peer.address), std::move(identity));
}

void Worker::adopt(ListenerState& listener, std::unique_ptr<Stream> stream) {
  if (stage_ != Stage::kServing) return;
  tick();
  auto connection = std::make_unique<Connection>(*this, listener, std::move(stream));
  connection->place = connections_.size();
  Connection& added = *connections_.emplace_back(std::move(connection));
  open_.fetch_add(1, std::memory_order_relaxed);
  if (const Status status = added.begin(); !status) {
    log::error("mllp.unwatched", {{"listener", log::own(listener.name())}, {"error", status.error()}});
    added.close();
  }
}

void Worker::bury(Connection& connection) {
  const std::size_t place = connection.place;
  dead_.push_back(std::move(connections_[place]));
  if (place + 1 < connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place = place;
  }
  connections_.pop_back();
  std::erase(paused_, &connection);
  open_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::sweep() {
  dead_.clear();
  if (stage_ == Stage::kDraining && connections_.empty() && on_empty_) std::exchange(on_empty_, nullptr)();
}

void Worker::resume_paused() {
  if (paused_.empty()) return;
  for (Connection* connection : std::exchange(paused_, {})) {
    if (budget_.may_read(connection)) {
      connection->resume();
    } else {
      paused_.push_back(connection);
    }
  }
  watch_paused();
}

void Worker::watch_paused() {
  loop_->cancel(std::exchange(resume_timer_, {}));
  if (paused_.empty()) return;
  resume_timer_ = loop_->at(std::chrono::steady_clock::now() + kResumeEvery, [] {});  // a round is all it takes
}

void Worker::drain(std::function<void()> on_empty) {
  post([this, on_empty = std::move(on_empty)] {
    stage_ = Stage::kDraining;
    on_empty_ = on_empty;
    tick();
    for (std::size_t i = connections_.size(); i > 0; --i) connections_[i - 1]->drain();
  });
}

void Worker::finish() {
  post([this] {
    stage_ = Stage::kFinished;
    while (!connections_.empty()) connections_.back()->close();
  });
}

}  // namespace minato::mllp

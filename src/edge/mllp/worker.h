// One thread with an event loop and its connections. All complete frames of one round go to the receiver in one call;
// answers that come from other threads wait in the inbox, with one wake for all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "edge/mllp/byte_budget.h"
#include "edge/mllp/connection.h"
#include "flow/receive.h"
#include "os/event_loop.h"

namespace minato::mllp {

class Worker final : public AnswerSink {
 public:
  Worker(std::unique_ptr<EventLoop> loop, Receiver& receiver, ByteBudget& budget);
  ~Worker() override;  // after join()

  // From any thread.
  void start(unsigned number);
  void post(EventLoop::Task task) { loop_->post(std::move(task)); }
  void answered(std::vector<Answer> batch) override;
  std::size_t connections() const { return open_.load(std::memory_order_relaxed); }
  // Idle connections close now, the others with their next answer; `on_empty` runs on the worker's thread when none is
  // left.
  void drain(std::function<void()> on_empty);
  // Closes every connection; the thread ends when the receiver has answered all that it was given. join() waits for
  // that.
  void finish();
  void join();

  // For its connections, on its thread.
  EventLoop& loop() { return *loop_; }
  ByteBudget& budget() { return budget_; }
  std::span<char> read_buffer() { return read_buffer_; }
  Deadline now() const { return now_; }
  void tick() { now_ = std::chrono::steady_clock::now(); }
  std::vector<Event>& events() { return events_; }
  void name_peer(ReceivePeer& peer, ListenerState& listener, std::string identity);
  void adopt(ListenerState& listener, std::unique_ptr<Stream> stream);
  // Takes a frame for this round; its answer goes to the connection, under `number`. Returns the ticket.
  std::uint64_t submit(Connection& connection, Event event, std::uint64_t number);
  // The connection has ended: nobody waits for this answer.
  void forget(std::uint64_t ticket) { in_flight_[ticket].connection = nullptr; }
  std::size_t bytes_of(std::uint64_t ticket) const { return in_flight_[ticket].bytes; }
  void pause(Connection& connection) { paused_.push_back(&connection); }
  void touch(Connection& connection) { touched_.push_back(&connection); }
  // Destroyed at the end of the round.
  void bury(Connection& connection);

 private:
  struct InFlight {
    Connection* connection = nullptr;
    ListenerState* listener = nullptr;
    std::uint64_t number = 0;
    std::size_t bytes = 0;
    Deadline since{};
  };

  void run();
  void end_round();
  void hand_over();
  bool take_answers();
  void take_answer(Answer& answer);
  void resume_paused();
  void watch_paused();
  void sweep();

  std::unique_ptr<EventLoop> loop_;
  Receiver& receiver_;
  ByteBudget& budget_;
  std::vector<char> read_buffer_;
  std::vector<Event> events_;
  Deadline now_{};
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> dead_;
  std::vector<Connection*> paused_;
  std::vector<Connection*> touched_;  // answered in this round
  std::vector<IncomingFrame> round_;
  std::size_t round_bytes_ = 0;
  std::vector<Answer> answers_;  // given on this thread
  std::vector<InFlight> in_flight_;
  std::vector<std::uint64_t> free_tickets_;
  std::function<void()> on_empty_;
  EventLoop::TimerId resume_timer_{};
  enum class Stage : std::uint8_t { kServing, kDraining, kFinished } stage_ = Stage::kServing;
  std::atomic<std::size_t> open_{0};
  std::atomic<std::thread::id> thread_id_{};
  std::jthread thread_;

  std::mutex mutex_;           // guards inbox_
  std::vector<Answer> inbox_;  // given on other threads
};

}  // namespace minato::mllp

// One link: bytes in, frames to the worker, answers out in order. Belongs to its worker's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/mllp/listener.h"
#include "format/hl7/mllp_framer.h"
#include "os/event_loop.h"
#include "os/stream.h"

namespace minato::mllp {

class Worker;

class Connection final : public EventHandler {
 public:
  Connection(Worker& worker, ListenerState& listener, std::unique_ptr<Stream> stream);
  ~Connection() override;

  // Registers with the loop. An error means that the connection is of no use.
  Status begin();
  void on_ready(Ready ready) override;

  // The answer to the frame with that number. It is sent by flush().
  void answered(std::uint64_t number, std::string wire, AnswerSink::Link link);
  void flush();
  // Buffers have room again.
  void resume();
  // No new frames: ends at once when it is idle, or with the answer to the frame that it is in.
  void drain();
  // Ends now: what is half read is recorded, what is unanswered stays so.
  void close();

  const ReceivePeer& peer() const { return peer_; }
  ListenerState& listener() { return listener_; }
  std::size_t place = 0;  // the worker's own: where it keeps this connection

 private:
  struct Slot {
    std::uint64_t ticket = 0;
    std::string wire = {};
    enum class State : std::uint8_t { kOpen, kAnswered } state = State::kOpen;
  };
  enum class Stage : std::uint8_t { kHandshake, kOpen, kDead };

  // Whether frames are wanted now, whatever the budget says.
  bool wants_frames() const;
  void shake_hands();
  void read();
  bool read_once();
  void take(std::vector<Event>& events);
  void take_frame(Event event);
  void take_junk(const Event& event);
  void write();
  void settle();
  void peer_ended();
  void broke();
  void die();
  void update_interest();
  void update_charge();
  void update_timer();
  void on_timer();
  bool waits_for_peer() const;
  std::string_view unsent() const { return std::string_view(out_).substr(out_at_); }

  Worker& worker_;
  ListenerState& listener_;
  std::unique_ptr<Stream> stream_;
  Framer framer_;
  ReceivePeer peer_;
  std::deque<Slot> slots_;  // frames in flight, in order; the number of the first is first_number_
  std::uint64_t first_number_ = 0;
  std::string out_;
  std::size_t out_at_ = 0;
  std::size_t charged_ = 0;
  Deadline last_progress_{};
  Deadline timer_due_ = Deadline::max();
  EventLoop::TimerId timer_{};
  Stage stage_ = Stage::kHandshake;
  bool peer_ended_ = false;        // its side
  bool ending_ = false;            // no more frames are read; it ends when all is answered and sent
  bool paused_ = false;            // the byte budget is spent
  bool read_wants_write_ = false;  // TLS
  bool write_wants_read_ = false;  // TLS
  bool write_blocked_ = false;
  bool junk_told_ = false;
  bool touched_ = false;
};

}  // namespace minato::mllp

#include "edge/mllp/connection.h"

#include <algorithm>

#include "base/log.h"
#include "edge/mllp/worker.h"

namespace minato::mllp {
namespace {

// Reads of one link before the others have their turn.
constexpr int kReadsPerTurn = 16;
// What an idle link may keep of its answer buffer.
constexpr std::size_t kAnswerBytesKept = 4 * kKiB;

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Connection::Connection(Worker& worker, ListenerState& listener, std::unique_ptr<Stream> stream)
    : worker_(worker),
      listener_(listener),
      stream_(std::move(stream)),
      framer_({.frame_bytes_max = listener.options.frame_bytes_max}),
      last_progress_(worker.now()) {
  listener_.counts.connections.add(1);
  listener_.counts.accepted.add();
}

Connection::~Connection() {
  listener_.open.fetch_sub(1, std::memory_order_relaxed);
  listener_.counts.connections.add(-1);
}

Status Connection::begin() {
  MN_CHECK(worker_.loop().add(stream_->fd(), Interest::kRead, this));
  shake_hands();  // a plain stream is open at once
  settle();
  return {};
}

void Connection::on_ready(Ready ready) {
  worker_.tick();
  if (stage_ == Stage::kHandshake) {
    shake_hands();
    if (stage_ == Stage::kOpen) read();
  } else if (ready.hung_up && !wants_frames()) {
    broke();  // nobody is there to take the answers
  } else {
    if (ready.readable || read_wants_write_) read();
    if (ready.writable || write_wants_read_) write();
  }
  settle();
}

void Connection::shake_hands() {
  const IoResult result = stream_->handshake();
  read_wants_write_ = result.state == IoState::kWantWrite;
  if (result.state == IoState::kWantRead || result.state == IoState::kWantWrite) return;
  if (result.state != IoState::kDone) {
    listener_.counts.refused_tls.add();
    log::warning("mllp.tls_refused", {{"listener", log::own(listener_.name())},
                                      {"peer", log::own(stream_->peer().text())},
                                      {"reason", log::own(stream_->error_text())}});
    return die();
  }
  stage_ = Stage::kOpen;
  peer_.address = stream_->peer().text();
  worker_.name_peer(peer_, listener_, identity_of(listener_, *stream_));
  log::debug("mllp.connected", {{"listener", log::own(listener_.name())},
                                {"peer", log::own(peer_.address)},
                                {"identity", log::own(peer_.identity)}});
}

bool Connection::wants_frames() const {
  return stage_ == Stage::kOpen && !peer_ended_ && (!ending_ || framer_.mid_frame()) &&
         slots_.size() < listener_.options.frames_in_flight_max && unsent().size() < kMllpAnswerBytesMax;
}

void Connection::read() {
  for (int i = 0; i < kReadsPerTurn && wants_frames(); ++i) {
    if (!worker_.budget().may_read(this)) {
      paused_ = true;
      listener_.counts.pauses.add();
      return worker_.pause(*this);
    }
    if (!read_once()) return;
  }
}

// False: there is nothing more to read now.
bool Connection::read_once() {
  const std::span<char> buffer = worker_.read_buffer();
  const IoResult result = stream_->read(buffer);
  read_wants_write_ = result.state == IoState::kWantWrite;
  if (result.state == IoState::kClosed) peer_ended();
  if (result.state == IoState::kError) broke();
  if (result.state != IoState::kDone) return false;
  last_progress_ = worker_.now();
  listener_.counts.bytes_in.add(result.bytes);
  std::vector<Event>& events = worker_.events();
  framer_.feed({buffer.data(), result.bytes}, events);
  take(events);
  update_charge();
  return result.bytes == buffer.size() || stream_->has_buffered();
}

void Connection::take(std::vector<Event>& events) {
  for (Event& event : events) {
    switch (event.kind) {
      case EventKind::kJunk:
        take_junk(event);
        break;
      case EventKind::kCommitAck:
      case EventKind::kCommitNak:
        listener_.counts.broken(event.kind).add();
        break;
      default:
        take_frame(std::move(event));
    }
  }
  events.clear();
}

void Connection::take_junk(const Event& event) {
  listener_.counts.junk_bytes.add(event.count);
  if (std::exchange(junk_told_, true)) return;  // once a link: the counter has the rest
  log::warning("mllp.junk",
               {{"listener", log::own(listener_.name())}, {"peer", log::own(peer_.address)}, {"bytes", event.count}});
}

void Connection::take_frame(Event event) {
  listener_.counts.frames.add();
  listener_.counts.last_frame_time.set(seconds_since_1970());
  if (event.kind != EventKind::kFrame) listener_.counts.broken(event.kind).add();
  if (event.end == FrameEnd::kCrMissing) listener_.counts.missing_cr.add();
  const std::uint64_t number = first_number_ + slots_.size();
  slots_.push_back({.ticket = worker_.submit(*this, std::move(event), number)});
}

void Connection::answered(std::uint64_t number, std::string wire, AnswerSink::Link link) {
  Slot& slot = slots_[number - first_number_];
  slot.wire = std::move(wire);
  slot.state = Slot::State::kAnswered;
  if (link == AnswerSink::Link::kClose) return die();
  if (std::exchange(touched_, true)) return;
  worker_.touch(*this);
}

// Answers that are complete from the front go out in one write.
void Connection::flush() {
  touched_ = false;
  if (stage_ == Stage::kDead) return;
  while (!slots_.empty() && slots_.front().state == Slot::State::kAnswered) {
    if (out_.empty()) {
      out_ = std::move(slots_.front().wire);
    } else {
      out_ += slots_.front().wire;
    }
    slots_.pop_front();
    ++first_number_;
  }
  if (!write_blocked_) write();
  // TLS may hold bytes that epoll does not know of.
  if (stage_ == Stage::kOpen && !paused_ && stream_->has_buffered()) read();
  settle();
}

void Connection::write() {
  write_blocked_ = false;
  write_wants_read_ = false;
  while (stage_ == Stage::kOpen && !unsent().empty()) {
    const IoResult result = stream_->write(unsent());
    if (result.state == IoState::kDone) {
      out_at_ += result.bytes;
      last_progress_ = worker_.now();
      listener_.counts.bytes_out.add(result.bytes);
      continue;
    }
    write_blocked_ = true;
    write_wants_read_ = result.state == IoState::kWantRead;
    if (result.state == IoState::kClosed || result.state == IoState::kError) broke();
    return;
  }
  out_.clear();
  out_at_ = 0;
  if (out_.capacity() > kAnswerBytesKept) out_ = std::string();
}

// After anything happened: is it over, and what is waited for next?
void Connection::settle() {
  if (stage_ == Stage::kDead) return;
  const bool no_more = peer_ended_ || (ending_ && !framer_.mid_frame());
  if (stage_ == Stage::kOpen && no_more && slots_.empty() && unsent().empty()) {
    stream_->shutdown();
    return die();
  }
  if (ending_ && stage_ == Stage::kHandshake) return die();
  update_charge();
  update_interest();
  update_timer();
}

// Its side only: it may still read answers.
void Connection::peer_ended() {
  std::vector<Event> events;
  framer_.close(events);
  take(events);
  peer_ended_ = true;
}

void Connection::broke() {
  listener_.counts.broken_links.add();
  log::debug("mllp.link_broke", {{"listener", log::own(listener_.name())},
                                 {"peer", log::own(peer_.address)},
                                 {"reason", log::own(stream_->error_text())}});
  close();
}

void Connection::close() {
  if (stage_ == Stage::kDead) return;
  if (stage_ == Stage::kOpen && !peer_ended_) peer_ended();
  die();
}

void Connection::drain() {
  ending_ = true;
  settle();
}

void Connection::resume() {
  paused_ = false;
  if (stage_ == Stage::kDead) return;
  last_progress_ = worker_.now();  // it was we who made it wait
  if (stream_->has_buffered()) read();
  settle();
}

void Connection::die() {
  if (stage_ == Stage::kDead) return;
  stage_ = Stage::kDead;
  for (const Slot& slot : slots_) {
    if (slot.state == Slot::State::kOpen) worker_.forget(slot.ticket);
  }
  worker_.loop().cancel(timer_);
  worker_.loop().remove(stream_->fd());
  worker_.budget().change(charged_, 0);
  worker_.budget().end_turn(this);
  worker_.bury(*this);
}

void Connection::update_interest() {
  const bool reads =
      stage_ == Stage::kHandshake ? !read_wants_write_ : (wants_frames() && !paused_) || write_wants_read_;
  const bool writes = read_wants_write_ || (write_blocked_ && !write_wants_read_);
  const int interest =
      (reads ? static_cast<int>(Interest::kRead) : 0) | (writes ? static_cast<int>(Interest::kWrite) : 0);
  if (!worker_.loop().modify(stream_->fd(), static_cast<Interest>(interest))) die();
}

// What the budget counts: the frame in progress and answers that wait. Frames that were handed over are the worker's to
// count.
void Connection::update_charge() {
  const std::size_t now = framer_.buffered_bytes() + (out_.size() > kAnswerBytesKept ? out_.size() : 0);
  if (now != charged_) worker_.budget().change(std::exchange(charged_, now), now);
  if (!framer_.mid_frame()) worker_.budget().end_turn(this);
}

bool Connection::waits_for_peer() const {
  return stage_ == Stage::kHandshake || write_blocked_ || (framer_.mid_frame() && !paused_ && wants_frames());
}

// One timer a link, made when it is needed first and looked at when it fires: frames that come whole never make one.
void Connection::update_timer() {
  if (stage_ == Stage::kDead || !waits_for_peer()) return;
  const auto wait = framer_.awaiting_cr() ? listener_.options.cr_wait : listener_.options.stall_timeout;
  const Deadline due = last_progress_ + wait;
  if (due >= timer_due_) return;
  worker_.loop().cancel(timer_);
  timer_due_ = due;
  timer_ = worker_.loop().at(due, [this] { on_timer(); });
}

void Connection::on_timer() {
  timer_ = {};
  timer_due_ = Deadline::max();
  worker_.tick();
  if (waits_for_peer() && framer_.awaiting_cr() && worker_.now() >= last_progress_ + listener_.options.cr_wait) {
    std::vector<Event> events;
    framer_.accept_without_cr(events);
    take(events);
  } else if (waits_for_peer() && worker_.now() >= last_progress_ + listener_.options.stall_timeout) {
    listener_.counts.stalled.add();
    log::warning("mllp.stalled",
                 {{"listener", log::own(listener_.name())}, {"peer", log::own(stream_->peer().text())}});
    return close();
  }
  settle();
}

}  // namespace minato::mllp

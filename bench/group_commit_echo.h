// The yardstick of the ingest benchmark: the least that an MLLP server can do and still be honest. One thread waits in
// epoll, reads frames and queues them; one thread writes all that is queued into a pre-zeroed file, calls fdatasync
// once, and then answers each frame with a short AA that names MSH-10. No parsing, no limits, no checksums, no
// duplicates, no TLS, no errors.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace minato::bench {

inline void must(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

class GroupCommitEcho {
 public:
  explicit GroupCommitEcho(const std::string& file) : file_(::open(file.c_str(), O_CREAT | O_RDWR | O_TRUNC, 0600)) {
    must(file_ >= 0, "open");
    const std::string zeros(1 << 20, '\0');
    for (off_t at = 0; at < kFileBytes; at += static_cast<off_t>(zeros.size())) {
      must(::pwrite(file_, zeros.data(), zeros.size(), at) == static_cast<ssize_t>(zeros.size()), "pwrite");
    }
    must(::fsync(file_) == 0, "fsync");
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    must(::listen(listener_, 512) == 0, "listen");
  }

  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  // Never returns.
  void run() {
    std::thread committer([this] { commit(); });
    const int epoll = ::epoll_create1(0);
    watch(epoll, listener_);
    std::vector<epoll_event> events(256);
    for (;;) {
      const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
      std::vector<Frame> frames;
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept(epoll);
        } else {
          read(fd, frames);
        }
      }
      if (frames.empty()) continue;
      {
        const std::lock_guard lock(mutex_);
        for (Frame& frame : frames) queued_.push_back(std::move(frame));
      }
      some_.notify_one();
    }
  }

 private:
  static constexpr off_t kFileBytes = 64 << 20;  // then it begins again at the front
  struct Frame {
    int fd;
    std::string bytes;
  };

  static void watch(int epoll, int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    must(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }

  void accept(int epoll) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, fd);
  }

  void read(int fd, std::vector<Frame>& frames) {
    const ssize_t count = ::recv(fd, buffer_, sizeof buffer_, 0);
    if (count <= 0) {
      halves_.erase(fd);
      ::close(fd);
      return;
    }
    std::string& half = halves_[fd];
    half.append(buffer_, static_cast<std::size_t>(count));
    for (std::size_t end = half.find("\x1C\r"); end != std::string::npos; end = half.find("\x1C\r")) {
      frames.push_back({fd, half.substr(0, end + 2)});
      half.erase(0, end + 2);
    }
  }

  void commit() {
    off_t at = 0;
    for (;;) {
      std::vector<Frame> group;
      {
        std::unique_lock lock(mutex_);
        some_.wait(lock, [this] { return !queued_.empty(); });
        group.swap(queued_);
      }
      std::string bytes;
      for (const Frame& frame : group) bytes += frame.bytes;
      if (at + static_cast<off_t>(bytes.size()) > kFileBytes) at = 0;
      must(::pwrite(file_, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()), "pwrite");
      must(::fdatasync(file_) == 0, "fdatasync");
      at += static_cast<off_t>(bytes.size());
      for (const Frame& frame : group) answer(frame);
    }
  }

  static std::string_view control_id(std::string_view frame) {
    for (int field = 0; field < 9; ++field) frame.remove_prefix(frame.find('|') + 1);
    return frame.substr(0, frame.find('|'));
  }

  static void answer(const Frame& frame) {
    std::string ack = "\x0BMSH|^~\\&|MINATO|HOSP|HIS|HOSP|20261124140607||ACK|1|P|2.5\rMSA|AA|";
    ack += control_id(frame.bytes);
    ack += "\r\x1C\r";
    [[maybe_unused]] const ssize_t sent = ::send(frame.fd, ack.data(), ack.size(), MSG_NOSIGNAL);
  }

  int file_;
  int listener_ = -1;
  char buffer_[65536];
  std::unordered_map<int, std::string> halves_;
  std::mutex mutex_;
  std::condition_variable some_;
  std::vector<Frame> queued_;
};

}  // namespace minato::bench

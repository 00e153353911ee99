// Finishes what one system call may leave half done: a signal interrupts it (EINTR), or it moves fewer bytes than asked
// for. The call is a parameter, so that a test can interrupt it anywhere.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace minato::os {

// `read(into, bytes, offset)` answers as pread(2). Returns the bytes read, fewer than asked for only at the end of the
// file, or -1 with errno.
template <typename Read>
ssize_t read_fully(Read read, std::span<char> into, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = read(into.data() + done, into.size() - done, offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

// `write(iovecs, count, offset)` answers as pwritev(2), `count` at most `iovecs_max`. True when all was written; false
// with errno. A call that writes nothing and reports no error counts as ENOSPC. Changes `pieces`.
template <typename Write>
bool write_fully(Write write, std::span<iovec> pieces, std::uint64_t offset, std::size_t iovecs_max) {
  while (true) {
    while (!pieces.empty() && pieces.front().iov_len == 0) pieces = pieces.subspan(1);
    if (pieces.empty()) return true;
    const auto count = pieces.size() < iovecs_max ? pieces.size() : iovecs_max;
    const ssize_t put = write(pieces.data(), static_cast<int>(count), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    if (put == 0) {
      errno = ENOSPC;
      return false;
    }
    offset += static_cast<std::uint64_t>(put);
    auto left = static_cast<std::size_t>(put);
    while (left > 0) {
      iovec& front = pieces.front();
      const auto part = left < front.iov_len ? left : front.iov_len;
      front.iov_base = static_cast<char*>(front.iov_base) + part;
      front.iov_len -= part;
      left -= part;
      if (front.iov_len == 0) pieces = pieces.subspan(1);
    }
  }
}

// Repeats a call that answers -1 with EINTR.
template <typename Call>
auto retry_interrupted(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

}  // namespace minato::os

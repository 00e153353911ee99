#include "os/fd.h"

#include <unistd.h>

namespace minato {

void Fd::reset(int fd) {
  // Not repeated after EINTR: on Linux the descriptor is gone then, and its number may be another thread's by now.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace minato

#include "io/tap_queue.h"

#include <errno.h>
#include <unistd.h>

namespace weft {

KernelTapQueue::~KernelTapQueue() { ::close(fd_); }

ssize_t KernelTapQueue::read(uint8_t* buffer, size_t size) {
  const ssize_t got = ::read(fd_, buffer, size);
  return got >= 0 ? got : -errno;
}

int KernelTapQueue::write(const iovec* iov, size_t count) {
  return ::writev(fd_, iov, static_cast<int>(count)) >= 0 ? 0 : -errno;
}

}  // namespace weft

#include "io/tap_queue.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys/sys_error.h"

namespace weft {

KernelTapQueue::~KernelTapQueue() { ::close(fd_); }

void KernelTapQueue::destroy_on_close() { ioctl(fd_, TUNSETPERSIST, 0); }

ssize_t KernelTapQueue::read(uint8_t* buffer, size_t size) {
  const ssize_t got = ::read(fd_, buffer, size);
  return got >= 0 ? got : -errno;
}

TunOffloads KernelTapQueue::set_offloads(TunOffloads wanted) {
  try {
    return set_tun_offloads(fd_, wanted);
  } catch (const SysError&) {
    return {};
  }
}

int KernelTapQueue::write(const iovec* iov, size_t count) {
  return ::writev(fd_, iov, static_cast<int>(count)) >= 0 ? 0 : -errno;
}

}  // namespace weft

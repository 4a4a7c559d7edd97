// One queue of a TAP with IFF_VNET_HDR. The worker talks to this interface; tests put a fake behind it.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "sys/tun_device.h"

namespace weft {

class TapQueue {
 public:
  virtual ~TapQueue() = default;

  // For epoll; -1 for a fake that needs none.
  virtual int fd() const = 0;

  // Reads one frame with its 10-byte virtio header in front. Bytes read, or -errno; -EAGAIN when there is none.
  virtual ssize_t read(uint8_t* buffer, size_t size) = 0;

  // From now on the device ends with its last descriptor, also a persistent one.
  virtual void destroy_on_close() = 0;

  // TUNSETOFFLOAD, for the whole device. What the kernel took; nothing when the device is gone.
  virtual TunOffloads set_offloads(TunOffloads wanted) = 0;

  // Writes one frame, iov[0] being its virtio header. 0 or -errno.
  virtual int write(const iovec* iov, size_t count) = 0;
};

// A real TAP queue; owns the descriptor, which must be non-blocking. Never TUNSETSNDBUF: the kernel's fast path for small frames
// needs an unlimited send buffer (drivers/net/tun.c, tun_can_build_skb).
class KernelTapQueue final : public TapQueue {
 public:
  explicit KernelTapQueue(int fd) : fd_(fd) {}
  ~KernelTapQueue() override;
  KernelTapQueue(const KernelTapQueue&) = delete;
  KernelTapQueue& operator=(const KernelTapQueue&) = delete;

  int fd() const override { return fd_; }
  void destroy_on_close() override;
  ssize_t read(uint8_t* buffer, size_t size) override;
  TunOffloads set_offloads(TunOffloads wanted) override;
  int write(const iovec* iov, size_t count) override;

 private:
  int fd_;
};

}  // namespace weft

// Writing to TAPs what the round's frames became, and what to do when the kernel refuses.
#include <errno.h>

#include "engine/worker.h"

namespace weft {

void Worker::write_ports() {
  if (coalescer_.empty()) return;
  for (const TapWrite& write : coalescer_.finish()) {
    Port& port = *tables_->ports[write.port];
    int error;
    do {
      error = port.queue->write(write.iov, write.iov_count);
    } while (error == -EINTR);
    if (error != 0) {
      write_failed(port, write.wire_frames, -error);
      continue;
    }
    counters_.sent.add(write.wire_frames);
    port.counters.tx_frames.add(write.wire_frames);
    port.counters.tx_bytes.add(write.bytes);
    if (write.wire_frames > 1) port.counters.tx_super_frames.add(1);
  }
  coalescer_.clear();
}

void Worker::write_failed(Port& port, uint32_t frames, int error) {
  Drop reason = Drop::port_error;
  switch (error) {
    case EIO:  // the guest's link is down (drivers/net/tun.c, tun_get_user)
      reason = Drop::port_down;
      break;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      reason = Drop::port_full;
      break;
    case EBADFD:
      reason = Drop::port_down;
      port_gone(port);
      break;
    default:
      if (now_ != port.last_error) {
        port.last_error = now_;
        events_.push({.type = EventType::port_error,
                      .where = {DestinationKind::port, port.index},
                      .error = error,
                      .address = {}});
      }
  }
  counters_.dropped[static_cast<size_t>(reason)].add(frames);
  port.counters.tx_dropped.add(frames);
}

// The device was deleted, or its namespace died. The control plane removes the port; until then its descriptor, which
// would report the error for ever, is not watched.
void Worker::port_gone(Port& port) {
  if (port.gone) return;
  port.gone.store(true, std::memory_order_relaxed);
  unwatch(port.queue->fd());
  events_.push({.type = EventType::port_gone, .where = {DestinationKind::port, port.index}, .address = {}});
}

}  // namespace weft

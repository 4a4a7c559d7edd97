// Writing to TAPs what the round's frames became, and what to do when the kernel refuses.
//
// A super-frame that its port may not get, or that the kernel refuses, is cut and written segment by segment, in its place among
// the port's other writes. Only when segments pass where the whole was refused is the offload to blame: then the port gets no
// super-frame of that kind for a while.
#include <errno.h>
#include <string.h>

#include "engine/worker.h"
#include "offload/segment.h"

namespace weft {
namespace {

// Whether the kernel had no reason to refuse the super-frame but the offload: what a guest sends must not cost another guest its
// offload. The virtio header is the coalescer's own; what is left to the guest is a packet with headers that few paths of the
// kernel know.
bool is_ordinary(const Packet& packet, const SegmentPlan& plan) { return !packet.ip_options && plan.count > 1; }

}  // namespace

void Worker::write_ports() {
  if (coalescer_.empty()) return;
  for (const TapWrite& write : coalescer_.finish()) {
    Port& port = *tables_->ports[write.port];
    const VnetHeader& vnet = *static_cast<const VnetHeader*>(write.iov[0].iov_base);
    if (vnet.is_super_frame()) {
      write_super_frame(port, write, vnet);
    } else if (const int error = write_once(port, write.iov, write.iov_count, false)) {
      write_failed(port, write.wire_frames, error);
    } else {
      written(port, write.wire_frames, write.bytes);
    }
    if (captures_ != nullptr) [[unlikely]] capture_written(port, write, vnet);
  }
  coalescer_.clear();
}

// 0 or a positive errno.
int Worker::write_once(Port& port, const iovec* iov, size_t count, bool super_frame) {
  int error;
  do {
    error = -port.queue->write(iov, count);
  } while (error != 0 && write_remedy_for(error, super_frame) == WriteRemedy::retry);
  return error;
}

void Worker::write_super_frame(Port& port, const TapWrite& write, const VnetHeader& vnet) {
  const bool udp = vnet.gso_type == kGsoUdpL4;
  OffloadSwitch& offload = udp ? port.udp_super_frames : port.tcp_super_frames;
  if (!offload.usable(now_)) {
    write_cut(port, write, vnet);
    return;
  }
  const int error = write_once(port, write.iov, write.iov_count, true);
  if (error == 0) {
    written(port, write.wire_frames, write.bytes);
    if (write.wire_frames > 1) port.counters.tx_super_frames.add(1);
    return;
  }
  if (write_remedy_for(error, true) != WriteRemedy::replay_cut) return write_failed(port, write.wire_frames, error);
  if (!write_cut(port, write, vnet) || !offload.refuse(error, now_)) return;
  events_.push({.type = EventType::port_offload_disabled,
                .where = {DestinationKind::port, port.index},
                .address = {},
                .offload = udp ? Offload::udp_super_frames : Offload::tcp_super_frames,
                .off = offload.get()});
}

bool Worker::write_cut(Port& port, const TapWrite& write, const VnetHeader& vnet) {
  Packet packet;
  packet.length = write.bytes;
  if (write.iov_count == 2) {
    packet.data = static_cast<uint8_t*>(write.iov[1].iov_base);
  } else {
    packet.data = cut_frame_.get();
    uint8_t* at = packet.data;
    for (uint32_t i = 1; i < write.iov_count; ++i) {
      memcpy(at, write.iov[i].iov_base, write.iov[i].iov_len);
      at += write.iov[i].iov_len;
    }
  }
  SegmentPlan plan;
  if (parse(packet) != ParseResult::ok || plan_segments(packet, vnet, plan) != SegmentError::ok) {
    write_failed(port, write.wire_frames, EINVAL);
    return false;
  }
  write_segment_headers(packet, vnet, plan, cut_headers_.get(), kMaxSegmentHeaderBytes);

  VnetHeader plain;
  uint8_t* payload = packet.data + packet.payload_offset;
  bool passed = false;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const iovec iov[] = {{&plain, sizeof plain},
                         {cut_headers_.get() + size_t{i} * kMaxSegmentHeaderBytes, plan.header_length},
                         {payload, plan.payload_of(i)}};
    payload += plan.payload_of(i);
    if (const int error = write_once(port, iov, std::size(iov), false)) {
      write_failed(port, 1, error);
    } else {
      passed = true;
      written(port, 1, plan.header_length + plan.payload_of(i));
    }
  }
  return passed && is_ordinary(packet, plan);
}

void Worker::written(Port& port, uint32_t frames, uint32_t bytes) {
  counters_.sent.add(frames);
  port.counters.tx_frames.add(frames);
  port.counters.tx_bytes.add(bytes);
}

void Worker::write_failed(Port& port, uint32_t frames, int error) {
  Drop reason = Drop::port_error;
  switch (write_remedy_for(error, false)) {
    case WriteRemedy::drop_down:
      reason = Drop::port_down;
      break;
    case WriteRemedy::drop_full:
      reason = Drop::port_full;
      break;
    case WriteRemedy::drop_gone:
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
  counters_.drop_queued(port.counters, reason, frames);
  write_drop_ = reason;
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

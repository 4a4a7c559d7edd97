#include "engine/control_sender.h"

#include <errno.h>

#include "io/send_result.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

Drop reason_for(SendRemedy remedy) {
  switch (remedy) {
    case SendRemedy::retry:
    case SendRemedy::drop_full:
      return Drop::underlay_full;
    case SendRemedy::drop_too_big:
      return Drop::too_big;
    case SendRemedy::drop_no_route:
      return Drop::no_route;
    default:
      return Drop::underlay_refused;
  }
}

}  // namespace

ControlSender::ControlSender(WorkerCounters& counters)
    : counters_(counters), datagram_(new uint8_t[kVxlanHeaderBytes + kMostHelloBytes]) {}

void ControlSender::address(msghdr& header, Peer& peer, iovec& piece) {
  header = {};
  header.msg_name = peer.options.endpoint.address();
  header.msg_namelen = peer.options.endpoint.length();
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
}

VtepSender* ControlSender::sender_to(const Peer& peer, const Tables& tables, uint16_t flow) {
  if (tables.underlay == nullptr) return nullptr;
  const Underlay& underlay = *tables.underlay;
  const Family family = peer.options.endpoint.family();
  const uint32_t sender = peer.options.zero_checksum ? underlay.zero_checksum_sender_for(family)
                                                     : underlay.sender_for(family, flow);
  return sender == Underlay::kNoSender ? nullptr : &underlay.sender(sender);
}

int ControlSender::send(Peer& peer, const Tables& tables, const ControlMessage& message, uint16_t flow, uint32_t bytes) {
  write_vxlan_header(datagram_.get(), kControlVni);
  write_control_frame(datagram_.get() + kVxlanHeaderBytes, bytes, message);
  counters_.queued.add(1);
  VtepSender* sender = sender_to(peer, tables, flow);
  if (sender == nullptr) {
    counters_.drop_queued(peer.counters, Drop::no_route, 1);
    return ENETUNREACH;
  }
  mmsghdr out;
  iovec piece{datagram_.get(), kVxlanHeaderBytes + bytes};
  address(out.msg_hdr, peer, piece);
  return send(peer, *sender, &out, 1, 1);
}

int ControlSender::send(Peer& peer, VtepSender& sender, mmsghdr* messages, unsigned count, uint32_t datagrams_each) {
  int error = 0;
  unsigned tries = 0;
  for (unsigned at = 0; at < count;) {
    const int result = sender.send(messages + at, count - at);
    if (result > 0) {
      tries = 0;
      for (int i = 0; i < result; ++i, ++at) {
        counters_.sent.add(datagrams_each);
        peer.counters.tx_frames.add(datagrams_each);
        peer.counters.tx_bytes.add(messages[at].msg_hdr.msg_iov[0].iov_len - size_t{datagrams_each} * kVxlanHeaderBytes);
      }
      continue;
    }
    // A burst too: it is never sent one by one instead.
    const SendRemedy remedy = remedy_for(-result, false);
    if (remedy == SendRemedy::retry && tries++ < kSendRetries) continue;
    tries = 0;
    counters_.drop_queued(peer.counters, reason_for(remedy), datagrams_each);
    error = -result;
    ++at;
  }
  return error;
}

}  // namespace weft

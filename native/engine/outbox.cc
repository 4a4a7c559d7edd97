#include "engine/outbox.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include <algorithm>
#include <bit>

#include "io/send_result.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

constexpr unsigned kMessages = 64;
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int));
constexpr Seconds kTooBigInterval = 1;

// Every bit of the value reaches the low bits of the result, which choose a slot.
uint32_t mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0x9e3779b97f4a7c15ull;
  return static_cast<uint32_t>(value >> 32);
}

uint32_t key_hash(const Peer& peer, uint32_t sender, uint32_t vni, uint8_t traffic_class, uint32_t bytes) {
  return mix((uint64_t{vni} << 40 | uint64_t{peer.index} << 24 | uint64_t{bytes} << 8 | traffic_class) ^ uint64_t{sender} << 56);
}

}  // namespace

Outbox::Outbox(WorkerCounters& counters, EventRing& events) : counters_(counters), events_(events) {
  make_room(kLeastBatches);
}

void Outbox::use(const std::shared_ptr<const Underlay>& underlay, size_t peers) {
  if (underlay_ != underlay) underlay_ = underlay;
  const auto batches = static_cast<uint32_t>(std::bit_ceil(2 * peers));
  if (const uint32_t room = std::clamp(batches, kLeastBatches, kMostBatches); room != capacity_) make_room(room);
}

void Outbox::make_room(uint32_t batches) {
  batches_.reset(new Batch[batches]);
  sealed_.reset(new uint16_t[batches]);
  key_slots_.assign(size_t{batches} * kKeySlots, {});
  flow_slots_.assign(size_t{batches} * kFlowSlots, {});
  capacity_ = batches;
}

uint32_t Outbox::sender_of(const Peer& peer, uint32_t flow_hash) const {
  if (underlay_ == nullptr) return Underlay::kNoSender;
  const Family family = peer.options.endpoint.family();
  return peer.options.zero_checksum ? underlay_->zero_checksum_sender_for(family) : underlay_->sender_for(family, flow_hash);
}

uint32_t Outbox::max_datagrams() const {
  const uint32_t most = underlay_->max_segments();
  return most > 1 ? std::min(most, kMaxDatagrams) : kMaxDatagrams;
}

bool Outbox::segments_for(Peer& peer) {
  if (underlay_->max_segments() == 1 || !peer.options.offload || peer.options.zero_checksum) return false;
  return peer.state->udp_segment.usable(now_);
}

void Outbox::drop(Peer& peer, uint32_t frames, Drop reason) {
  counters_.drop_queued(peer.counters, reason, frames);
}

Outbox::Batch& Outbox::new_batch(Peer& peer, uint32_t sender, uint32_t vni, uint8_t traffic_class, uint32_t datagram_bytes) {
  if (used_ == capacity_) flush(now_);
  Batch& batch = batches_[used_++];
  batch.peer = &peer;
  batch.sender = sender;
  batch.vni = vni;
  batch.traffic_class = traffic_class;
  batch.datagram_bytes = datagram_bytes;
  batch.bytes = 0;
  batch.datagrams = 0;
  batch.pieces = 0;
  batch.pieces_per_datagram = 1;
  batch.super_frames = 0;
  batch.open = true;
  return batch;
}

void Outbox::seal(Batch& batch) {
  batch.open = false;
  sealed_[sealed_count_++] = static_cast<uint16_t>(&batch - batches_.get());
}

Outbox::FlowSlot& Outbox::slot_of(const Peer& peer, uint32_t flow_hash) {
  const uint32_t flow = mix(uint64_t{flow_hash} << 16 | peer.index);
  for (uint32_t probe = 0; probe < kFlowProbes; ++probe) {
    FlowSlot& slot = flow_slots_[(flow + probe) & (flow_slots_.size() - 1)];
    if (slot.round == round_ && slot.flow == flow) return slot;
    if (slot.round == round_) continue;
    slot = {round_, flow, kNoBatch};
    return slot;
  }
  FlowSlot& slot = flow_slots_[flow & (flow_slots_.size() - 1)];
  seal_flow(slot, nullptr);
  slot = {round_, flow, kNoBatch};
  return slot;
}

void Outbox::seal_flow(const FlowSlot& slot, const Batch* keep) {
  if (slot.batch == kNoBatch) return;
  Batch& batch = batches_[slot.batch];
  if (batch.open && &batch != keep) seal(batch);
}

void Outbox::add(Peer& peer, const Network& network, Frame& frame) {
  counters_.queued.add(1);
  const uint32_t sender = sender_of(peer, frame.packet.flow_hash);
  if (sender == Underlay::kNoSender) return drop(peer, 1, Drop::no_route);

  uint8_t* datagram = frame.packet.data - kVxlanHeaderBytes;
  const uint32_t bytes = frame.packet.length + kVxlanHeaderBytes;
  const uint32_t vni = network.options.vni;
  const uint8_t traffic_class = frame.packet.traffic_class;
  write_vxlan_header(datagram, vni);

  KeySlot& key_slot = key_slots_[key_hash(peer, sender, vni, traffic_class, bytes) & (key_slots_.size() - 1)];
  Batch* batch = nullptr;
  if (key_slot.round == round_) {
    Batch& there = batches_[key_slot.batch];
    if (there.open && there.peer == &peer && there.sender == sender && there.vni == vni &&
        there.traffic_class == traffic_class && there.datagram_bytes == bytes) {
      batch = &there;
    }
  }
  FlowSlot& flow_slot = slot_of(peer, frame.packet.flow_hash);
  seal_flow(flow_slot, batch);
  if (batch == nullptr) {
    batch = &new_batch(peer, sender, vni, traffic_class, bytes);  // may flush, and so begin another round
    key_slot = {round_, static_cast<uint16_t>(batch - batches_.get())};
  }
  flow_slot.round = round_;
  flow_slot.batch = static_cast<uint16_t>(batch - batches_.get());
  batch->iov[batch->pieces++] = {datagram, bytes};
  batch->bytes += bytes;
  if (++batch->datagrams == max_datagrams() || batch->bytes + bytes > kMaxBatchBytes) seal(*batch);
}

void Outbox::add_segments(Peer& peer, const Network& network, const Frame& frame, size_t stride) {
  const SegmentPlan& plan = frame.plan;
  counters_.queued.add(plan.count);
  const uint32_t sender = sender_of(peer, frame.packet.flow_hash);
  if (sender == Underlay::kNoSender) return drop(peer, plan.count, Drop::no_route);

  seal_flow(slot_of(peer, frame.packet.flow_hash), nullptr);
  const uint32_t header_bytes = kVxlanHeaderBytes + plan.header_length;
  const uint32_t datagram_bytes = header_bytes + plan.payload_of(0);
  uint8_t* payload = frame.packet.data + frame.packet.payload_offset;
  Batch* batch = nullptr;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const uint32_t payload_bytes = plan.payload_of(i);
    if (batch != nullptr &&
        (batch->datagrams == max_datagrams() || batch->bytes + header_bytes + payload_bytes > kMaxBatchBytes)) {
      seal(*batch);
      batch = nullptr;
    }
    if (batch == nullptr) {
      batch = &new_batch(peer, sender, network.options.vni, frame.packet.traffic_class, datagram_bytes);
      batch->pieces_per_datagram = 2;
      batch->super_frames = i == 0 && frame.vnet.is_super_frame() ? 1 : 0;
    }
    uint8_t* header = frame.blocks + i * stride;
    write_vxlan_header(header, network.options.vni);
    batch->iov[batch->pieces++] = {header, header_bytes};
    batch->iov[batch->pieces++] = {payload, payload_bytes};
    batch->bytes += header_bytes + payload_bytes;
    ++batch->datagrams;
    payload += payload_bytes;
  }
  seal(*batch);
}

void Outbox::flush(Seconds now) {
  now_ = now;
  if (used_ == 0) return;
  for (uint32_t i = 0; i < used_; ++i) {
    if (batches_[i].open) seal(batches_[i]);
  }
  for (uint32_t sender = 0; sender < underlay_->sender_count(); ++sender) send_all_of(sender);
  used_ = 0;
  sealed_count_ = 0;
  ++round_;
}

void Outbox::describe(Batch& batch, uint32_t first, uint32_t datagrams, mmsghdr& message, uint8_t* control) {
  msghdr& header = message.msg_hdr;
  header = {};
  header.msg_name = batch.peer->options.endpoint.address();
  header.msg_namelen = batch.peer->options.endpoint.length();
  header.msg_iov = batch.iov + size_t{first} * batch.pieces_per_datagram;
  header.msg_iovlen = size_t{datagrams} * batch.pieces_per_datagram;
  header.msg_control = control;
  header.msg_controllen = kControlBytes;
  size_t used = 0;
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  // Some devices refuse UDP_SEGMENT altogether, so a single datagram never carries it.
  if (datagrams > 1) {
    const uint16_t size = static_cast<uint16_t>(batch.datagram_bytes);
    item->cmsg_level = SOL_UDP;
    item->cmsg_type = UDP_SEGMENT;
    item->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(item), &size, sizeof size);
    used += CMSG_SPACE(sizeof size);
    item = reinterpret_cast<cmsghdr*>(control + used);
  }
  if (batch.traffic_class != 0) {
    const int traffic_class = batch.traffic_class;
    const bool ipv6 = batch.peer->options.endpoint.family() == Family::ipv6;
    item->cmsg_level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    item->cmsg_type = ipv6 ? IPV6_TCLASS : IP_TOS;
    item->cmsg_len = CMSG_LEN(sizeof traffic_class);
    memcpy(CMSG_DATA(item), &traffic_class, sizeof traffic_class);
    used += CMSG_SPACE(sizeof traffic_class);
  }
  header.msg_controllen = used;
  if (used == 0) header.msg_control = nullptr;
}

void Outbox::send_all_of(uint32_t sender) {
  mmsghdr messages[kMessages];
  alignas(cmsghdr) uint8_t control[kMessages][kControlBytes];
  Batch* batches[kMessages];
  unsigned count = 0;
  for (uint32_t i = 0; i <= sealed_count_; ++i) {
    Batch* batch = i < sealed_count_ ? &batches_[sealed_[i]] : nullptr;
    if (batch != nullptr && batch->sender != sender) continue;
    const bool plain = batch != nullptr && batch->datagrams > 1 && !segments_for(*batch->peer);
    if (count == kMessages || (count > 0 && (batch == nullptr || plain))) {
      send_messages(sender, messages, batches, count);
      count = 0;
    }
    if (batch == nullptr) break;
    if (plain) {
      send_plain(*batch);
      continue;
    }
    describe(*batch, 0, batch->datagrams, messages[count], control[count]);
    batches[count++] = batch;
  }
}

void Outbox::send_messages(uint32_t sender, mmsghdr* messages, Batch** batches, unsigned count) {
  for (unsigned at = 0; at < count;) {
    const int result = send_some(sender, messages + at, count - at);
    if (result > 0) {
      for (int i = 0; i < result; ++i, ++at) sent(*batches[at], batches[at]->datagrams, batches[at]->bytes);
      continue;
    }
    Batch& batch = *batches[at++];
    const SendRemedy remedy = remedy_for(-result, batch.datagrams > 1);
    if (remedy == SendRemedy::replay_plain) {
      // Only if the datagrams pass one by one was the offload to blame.
      if (send_plain(batch) && blames_offload(-result)) disable_offload(*batch.peer, -result);
    } else {
      failed(*batch.peer, batch.datagrams, remedy);
    }
  }
}

// As VtepSender::send, but what may pass at once is tried again.
int Outbox::send_some(uint32_t sender, mmsghdr* messages, unsigned count) {
  for (unsigned tries = 0;; ++tries) {
    const int result = underlay_->sender(sender).send(messages, count);
    if (result > 0 || tries == kSendRetries || remedy_for(-result, false) != SendRemedy::retry) return result;
  }
}

bool Outbox::send_plain(Batch& batch) {
  mmsghdr messages[kMessages];
  alignas(cmsghdr) uint8_t control[kMessages][kControlBytes];
  bool full_passed = false;
  bool too_big = false;
  for (uint32_t first = 0; first < batch.datagrams;) {
    const unsigned count = std::min<uint32_t>(kMessages, batch.datagrams - first);
    for (unsigned i = 0; i < count; ++i) describe(batch, first + i, 1, messages[i], control[i]);
    for (unsigned at = 0; at < count;) {
      const int result = send_some(batch.sender, messages + at, count - at);
      if (result > 0) {
        for (int i = 0; i < result; ++i, ++at) {
          const uint32_t bytes = message_bytes(messages[at].msg_hdr);
          full_passed |= bytes == batch.datagram_bytes;
          sent(batch, 1, bytes);
        }
        continue;
      }
      const SendRemedy remedy = remedy_for(-result, false);
      too_big |= remedy == SendRemedy::drop_too_big;
      failed(*batch.peer, 1, remedy);
      ++at;
    }
    first += count;
  }
  return full_passed && !too_big;
}

uint32_t Outbox::message_bytes(const msghdr& header) {
  size_t bytes = 0;
  for (size_t i = 0; i < header.msg_iovlen; ++i) bytes += header.msg_iov[i].iov_len;
  return static_cast<uint32_t>(bytes);
}

void Outbox::sent(Batch& batch, uint32_t datagrams, uint32_t bytes) {
  counters_.sent.add(datagrams);
  DestinationCounters& counters = batch.peer->counters;
  counters.tx_frames.add(datagrams);
  counters.tx_bytes.add(bytes - datagrams * kVxlanHeaderBytes);
  if (batch.super_frames != 0) {
    counters.tx_super_frames.add(batch.super_frames);
    batch.super_frames = 0;
  }
}

void Outbox::failed(Peer& peer, uint32_t datagrams, SendRemedy remedy) {
  switch (remedy) {
    case SendRemedy::retry:
    case SendRemedy::drop_full:
      return drop(peer, datagrams, Drop::underlay_full);
    case SendRemedy::drop_no_route:
      return drop(peer, datagrams, Drop::no_route);
    case SendRemedy::drop_too_big:
      drop(peer, datagrams, Drop::too_big);
      if (now_ - peer.state->last_too_big >= kTooBigInterval) {
        peer.state->last_too_big = now_;
        events_.push({.type = EventType::peer_too_big, .where = {DestinationKind::peer, peer.index}, .address = {}});
      }
      return;
    default:
      return drop(peer, datagrams, Drop::underlay_refused);
  }
}

void Outbox::disable_offload(Peer& peer, int error) {
  if (!peer.state->udp_segment.refuse(error, now_)) return;
  events_.push({.type = EventType::peer_offload_disabled,
                .where = {DestinationKind::peer, peer.index},
                .address = {},
                .offload = Offload::udp_segment,
                .off = peer.state->udp_segment.get()});
}

}  // namespace weft

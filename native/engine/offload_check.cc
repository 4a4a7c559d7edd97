#include "engine/offload_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include <algorithm>

#include "io/send_result.h"
#include "wire/vxlan.h"

namespace weft {
namespace {

constexpr unsigned kMessages = 64;

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

void address(msghdr& header, Peer& peer, iovec& piece) {
  header = {};
  header.msg_name = peer.options.endpoint.address();
  header.msg_namelen = peer.options.endpoint.length();
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
}

}  // namespace

OffloadCheck::OffloadCheck(WorkerCounters& counters, EventRing& events)
    : counters_(counters), events_(events), burst_(new uint8_t[kBurstBytes]) {}

bool OffloadCheck::request(const OffloadRequest& request) {
  const uint32_t head = head_.load(std::memory_order_relaxed);
  if (head - tail_.load(std::memory_order_acquire) == kRequests) return false;
  requests_[head % kRequests] = request;
  head_.store(head + 1, std::memory_order_release);
  return true;
}

void OffloadCheck::serve(const Tables& tables) {
  uint32_t tail = tail_.load(std::memory_order_relaxed);
  for (const uint32_t head = head_.load(std::memory_order_acquire); tail != head; ++tail) {
    const OffloadRequest request = requests_[tail % kRequests];
    Peer* peer = request.peer < tables.peers.size() ? tables.peers[request.peer] : nullptr;
    if (peer == nullptr) continue;
    if (request.datagrams != 0) {
      send_burst(*peer, tables, request);
    } else if (peer->state->tally.asked_nonce == request.nonce) {
      ask(*peer, tables);
    }
  }
  tail_.store(tail, std::memory_order_release);
}

uint32_t OffloadCheck::tail_of(uint32_t bytes) { return std::max(kLeastProbeBytes, bytes * 3 / 4); }

uint16_t OffloadCheck::datagrams_of(const OffloadRequest& request, uint32_t max_segments) {
  if (request.bytes <= kLeastProbeBytes || request.bytes > kBurstBytes - kVxlanHeaderBytes) return 0;
  uint32_t datagrams = std::min<uint32_t>(request.datagrams, kMostProbes);
  if (max_segments > 1) datagrams = std::min(datagrams, max_segments);
  return static_cast<uint16_t>(std::min(datagrams, kBurstBytes / (request.bytes + kVxlanHeaderBytes)));
}

VtepSender* OffloadCheck::sender_to(const Peer& peer, const Tables& tables, uint16_t flow) {
  if (tables.underlay == nullptr) return nullptr;
  const Underlay& underlay = *tables.underlay;
  const Family family = peer.options.endpoint.family();
  const uint32_t sender = peer.options.zero_checksum ? underlay.zero_checksum_sender_for(family) : underlay.sender_for(family, flow);
  return sender == Underlay::kNoSender ? nullptr : &underlay.sender(sender);
}

void OffloadCheck::send_burst(Peer& peer, const Tables& tables, const OffloadRequest& request) {
  OffloadTally& tally = peer.state->tally;
  tally.asked_nonce = request.nonce;
  tally.asked_count = 0;
  tally.questions = 0;
  tally.flow = request.flow;
  tally.waiting = false;
  VtepSender* sender = sender_to(peer, tables, request.flow);
  if (sender == nullptr) return report_failure(peer, ENETUNREACH);
  if (request.segmented && tables.underlay->max_segments() == 1) return report_failure(peer, EOPNOTSUPP);
  const uint16_t datagrams = datagrams_of(request, tables.underlay->max_segments());
  if (datagrams < 2) return report_failure(peer, EMSGSIZE);
  tally.asked_count = datagrams;

  const uint32_t step = request.bytes + kVxlanHeaderBytes;
  const uint32_t tail = tail_of(request.bytes) + kVxlanHeaderBytes;
  for (uint16_t i = 0; i < datagrams; ++i) {
    uint8_t* datagram = burst_.get() + size_t{i} * step;
    const uint32_t bytes = i + 1 == datagrams ? tail : step;
    write_vxlan_header(datagram, kControlVni);
    write_control_frame(datagram + kVxlanHeaderBytes, bytes - kVxlanHeaderBytes,
                        {.type = ControlType::probe, .nonce = request.nonce, .index = i, .count = datagrams, .arrived = {}});
  }
  counters_.queued.add(datagrams);
  mmsghdr messages[kMessages];
  iovec pieces[kMessages];
  int error = 0;
  if (request.segmented) {
    alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))] = {};
    pieces[0] = {burst_.get(), size_t{step} * (datagrams - 1u) + tail};
    address(messages[0].msg_hdr, peer, pieces[0]);
    messages[0].msg_hdr.msg_control = control;
    messages[0].msg_hdr.msg_controllen = sizeof control;
    cmsghdr* item = CMSG_FIRSTHDR(&messages[0].msg_hdr);
    const uint16_t size = static_cast<uint16_t>(step);
    item->cmsg_level = SOL_UDP;
    item->cmsg_type = UDP_SEGMENT;
    item->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(item), &size, sizeof size);
    error = send(peer, *sender, messages, 1, datagrams);
  } else {
    for (uint16_t first = 0; first < datagrams;) {
      const unsigned count = std::min<unsigned>(kMessages, datagrams - first);
      for (unsigned i = 0; i < count; ++i) {
        const bool last = first + i + 1 == datagrams;
        pieces[i] = {burst_.get() + size_t{first + i} * step, last ? tail : step};
        address(messages[i].msg_hdr, peer, pieces[i]);
      }
      if (const int failed = send(peer, *sender, messages, count, 1)) error = failed;
      first = static_cast<uint16_t>(first + count);
    }
  }
  if (error != 0) return report_failure(peer, error);
  ask(peer, tables);
}

void OffloadCheck::ask(Peer& peer, const Tables& tables) {
  OffloadTally& tally = peer.state->tally;
  if (tally.asked_count == 0) return;
  const ControlMessage question{.type = ControlType::question,
                                .nonce = tally.asked_nonce,
                                .index = ++tally.questions,
                                .count = tally.asked_count,
                                .arrived = {}};
  if (const int error = send_message(peer, tables, question, tally.flow)) return report_failure(peer, error);
  tally.waiting = true;
}

int OffloadCheck::send_message(Peer& peer, const Tables& tables, const ControlMessage& message, uint16_t flow) {
  uint8_t datagram[kVxlanHeaderBytes + kQuestionBytes];
  write_vxlan_header(datagram, kControlVni);
  write_control_frame(datagram + kVxlanHeaderBytes, kQuestionBytes, message);
  counters_.queued.add(1);
  VtepSender* sender = sender_to(peer, tables, flow);
  if (sender == nullptr) {
    counters_.dropped[static_cast<size_t>(Drop::no_route)].add(1);
    peer.counters.tx_dropped.add(1);
    return ENETUNREACH;
  }
  mmsghdr out;
  iovec piece{datagram, sizeof datagram};
  address(out.msg_hdr, peer, piece);
  return send(peer, *sender, &out, 1, 1);
}

// The last errno, or 0 when all were sent.
int OffloadCheck::send(Peer& peer, VtepSender& sender, mmsghdr* messages, unsigned count, uint32_t datagrams_each) {
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
    counters_.dropped[static_cast<size_t>(reason_for(remedy))].add(datagrams_each);
    peer.counters.tx_dropped.add(datagrams_each);
    error = -result;
    ++at;
  }
  return error;
}

void OffloadCheck::report_failure(Peer& peer, int error) {
  events_.push({.type = EventType::offload_report,
                .where = {DestinationKind::peer, peer.index},
                .error = error,
                .address = {},
                .nonce = peer.state->tally.asked_nonce});
}

bool OffloadCheck::receive(Peer& peer, const Tables& tables, const uint8_t* frame, uint32_t bytes, Seconds now) {
  ControlMessage message;
  const ControlParse parsed = parse_control_frame(frame, bytes, message);
  if (parsed != ControlParse::ok) return parsed == ControlParse::ignored;
  OffloadTally& tally = peer.state->tally;
  switch (message.type) {
    case ControlType::probe:
      if (tally.nonce != message.nonce || tally.count == 0) {
        tally.nonce = message.nonce;
        tally.count = message.count;
        tally.arrived = {};
      }
      if (tally.count == message.count) tally.arrived.add(message.index);
      break;
    case ControlType::question: {
      if (tally.answered != now) {
        tally.answered = now;
        tally.answers = 0;
      }
      if (tally.answers == kAnswersASecond) break;
      ++tally.answers;
      const bool known = tally.nonce == message.nonce && tally.count == message.count;
      message.type = ControlType::answer;
      message.arrived = known ? tally.arrived : ProbeSet{};
      // An answer that cannot be sent is asked for again.
      send_message(peer, tables, message, message.index);
      break;
    }
    case ControlType::answer:
      if (!tally.waiting || message.nonce != tally.asked_nonce || message.count != tally.asked_count) break;
      tally.waiting = false;
      events_.push({.type = EventType::offload_report,
                    .where = {DestinationKind::peer, peer.index},
                    .address = {},
                    .nonce = message.nonce,
                    .probes = message.count,
                    .arrived = message.arrived});
      break;
  }
  return true;
}

}  // namespace weft

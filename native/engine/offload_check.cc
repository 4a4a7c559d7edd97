#include "engine/offload_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include <algorithm>

#include "wire/vxlan.h"

namespace weft {
namespace {

constexpr unsigned kMessages = 64;

}  // namespace

OffloadCheck::OffloadCheck(WorkerCounters& counters, EventRing& events)
    : counters_(counters), events_(events), sender_(counters), burst_(new uint8_t[kBurstBytes]) {}

bool OffloadCheck::request(const OffloadRequest& request) { return requests_.push(request); }

void OffloadCheck::serve(const Tables& tables) {
  requests_.take([&](const OffloadRequest& request) {
    Peer* peer = request.peer < tables.peers.size() ? tables.peers[request.peer] : nullptr;
    if (peer == nullptr) return;
    if (request.datagrams != 0) {
      send_burst(*peer, tables, request);
    } else if (peer->state->tally.asked_nonce == request.nonce) {
      ask(*peer, tables);
    }
  });
}

uint32_t OffloadCheck::tail_of(uint32_t bytes) { return std::max(kLeastProbeBytes, bytes * 3 / 4); }

uint16_t OffloadCheck::datagrams_of(const OffloadRequest& request, uint32_t max_segments) {
  if (request.bytes <= kLeastProbeBytes || request.bytes > kBurstBytes - kVxlanHeaderBytes) return 0;
  uint32_t datagrams = std::min<uint32_t>(request.datagrams, kMostProbes);
  if (max_segments > 1) datagrams = std::min(datagrams, max_segments);
  return static_cast<uint16_t>(std::min(datagrams, kBurstBytes / (request.bytes + kVxlanHeaderBytes)));
}

void OffloadCheck::send_burst(Peer& peer, const Tables& tables, const OffloadRequest& request) {
  OffloadTally& tally = peer.state->tally;
  tally.asked_nonce = request.nonce;
  tally.asked_count = 0;
  tally.questions = 0;
  tally.flow = request.flow;
  tally.waiting = false;
  VtepSender* sender = ControlSender::sender_to(peer, tables, request.flow);
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
    ControlSender::address(messages[0].msg_hdr, peer, pieces[0]);
    messages[0].msg_hdr.msg_control = control;
    messages[0].msg_hdr.msg_controllen = sizeof control;
    cmsghdr* item = CMSG_FIRSTHDR(&messages[0].msg_hdr);
    const uint16_t size = static_cast<uint16_t>(step);
    item->cmsg_level = SOL_UDP;
    item->cmsg_type = UDP_SEGMENT;
    item->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(item), &size, sizeof size);
    error = sender_.send(peer, *sender, messages, 1, datagrams);
  } else {
    for (uint16_t first = 0; first < datagrams;) {
      const unsigned count = std::min<unsigned>(kMessages, datagrams - first);
      for (unsigned i = 0; i < count; ++i) {
        const bool last = first + i + 1 == datagrams;
        pieces[i] = {burst_.get() + size_t{first + i} * step, last ? tail : step};
        ControlSender::address(messages[i].msg_hdr, peer, pieces[i]);
      }
      if (const int failed = sender_.send(peer, *sender, messages, count, 1)) error = failed;
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
  if (const int error = sender_.send(peer, tables, question, tally.flow, kQuestionBytes)) return report_failure(peer, error);
  tally.waiting = true;
}

void OffloadCheck::report_failure(Peer& peer, int error) {
  events_.push({.type = EventType::offload_report,
                .where = {DestinationKind::peer, peer.index},
                .error = error,
                .address = {},
                .nonce = peer.state->tally.asked_nonce});
}

void OffloadCheck::receive(Peer& peer, const Tables& tables, const ControlMessage& message, Seconds now) {
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
      if (!peer.state->answers.take(now)) break;
      const bool known = tally.nonce == message.nonce && tally.count == message.count;
      ControlMessage answer = message;
      answer.type = ControlType::answer;
      answer.arrived = known ? tally.arrived : ProbeSet{};
      // An answer that cannot be sent is asked for again.
      sender_.send(peer, tables, answer, message.index, kQuestionBytes);
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
    default:
      break;
  }
}

}  // namespace weft

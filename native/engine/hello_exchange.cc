#include "engine/hello_exchange.h"

#include <time.h>

#include <algorithm>

#include "wire/bytes.h"

namespace weft {
namespace {

// Chooses the source port: another one each time, because the underlay may have several paths.
uint16_t flow_of(uint64_t nonce) { return static_cast<uint16_t>(nonce); }

uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::array<uint8_t, 16> as_ipv6(const Endpoint& address) {
  std::array<uint8_t, 16> bytes{};
  if (address.family() == Family::ipv6) {
    std::copy_n(address.bytes(), 16, bytes.begin());
  } else {
    std::copy(kMapped.begin(), kMapped.end(), bytes.begin());
    std::copy_n(address.bytes(), 4, bytes.begin() + kMapped.size());
  }
  return bytes;
}

Endpoint endpoint_of(const std::array<uint8_t, 16>& bytes) {
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return Endpoint::of(Family::ipv4, bytes.data() + kMapped.size());
  return Endpoint::of(Family::ipv6, bytes.data());
}

// The question that features answer; null when there is none that waits for an answer.
HelloQuestion* question_of(PeerState& state, uint64_t nonce) {
  for (HelloQuestion& question : state.hellos.questions) {
    if (question.waiting && question.nonce == nonce) return &question;
  }
  return nullptr;
}

}  // namespace

HelloExchange::HelloExchange(WorkerCounters& counters, EventRing& events) : events_(events), sender_(counters) {}

void HelloExchange::serve(const Tables& tables) {
  requests_.take([&](const HelloRequest& request) {
    Peer* peer = request.peer < tables.peers.size() ? tables.peers[request.peer] : nullptr;
    if (peer == nullptr) return;
    Hellos& hellos = peer->state->hellos;
    HelloQuestion& question = hellos.questions[hellos.next++ % hellos.questions.size()];
    const uint32_t bytes = std::clamp(request.bytes, kFullHelloBytes, kMostHelloBytes);
    question = {.nonce = request.nonce, .sent_at = nanoseconds(), .bytes = bytes, .waiting = true};
    const ControlMessage hello{.type = ControlType::hello, .nonce = request.nonce, .arrived = {}, .self = tables.self.value_or(HostSelf{})};
    const int error = sender_.send(*peer, tables, hello, flow_of(request.nonce), bytes);
    if (error == 0) return;
    question.waiting = false;
    events_.push({.type = EventType::hello_failed,
                  .where = {DestinationKind::peer, peer->index},
                  .error = error,
                  .address = {},
                  .nonce = request.nonce});
  });
}

void HelloExchange::receive(Peer& peer, const Endpoint& source, const Tables& tables, const ControlMessage& message, Seconds now) {
  if (message.type == ControlType::hello) return answer(peer, source, tables, message, now);
  if (message.type != ControlType::features) return;
  HelloQuestion* question = question_of(*peer.state, message.nonce);
  if (question == nullptr) return receive_misplaced(source, tables, message, now);
  question->waiting = false;
  const uint64_t took = (nanoseconds() - question->sent_at) / 1000;
  events_.push({.type = EventType::hello_answer,
                .where = {DestinationKind::peer, peer.index},
                .address = message.full ? endpoint_of(message.seen) : Endpoint{},
                .nonce = message.nonce,
                .features = message.features,
                .microseconds = static_cast<uint32_t>(std::min<uint64_t>(took, UINT32_MAX)),
                .bytes = question->bytes,
                .full = message.full,
                .self = message.self});
}

void HelloExchange::receive_misplaced(const Endpoint& source, const Tables& tables, const ControlMessage& message, Seconds now) {
  if (message.type != ControlType::features || last_misplaced_ == now) return;
  last_misplaced_ = now;
  for (Peer* peer : tables.flood_peers) {
    HelloQuestion* question = question_of(*peer->state, message.nonce);
    if (question == nullptr) continue;
    question->waiting = false;
    events_.push({.type = EventType::hello_misplaced,
                  .where = {DestinationKind::peer, peer->index},
                  .address = source,
                  .nonce = message.nonce});
    return;
  }
}

void HelloExchange::answer(Peer& peer, const Endpoint& source, const Tables& tables, const ControlMessage& question, Seconds now) {
  peer.state->last_hello.store(now, std::memory_order_relaxed);
  if (question.full && !tables.self) return;
  if (!peer.state->answers.take(now)) return;
  const ControlMessage features{.type = ControlType::features,
                                .nonce = question.nonce,
                                .arrived = {},
                                .features = own_.load(std::memory_order_relaxed),
                                .self = tables.self.value_or(HostSelf{}),
                                .seen = as_ipv6(source),
                                .seen_port = source.port()};
  sender_.send(peer, tables, features, flow_of(question.nonce), question.full ? kFullHelloBytes : kHelloBytes);
}

}  // namespace weft

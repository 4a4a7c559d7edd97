#include "engine/feature_exchange.h"

namespace weft {
namespace {

// Chooses the source port: another one each time, because the underlay may have several paths.
uint16_t flow_of(uint64_t nonce) { return static_cast<uint16_t>(nonce); }

}  // namespace

FeatureExchange::FeatureExchange(WorkerCounters& counters, EventRing& events) : events_(events), sender_(counters) {}

void FeatureExchange::serve(const Tables& tables) {
  requests_.take([&](const Request& request) {
    Peer* peer = request.peer < tables.peers.size() ? tables.peers[request.peer] : nullptr;
    if (peer == nullptr) return;
    peer->state->hello = {.nonce = request.nonce, .waiting = true};
    sender_.send(*peer, tables, {.type = ControlType::hello, .nonce = request.nonce, .arrived = {}}, flow_of(request.nonce));
  });
}

void FeatureExchange::receive(Peer& peer, const Tables& tables, const ControlMessage& message, Seconds now) {
  if (message.type == ControlType::hello) {
    if (!peer.state->answers.take(now)) return;
    sender_.send(peer, tables,
                 {.type = ControlType::features,
                  .nonce = message.nonce,
                  .arrived = {},
                  .features = own_.load(std::memory_order_relaxed)},
                 flow_of(message.nonce));
    return;
  }
  Hello& hello = peer.state->hello;
  if (message.type != ControlType::features || !hello.waiting || message.nonce != hello.nonce) return;
  hello.waiting = false;
  events_.push({.type = EventType::peer_features,
                .where = {DestinationKind::peer, peer.index},
                .address = {},
                .nonce = message.nonce,
                .features = message.features});
}

}  // namespace weft

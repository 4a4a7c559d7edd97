#include "engine/query_exchange.h"

#include <algorithm>

namespace weft {

QueryExchange::QueryExchange(WorkerCounters& counters, EventRing& events) : events_(events), sender_(counters) {}

std::vector<QueryMail> QueryExchange::take() {
  std::vector<QueryMail> mail;
  arrived_.take([&](const QueryMail& one) { mail.push_back(one); });
  return mail;
}

void QueryExchange::serve(const Tables& tables) {
  requests_.take([&](const QueryMail& mail) {
    Peer* peer = mail.peer < tables.peers.size() ? tables.peers[mail.peer] : nullptr;
    if (peer == nullptr) return;
    if (!mail.reply) peer->state->query = {.nonce = mail.nonce, .waiting = true};
    const ControlMessage message{.type = mail.reply ? ControlType::reply : ControlType::query,
                                 .nonce = mail.nonce,
                                 .arrived = {},
                                 .topic = mail.topic,
                                 .text_bytes = mail.text_bytes,
                                 .text = mail.text.data()};
    const uint32_t text = mail.reply ? mail.text_bytes : std::max(mail.text_bytes, mail.room);
    sender_.send(*peer, tables, message, static_cast<uint16_t>(mail.nonce), kLeastQueryBytes + text);
  });
}

void QueryExchange::receive(Peer& peer, const ControlMessage& message, Seconds now) {
  if (message.type == ControlType::query) {
    // A peer that is over its own allowance takes nothing of that of all.
    if (peer.state->answers.take(now) && answers_.take(now)) hand_over(peer, message);
  } else if (message.type == ControlType::reply) {
    Query& query = peer.state->query;
    if (!query.waiting || query.nonce != message.nonce) return;
    query.waiting = false;
    hand_over(peer, message);
  }
}

void QueryExchange::hand_over(Peer& peer, const ControlMessage& message) {
  QueryMail mail;
  mail.reply = message.type == ControlType::reply;
  mail.peer = peer.index;
  mail.nonce = message.nonce;
  mail.topic = message.topic;
  mail.text_bytes = message.text_bytes;
  mail.room = static_cast<uint16_t>(std::min(message.bytes - kLeastQueryBytes, kMostQueryText));
  std::copy_n(message.text, message.text_bytes, mail.text.begin());
  if (arrived_.push(mail)) events_.announce();
}

}  // namespace weft

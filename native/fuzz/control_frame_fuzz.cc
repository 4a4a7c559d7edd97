// Control frames from a peer: arbitrary bytes, and messages that are well formed but for what the input changes in them, between
// bursts, questions, hellos and queries of our own. Whatever comes: nothing is read beyond a frame, every frame gets a verdict, the
// counters balance, an answer is sent to a question or a hello only, no larger than it, to the peer that asked, a report tells of
// our last burst only, features are those that answer one of our hellos, once, a reply is to our last query, once, and a query has
// the room that its frame has.
//
// Input: records of {kind u8, length u8, bytes}. kind 0: a frame. 1: a message of {type, nonce, index, count, size u8 each},
// whose other bytes are pairs {place, bit mask} of changes; bit 7 of the type has the hash made anew behind them. 2: a burst of
// {nonce, datagrams, bytes / 8, segmented}. 3: a question about a nonce. 4: a hello of {nonce}. 5: a query of {nonce}.
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "test/rig.h"
#include "wire/control_frame.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr const char* kPeer = "10.0.0.2";

void require(bool holds) {
  if (!holds) abort();
}

Bytes built(const Bytes& in) {
  ControlMessage message{
      .type = static_cast<ControlType>(in[0] & 0x7f), .nonce = in[1], .index = in[2], .count = in[3], .arrived = {}};
  for (uint16_t i = 0; i < in[4] % 128; ++i) message.arrived.add(i);
  const bool probe = message.type == ControlType::probe;
  message.features = in[2];
  message.self.incarnation = in[3];
  static const uint8_t kText[256] = {'w', 'h', 'y'};
  message.text = kText;
  message.text_bytes = in[4];
  message.topic = in[2];
  const bool hello = message.type == ControlType::hello || message.type == ControlType::features;
  const bool query = message.type == ControlType::query || message.type == ControlType::reply;
  const uint32_t least = probe ? kLeastProbeBytes : hello ? (in[3] % 2 == 0 ? kHelloBytes : kFullHelloBytes)
                                                          : query ? kLeastQueryBytes : kQuestionBytes;
  Bytes frame(least + (probe || query ? in[4] : in[4] % 16));
  write_control_frame(frame.data(), static_cast<uint32_t>(frame.size()), message);
  for (size_t at = 5; at + 1 < in.size(); at += 2) frame[in[at] % frame.size()] ^= in[at + 1];
  if ((in[0] & 0x80) != 0) seal_control_frame(frame.data(), static_cast<uint32_t>(frame.size()));
  return frame;
}

// `copy` is of exactly the size of the frame, so that AddressSanitizer sees a read beyond it.
ControlParse parsed(const Bytes& frame, std::unique_ptr<uint8_t[]>& copy, ControlMessage& message) {
  copy = std::make_unique<uint8_t[]>(frame.size());
  std::copy(frame.begin(), frame.end(), copy.get());
  return parse_control_frame(copy.get(), static_cast<uint32_t>(frame.size()), message);
}

// Building a worker takes longer than a run, so one serves them all.
struct World : Rig {
  Peer* peer = add_peer(kPeer);
  Peer* other = add_peer("10.0.0.3");
  Seconds now = 1;

  std::multiset<uint64_t> greeted;   // the nonces of hellos without an answer
  std::optional<uint64_t> queried;  // that of a query without a reply

  World() {
    tables.self = HostSelf{};
    publish();
  }

  void receive(const Bytes& frame, uint64_t asked) {
    ControlMessage message;
    std::unique_ptr<uint8_t[]> copy;
    const ControlParse result = parsed(frame, copy, message);
    const uint64_t consumed = worker.counters().consumed.get();
    sender->sent.clear();
    take_events();
    from_underlay(kPeer, vxlan(kControlVni, frame));
    require(worker.counters().consumed.get() == consumed + (result == ControlParse::foreign ? 0 : 1));
    const bool question =
        result == ControlParse::ok && (message.type == ControlType::question || message.type == ControlType::hello);
    require(sender->sent.size() <= (question ? 1 : 0));
    for (const Sent& sent : sender->sent) {
      require(sent.to == kPeer && sent.bytes.size() <= frame.size() + kVxlanHeaderBytes);
    }
    for (const Event& event : take_events()) {
      if (event.type == EventType::hello_answer) {
        require(message.type == ControlType::features && event.nonce == message.nonce && event.features == message.features);
        require(event.full == message.full && (!event.full || event.self == message.self));
        const auto at = greeted.find(event.nonce);
        require(at != greeted.end());
        greeted.erase(at);
      }
      require(event.type != EventType::hello_misplaced);
      if (event.type != EventType::offload_report) continue;
      require(event.nonce == asked && event.nonce == message.nonce && event.probes == message.count);
    }
    for (const QueryMail& mail : worker.take_queries()) {
      require(result == ControlParse::ok && mail.peer == 0 && mail.nonce == message.nonce && mail.topic == message.topic);
      require(mail.text_bytes == message.text_bytes && std::equal(message.text, message.text + mail.text_bytes, mail.text.begin()));
      require(mail.reply ? message.type == ControlType::reply : message.type == ControlType::query);
      if (mail.reply) require(std::exchange(queried, std::nullopt) == mail.nonce);
      else require(kLeastQueryBytes + mail.room <= frame.size());
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World rig;
  rig.worker.set_time(++rig.now);
  rig.peer->state->tally = {};
  rig.peer->state->hellos = {};
  rig.peer->state->query = {};
  rig.greeted.clear();
  rig.queried.reset();
  uint64_t asked = 0;
  for (size_t at = 0; at + 2 <= size;) {
    const uint8_t kind = data[at] % 6;
    const size_t length = std::min<size_t>(data[at + 1], size - at - 2);
    const Bytes bytes(data + at + 2, data + at + 2 + length);
    at += 2 + length;
    if (kind == 0) {
      rig.receive(bytes, asked);
    } else if (kind == 1 && length >= 5) {
      rig.receive(built(bytes), asked);
    } else if (kind == 2 && length >= 4) {
      if (bytes[1] != 0) asked = bytes[0];  // a burst of none is a question only
      require(rig.worker.request_offload_check({.peer = 0,
                                                .nonce = asked,
                                                .datagrams = bytes[1],
                                                .bytes = bytes[2] * 8u,
                                                .segmented = (bytes[3] & 1) != 0}));
      rig.worker.round(0);
    } else if (kind == 3 && length >= 1) {
      require(rig.worker.request_offload_check({.peer = 0, .nonce = bytes[0]}));
      rig.worker.round(0);
    } else if (kind == 4 && length >= 1) {
      require(rig.worker.request_hello({.peer = 0, .nonce = bytes[0], .bytes = kFullHelloBytes}));
      rig.worker.round(0);
      rig.greeted.insert(bytes[0]);
    } else if (kind == 5 && length >= 1) {
      QueryMail mail;
      mail.nonce = bytes[0];
      require(rig.worker.request_query(mail));
      rig.worker.round(0);
      rig.queried = bytes[0];
    }
  }
  require(rig.balanced());
  return 0;
}

// Control frames from a peer: arbitrary bytes, and messages that are well formed but for what the input changes in them, between
// bursts, questions and hellos of our own. Whatever comes: nothing is read beyond a frame, every frame gets a verdict, the
// counters balance, an answer is sent to a question or a hello only, as large as it, to the peer that asked, a report tells of
// our last burst only, and features are those that answer our last hello, once.
//
// Input: records of {kind u8, length u8, bytes}. kind 0: a frame. 1: a message of {type, nonce, index, count, size u8 each},
// whose other
// bytes are pairs {place, bit mask} of changes. 2: a burst of {nonce, datagrams, bytes / 8, segmented}. 3: a question about a
// nonce. 4: a hello of {nonce}.
#include <cstdlib>
#include <memory>
#include <optional>
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
  ControlMessage message{.type = static_cast<ControlType>(in[0]), .nonce = in[1], .index = in[2], .count = in[3], .arrived = {}};
  for (uint16_t i = 0; i < in[4] % 128; ++i) message.arrived.add(i);
  const bool probe = message.type == ControlType::probe;
  message.features = in[2];
  const bool feature = message.type == ControlType::hello || message.type == ControlType::features;
  Bytes frame(probe ? kLeastProbeBytes + in[4] : (feature ? kHelloBytes : kQuestionBytes) + in[4] % 16);
  write_control_frame(frame.data(), static_cast<uint32_t>(frame.size()), message);
  for (size_t at = 5; at + 1 < in.size(); at += 2) frame[in[at] % frame.size()] ^= in[at + 1];
  return frame;
}

ControlParse parsed(const Bytes& frame, ControlMessage& message) {
  // An allocation of exactly this size lets AddressSanitizer see a read beyond the frame.
  auto copy = std::make_unique<uint8_t[]>(frame.size());
  std::copy(frame.begin(), frame.end(), copy.get());
  return parse_control_frame(copy.get(), static_cast<uint32_t>(frame.size()), message);
}

// Building a worker takes longer than a run, so one serves them all.
struct World : Rig {
  Peer* peer = add_peer(kPeer);
  Peer* other = add_peer("10.0.0.3");
  Seconds now = 1;

  std::optional<uint64_t> greeted;  // the nonce of a hello without an answer

  void receive(const Bytes& frame, uint64_t asked) {
    ControlMessage message;
    const ControlParse result = parsed(frame, message);
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
      if (event.type == EventType::peer_features) {
        require(message.type == ControlType::features && event.nonce == message.nonce && event.features == message.features);
        require(std::exchange(greeted, std::nullopt) == event.nonce);
      }
      if (event.type != EventType::offload_report) continue;
      require(event.nonce == asked && event.nonce == message.nonce && event.probes == message.count);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World rig;
  rig.worker.set_time(++rig.now);
  rig.peer->state->tally = {};
  rig.peer->state->hello = {};
  rig.greeted.reset();
  uint64_t asked = 0;
  for (size_t at = 0; at + 2 <= size;) {
    const uint8_t kind = data[at] % 5;
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
      require(rig.worker.request_hello(0, bytes[0]));
      rig.worker.round(0);
      rig.greeted = bytes[0];
    }
  }
  require(rig.balanced());
  return 0;
}

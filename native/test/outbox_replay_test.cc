// Sends that fail, in every way that the socket knows: whatever happens, a datagram is sent once or counted as dropped once, and
// those of a flow stay in order.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

// A UDP frame whose flow is its source port and whose payload begins with its number.
Bytes numbered(uint16_t flow, uint32_t number, size_t size) {
  Spec spec;
  spec.udp = true;
  spec.source_port = flow;
  put32(spec.payload, number);
  spec.payload.resize(size, 0);
  return with_macs(build(spec), kMacB, kMacA);
}

constexpr size_t kHeaders = kVxlanHeaderBytes + 14 + 28;  // before the payload

// (flow, number) of a datagram made by numbered().
std::pair<uint32_t, uint32_t> identity(const Bytes& datagram) {
  return {get16(datagram, kHeaders - 8), get32(datagram, kHeaders)};
}

// Answers sendmmsg by a script: refusals by message, partial counts, and a kernel that cannot do some things at all.
class ScriptedSender final : public VtepSender {
 public:
  explicit ScriptedSender(std::function<int(const Sent&)> refuse_message) : refuse(std::move(refuse_message)) {}

  FakeSender passed;
  std::function<int(const Sent&)> refuse;                           // an errno, or 0
  std::function<unsigned(unsigned)> take = [](unsigned n) { return n; };  // of so many messages; at least 1
  unsigned calls = 0;

  int send(mmsghdr* messages, unsigned count) override {
    ++calls;
    passed.refuse = refuse;
    return passed.send(messages, take(count));
  }
};

struct ReplayRig : Rig {
  NetworkIndex network = add_network(42);
  PortHandle guest = add_port(network);
  std::shared_ptr<ScriptedSender> scripted;

  explicit ReplayRig(std::function<int(const Sent&)> refuse = [](const Sent&) { return 0; })
      : scripted(std::make_shared<ScriptedSender>(std::move(refuse))) {
    tables.underlay = Underlay::of({receiver}, {scripted, zero_sender}, options);
    publish();
  }

  void queue(uint16_t flow, uint32_t first, uint32_t count, size_t size) {
    for (uint32_t i = 0; i < count; ++i) guest.tap->to_read.push_back({{}, numbered(flow, first + i, size)});
  }
  std::vector<Bytes> datagrams() const {
    std::vector<Bytes> out;
    for (const Sent& sent : scripted->passed.sent) {
      for (Bytes& datagram : sent.datagrams()) out.push_back(std::move(datagram));
    }
    return out;
  }
  uint64_t all_dropped() const {
    uint64_t count = 0;
    for (size_t i = 0; i < kDropCount; ++i) count += is_egress(static_cast<Drop>(i)) ? dropped(static_cast<Drop>(i)) : 0;
    return count;
  }
};

}  // namespace

TEST_CASE("EMSGSIZE of a burst: what fits passes, the rest is too_big, and the offload stays") {
  // A path of 1,000 bytes; a burst is refused as one whose segments do not fit.
  ReplayRig rig([](const Sent& sent) { return (sent.segment_size != 0 ? sent.segment_size : sent.bytes.size()) > 1000 ? EMSGSIZE : 0; });
  Peer* peer = rig.add_peer("10.0.0.2");
  // A super-frame of ten segments that do not fit and one that does.
  Spec spec;
  spec.unfinished = true;
  spec.payload.resize(14'100);
  rig.from_guest(rig.guest, with_macs(build(spec), kMacB, kMacA),
                 {.flags = kVnetNeedsChecksum, .gso_type = kGsoTcp4, .gso_size = 1400, .checksum_start = 34, .checksum_offset = 16});
  CHECK(rig.dropped(Drop::too_big) == 10);
  CHECK(rig.datagrams().size() == 1);
  CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
  const auto events = rig.take_events();
  CHECK(std::count_if(events.begin(), events.end(), [](const Event& e) { return e.type == EventType::peer_too_big; }) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("EMSGSIZE of a burst whose datagrams all fit: nothing is lost, and the offload is not blamed") {
  ReplayRig rig([](const Sent& sent) { return sent.segment_size != 0 ? EMSGSIZE : 0; });
  Peer* peer = rig.add_peer("10.0.0.2");
  rig.queue(1, 0, 20, 100);
  rig.run(rig.guest);
  CHECK(rig.datagrams().size() == 20);
  CHECK(rig.all_dropped() == 0);
  CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
  CHECK(rig.balanced());
}

TEST_CASE("no memory: three more tries at once, then dropped as underlay_full; a full socket is not tried again") {
  for (const int error : {ENOBUFS, ENOMEM, EAGAIN}) {
    CAPTURE(error);
    ReplayRig rig([error](const Sent&) { return error; });
    Peer* peer = rig.add_peer("10.0.0.2");
    rig.queue(1, 0, 5, 100);
    rig.run(rig.guest);
    CHECK(rig.scripted->calls == (error == EAGAIN ? 1 : 4));
    CHECK(rig.dropped(Drop::underlay_full) == 5);
    CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
    CHECK(rig.balanced());
  }
  for (const unsigned failures : {1u, 3u, 4u}) {
    CAPTURE(failures);
    unsigned left = failures;
    ReplayRig rig([&left](const Sent&) { return left > 0 ? --left, ENOBUFS : 0; });
    rig.add_peer("10.0.0.2");
    rig.queue(1, 0, 5, 100);
    rig.run(rig.guest);
    CHECK(rig.datagrams().size() == (failures > 3 ? 0 : 5));
    CHECK(rig.balanced());
  }
}

TEST_CASE("sendmmsg takes one message at a time: all leave, once, in order") {
  ReplayRig rig;
  rig.scripted->take = [](unsigned) { return 1; };
  rig.add_peer("10.0.0.2");
  for (uint16_t flow = 1; flow <= 5; ++flow) rig.queue(flow, 0, 10, 20u + flow);
  rig.run(rig.guest);
  std::map<uint32_t, uint32_t> next;
  for (const Bytes& datagram : rig.datagrams()) {
    const auto [flow, number] = identity(datagram);
    CHECK(number == next[flow]++);
  }
  CHECK(rig.datagrams().size() == 50);
  CHECK(rig.balanced());
}

TEST_CASE("random traffic and random answers: each datagram is sent once or dropped once, flows stay in order") {
  for (uint32_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<int> errors = {EIO,     EINVAL,      EMSGSIZE,     ENOBUFS, ENOMEM, EAGAIN, EINTR,
                                     EPERM,   ENETUNREACH, EADDRNOTAVAIL, ECONNREFUSED};
    const unsigned refused_of_16 = random() % 12;
    const bool no_bursts = random() % 4 == 0;
    const size_t path = random() % 3 == 0 ? 600 : 9000;
    ReplayRig rig([&](const Sent& sent) {
      if (no_bursts && sent.segment_size != 0) return EIO;
      if ((sent.segment_size != 0 ? sent.segment_size : sent.bytes.size()) > path) return EMSGSIZE;
      return random() % 16 < refused_of_16 ? errors[random() % errors.size()] : 0;
    });
    rig.scripted->take = [&](unsigned count) { return random() % 2 == 0 ? count : 1 + random() % count; };
    const unsigned peers = 1 + random() % 3;
    for (unsigned i = 0; i < peers; ++i) rig.add_peer("10.0.0." + std::to_string(2 + i), random() % 4 != 0);

    std::map<uint32_t, uint32_t> next;
    std::map<std::pair<std::string, uint32_t>, uint32_t> seen;  // the next number that may come, by peer and flow
    const unsigned flows = 1 + random() % 20;
    uint64_t queued = 0, sent = 0;
    for (unsigned round = 0; round < 5; ++round) {
      rig.worker.set_time(100 + round * (random() % 100));
      for (unsigned i = random() % 200; i > 0; --i) {
        const uint16_t flow = static_cast<uint16_t>(1 + random() % flows);
        const size_t size = std::vector<size_t>{22, 60, 61, 512, 1400}[random() % 5];
        rig.guest.tap->to_read.push_back({{}, numbered(flow, next[flow]++, size)});
        queued += peers;  // an unknown destination goes to every peer
      }
      rig.run(rig.guest);
      for (const Sent& message : rig.scripted->passed.sent) {
        for (const Bytes& datagram : message.datagrams()) {
          const auto [flow, number] = identity(datagram);
          uint32_t& expected = seen[{message.to, flow}];
          REQUIRE(number >= expected);
          expected = number + 1;
          ++sent;
        }
      }
      rig.scripted->passed.sent.clear();
      REQUIRE(rig.balanced());
    }
    CHECK(rig.worker.counters().queued.get() == queued);
    CHECK(rig.worker.counters().sent.get() == sent);
    CHECK(sent + rig.all_dropped() == queued);
    uint64_t of_peers = 0;
    for (const auto& peer : rig.peers) of_peers += peer->counters.tx_frames.get() + peer->counters.tx_dropped.get();
    CHECK(of_peers == queued);
  }
}

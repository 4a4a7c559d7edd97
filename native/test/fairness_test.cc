// Back-pressure and fairness: what is full drops there and stalls nobody else, and nobody waits for long behind super-frames.
#include <doctest/doctest.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;
using PortHandle = Rig::PortHandle;

constexpr size_t kSuperPayload = 60000;
constexpr uint16_t kSegment = 1400;
constexpr uint32_t kSegments = (kSuperPayload + kSegment - 1) / kSegment;
// A visit to a port ends with the super-frame that passes 256 KiB.
constexpr uint32_t kVisitSegments = (256 * 1024 / kSuperPayload + 1) * kSegments;

Bytes small(Mac to, Mac from, uint16_t flow, uint32_t number) {
  Spec spec{.udp = true, .source_port = flow};
  put32(spec.payload, number);
  return with_macs(build(spec), to, from);
}

TapFrame super_frame(Mac to, Mac from) {
  static const Bytes built = build(Spec{.payload = Bytes(kSuperPayload, 3), .unfinished = true});
  return {{.flags = kVnetNeedsChecksum,
           .gso_type = kGsoTcp4,
           .header_length = 0,
           .gso_size = kSegment,
           .checksum_start = 34,
           .checksum_offset = 16},
          with_macs(built, to, from)};
}

// Always readable, as a queue that is never empty is.
class Ready {
 public:
  Ready() : fd_(eventfd(1, EFD_NONBLOCK)) {}
  ~Ready() { ::close(fd_); }
  Ready(const Ready&) = delete;
  Ready& operator=(const Ready&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct FairRig : Rig {
  NetworkIndex blue = add_network(42);
  Peer* peer = add_peer("10.0.0.2");
  std::vector<std::unique_ptr<Ready>> ready;

  // From now on the port has frames in every round, and rounds see it.
  void keep_full(const PortHandle& port, const std::function<TapFrame()>& next) {
    ready.push_back(std::make_unique<Ready>());
    port.tap->descriptor = ready.back()->fd();
    FakeTap* tap = port.tap;
    tap->asked = [tap, next] {
      if (tap->to_read.empty()) tap->to_read.push_back(next());
    };
    worker.watch_port(*port.port);
  }

  // The number of datagrams that left before, and of those of a flow.
  struct Place {
    uint32_t before = 0, count = 0;
  };
  Place place_of(uint16_t flow) const {
    Place out;
    uint32_t at = 0;
    for (const Sent& sent : sender->sent) {
      for (const Bytes& datagram : sent.datagrams()) {
        if (datagram.size() == kVxlanHeaderBytes + 46 && get16(datagram, kVxlanHeaderBytes + 34) == flow) {
          if (out.count++ == 0) out.before = at;
        }
        ++at;
      }
    }
    return out;
  }
};

}  // namespace

TEST_CASE("small frames leave in the round they came in, behind one visit to a port that never runs out of super-frames") {
  FairRig rig;
  const PortHandle bulk = rig.add_port(rig.blue), quiet = rig.add_port(rig.blue);
  rig.fdb.declare(rig.blue, kMacC, {DestinationKind::peer, rig.peer->index});
  rig.keep_full(bulk, [] { return super_frame(kMacC, kMacA); });
  Ready readable;
  quiet.tap->descriptor = readable.fd();
  rig.worker.watch_port(*quiet.port);
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    rig.sender->sent.clear();
    for (uint32_t i = 0; i < 10; ++i) quiet.tap->to_read.push_back({{}, small(kMacC, kMacB, 77, i)});
    rig.worker.round(0);
    const auto place = rig.place_of(77);
    REQUIRE(place.count == 10);
    REQUIRE(place.before <= kVisitSegments);
    REQUIRE(rig.worker.counters().sent.get() > uint64_t(round) * (kVisitSegments - kSegments));  // the bulk flows, too
  }
  CHECK(rig.balanced());
}

TEST_CASE("small frames of a port are not overtaken by more than what its queue held before them") {
  FairRig rig;
  const PortHandle port = rig.add_port(rig.blue);
  rig.fdb.declare(rig.blue, kMacC, {DestinationKind::peer, rig.peer->index});
  for (int i = 0; i < 40; ++i) {
    port.tap->to_read.push_back(super_frame(kMacC, kMacA));
    port.tap->to_read.push_back({{}, small(kMacC, kMacA, static_cast<uint16_t>(100 + i), 0)});
  }
  while (!port.tap->to_read.empty()) rig.run(port);
  for (uint32_t i = 0; i < 40; ++i) {
    const auto place = rig.place_of(static_cast<uint16_t>(100 + i));
    CAPTURE(i);
    REQUIRE(place.count == 1);
    REQUIRE(place.before <= (i + 1) * (kSegments + 1) + kVisitSegments);
  }
  CHECK(rig.balanced());
}

TEST_CASE("of many ports that are always ready each has its turn, and so has the underlay") {
  FairRig rig;
  constexpr uint32_t kPorts = 200, kEventsARound = 64;
  const PortHandle sink = rig.add_port(rig.blue);
  rig.fdb.declare(rig.blue, kMacC, {DestinationKind::port, sink.port->index});
  Ready arriving;
  rig.receiver->descriptor = arriving.fd();
  rig.receiver->asked = [&] { rig.receiver->arrivals.push_back({"10.0.0.2", vxlan(42, ethernet(kMacC, kMacB)), 0, 0}); };
  rig.worker.watch_receiver(arriving.fd());
  std::vector<PortHandle> ports;
  for (uint32_t i = 0; i < kPorts; ++i) {
    ports.push_back(rig.add_port(rig.blue));
    rig.keep_full(ports.back(), [i] { return TapFrame{{}, ethernet(kMacC, 0x020000001000 + i)}; });
  }
  constexpr uint32_t kTurn = (kPorts + 1 + kEventsARound - 1) / kEventsARound;  // rounds until all had their turn
  for (uint32_t round = 0; round < 3 * kTurn; ++round) rig.worker.round(0);
  uint64_t least = UINT64_MAX, most = 0;
  for (const PortHandle& port : ports) {
    least = std::min(least, port.port->counters.rx_frames.get());
    most = std::max(most, port.port->counters.rx_frames.get());
  }
  CHECK(least >= 3 * 256);  // frames a visit
  CHECK(most - least <= 256);
  CHECK(rig.peer->counters.rx_frames.get() >= 3);
  CHECK(rig.balanced());
}

TEST_CASE("a peer that never stops sending bursts does not keep a port's frames back") {
  FairRig rig;
  const PortHandle sink = rig.add_port(rig.blue), quiet = rig.add_port(rig.blue);
  rig.fdb.declare(rig.blue, kMacA, {DestinationKind::port, sink.port->index});
  rig.fdb.declare(rig.blue, kMacC, {DestinationKind::peer, rig.peer->index});
  const Bytes datagram = vxlan(42, with_macs(build(Spec{.udp = true, .payload = Bytes(1300, 1)}), kMacA, kMacB));
  Bytes burst;
  for (int i = 0; i < 45; ++i) burst.insert(burst.end(), datagram.begin(), datagram.end());
  Ready arriving, readable;
  rig.receiver->descriptor = arriving.fd();
  rig.receiver->asked = [&] {
    while (rig.receiver->arrivals.size() < 40) {
      rig.receiver->arrivals.push_back({"10.0.0.2", burst, static_cast<uint32_t>(datagram.size()), 0});
    }
  };
  rig.worker.watch_receiver(arriving.fd());
  quiet.tap->descriptor = readable.fd();
  rig.worker.watch_port(*quiet.port);
  for (int round = 1; round <= 10; ++round) {
    rig.sender->sent.clear();
    quiet.tap->to_read.push_back({{}, small(kMacC, kMacB, 77, 0)});
    rig.worker.round(0);
    REQUIRE(rig.place_of(77).count == 1);
    REQUIRE(rig.peer->counters.rx_frames.get() == uint64_t(round) * kMaxBursts * 45);
    sink.tap->written.clear();
  }
  CHECK(rig.balanced());
}

TEST_CASE("a full underlay socket drops what was for it, to the frame, without many tries, and local traffic goes on") {
  for (const int error : {EAGAIN, ENOBUFS, ENOMEM}) {
    CAPTURE(error);
    FairRig rig;
    const PortHandle bulk = rig.add_port(rig.blue), quiet = rig.add_port(rig.blue), local = rig.add_port(rig.blue);
    rig.fdb.declare(rig.blue, kMacC, {DestinationKind::peer, rig.peer->index});
    rig.fdb.declare(rig.blue, kMacB, {DestinationKind::port, local.port->index});
    uint64_t tries = 0;
    rig.sender->refuse = [&](const Sent&) { return ++tries, error; };
    for (int i = 0; i < 20; ++i) {
      bulk.tap->to_read.push_back(super_frame(kMacC, kMacA));
      quiet.tap->to_read.push_back({{}, small(kMacB, 0x020000000077, 77, static_cast<uint32_t>(i))});
    }
    for (int i = 0; i < 10; ++i) {
      rig.worker.serve_port(*bulk.port);
      rig.worker.serve_port(*quiet.port);
      rig.worker.flush();
    }
    CHECK(rig.dropped(Drop::underlay_full) == 20 * kSegments);
    CHECK(rig.peer->counters.tx_dropped.get() == 20 * kSegments);
    CHECK(rig.peer->counters.tx_frames.get() == 0);
    CHECK(rig.peer->state->udp_segment.get().state == OffloadState::in_use);  // a full socket says nothing about the offload
    // What may be the offload's fault is tried in smaller pieces.
    CHECK(tries <= 20 * (error == EAGAIN ? 2 : 8));
    uint32_t frames = 0;
    for (const TapFrame& written : local.tap->written) {
      frames += written.vnet.is_super_frame() ? static_cast<uint32_t>(written.bytes.size() - 42) / written.vnet.gso_size : 1;
    }
    CHECK(frames == 20);
    CHECK(rig.balanced());

    // The socket has room again: nothing of the past comes after all.
    rig.sender->refuse = [](const Sent&) { return 0; };
    rig.from_guest(quiet, small(kMacC, 0x020000000077, 78, 0));
    CHECK(rig.sender->sent.size() == 1);
  }
}

TEST_CASE("of two peers that share a socket, the one whose path refuses loses its frames alone") {
  FairRig rig;
  rig.add_peer("10.0.0.3");
  const PortHandle port = rig.add_port(rig.blue);
  rig.fdb.declare(rig.blue, kMacB, {DestinationKind::peer, 0});
  rig.fdb.declare(rig.blue, kMacC, {DestinationKind::peer, 1});
  rig.sender->refuse = [](const Sent& sent) { return sent.to == "10.0.0.2" ? EAGAIN : 0; };
  for (uint32_t i = 0; i < 50; ++i) {
    port.tap->to_read.push_back({{}, small(kMacB, kMacA, 1, i)});
    port.tap->to_read.push_back({{}, small(kMacC, kMacA, 2, i)});
    if (i % 10 == 0) port.tap->to_read.push_back(super_frame(kMacB, kMacA));
  }
  while (!port.tap->to_read.empty()) rig.run(port);
  CHECK(rig.dropped(Drop::underlay_full) == 50 + 5 * kSegments);
  CHECK(rig.peers[0]->counters.tx_dropped.get() == 50 + 5 * kSegments);
  CHECK(rig.peers[1]->counters.tx_frames.get() == 50);
  CHECK(rig.peers[1]->counters.tx_dropped.get() == 0);
  CHECK(rig.balanced());
}

TEST_CASE("a TAP that takes nothing drops its own frames, to the frame, and the others get theirs") {
  for (const auto& [error, reason] : {std::pair{EAGAIN, Drop::port_full}, std::pair{EIO, Drop::port_down}}) {
    CAPTURE(error);
    FairRig rig;
    const PortHandle from = rig.add_port(rig.blue), dead = rig.add_port(rig.blue), alive = rig.add_port(rig.blue);
    rig.fdb.declare(rig.blue, kMacB, {DestinationKind::port, dead.port->index});
    rig.fdb.declare(rig.blue, kMacC, {DestinationKind::port, alive.port->index});
    dead.tap->write_error = error;
    for (uint32_t i = 0; i < 100; ++i) {
      from.tap->to_read.push_back(super_frame(kMacB, kMacA));
      from.tap->to_read.push_back({{}, ethernet(kMacC, kMacA, 46 + i)});
    }
    while (!from.tap->to_read.empty()) rig.run(from);
    rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kMacB, 0x020000000077)));
    CHECK(rig.dropped(reason) == 100 * kSegments + 1);
    CHECK(dead.port->counters.tx_dropped.get() == 100 * kSegments + 1);
    CHECK(dead.port->counters.tx_frames.get() == 0);
    CHECK(alive.tap->written.size() == 100);
    for (uint32_t i = 0; i < 100; ++i) CHECK(alive.tap->written[i].bytes == ethernet(kMacC, kMacA, 46 + i));
    CHECK(rig.balanced());
  }
}

TEST_CASE("nobody takes the events: the ring stays full, the rest is counted, and frames flow") {
  FairRig rig;
  const PortHandle from = rig.add_port(rig.blue), to = rig.add_port(rig.blue);
  for (uint32_t i = 0; i < 900; ++i) from.tap->to_read.push_back({{}, ethernet(kBroadcast, 0x020000001000 + i)});
  while (!from.tap->to_read.empty()) rig.run(from);
  for (uint32_t i = 0; i < 900; ++i) {
    rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, 0x020000002000 + i)));
  }
  CHECK(to.tap->written.size() == 1800);
  CHECK(rig.wakes == 1);
  uint64_t lost = 0;
  CHECK(rig.events.take(lost).size() == 1024);
  CHECK(lost == 1800 - 1024);
}

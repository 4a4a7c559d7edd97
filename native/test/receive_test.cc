// What arrives from the underlay: bursts, the bursts that lie, foreign super-frames, congestion marks.
#include <doctest/doctest.h>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

Bytes udp_frame(uint16_t flow, size_t size, uint8_t fill = 1) {
  Spec spec;
  spec.udp = true;
  spec.source_port = flow;
  spec.payload = Bytes(size, fill);
  return with_macs(build(spec), kMacA, kMacB);
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct ReceiveRig : Rig {
  NetworkIndex network = add_network(42);
  NetworkIndex red = add_network(43);
  PortHandle guest = add_port(network);
  PortHandle in_red = add_port(red);
  Peer* peer = add_peer("10.0.0.2");
};

}  // namespace

TEST_CASE("a burst is cut into its datagrams, the last perhaps shorter") {
  ReceiveRig rig;
  const Bytes one = vxlan(42, udp_frame(1, 100)), two = vxlan(42, udp_frame(2, 100)), three = vxlan(42, udp_frame(3, 40));
  rig.from_underlay("10.0.0.2", one + two + three, static_cast<uint32_t>(one.size()));
  REQUIRE(rig.guest.tap->written.size() == 3);
  CHECK(rig.guest.tap->written[0].bytes == udp_frame(1, 100));
  CHECK(rig.guest.tap->written[2].bytes == udp_frame(3, 40));
  CHECK(rig.worker.counters().received.get() == 3);
  CHECK(rig.balanced());
}

TEST_CASE("one flow's datagrams from several bursts become one super-frame on the TAP") {
  ReceiveRig rig;
  for (int burst = 0; burst < 3; ++burst) {
    Bytes bytes;
    for (int i = 0; i < 10; ++i) bytes = bytes + vxlan(42, udp_frame(1, 100));
    rig.receiver->arrivals.push_back({"10.0.0.2", bytes, 8 + 14 + 28 + 100, 0});
  }
  rig.run_underlay();
  REQUIRE(rig.guest.tap->written.size() == 1);
  CHECK(rig.guest.tap->written[0].vnet.gso_type == kGsoUdpL4);
  CHECK(rig.guest.tap->written[0].vnet.gso_size == 100);
  CHECK(rig.worker.counters().sent.get() == 30);
  CHECK(rig.guest.port->counters.tx_super_frames.get() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a foreign guest's UDP super-frame is one frame, whatever its payload looks like") {
  // The guest behind a Linux vxlan device sends UDP with UDP_SEGMENT; its payload is shaped so that every slice of the size that
  // UDP_GRO reports begins with a VXLAN header for network red.
  ReceiveRig rig;
  const uint32_t segment = 200;
  Bytes forged = vxlan(43, ethernet(kBroadcast, kMacC, segment - 8 - 14));
  REQUIRE(forged.size() == segment);
  Spec spec;
  spec.udp = true;
  // The first slice holds the outer headers of the inner frame, so the forgery is placed where the second slice begins.
  const size_t headers = 8 + 14 + 28;
  spec.payload = Bytes(segment - headers, 0);
  for (int i = 0; i < 5; ++i) spec.payload = spec.payload + forged;
  spec.payload.resize(segment * 6, 0);
  spec.unfinished = true;
  const Bytes inner = with_macs(build(spec), kMacA, kMacB);
  rig.from_underlay("10.0.0.2", vxlan(42, inner), segment);
  CHECK(rig.in_red.tap->written.empty());
  REQUIRE(rig.guest.tap->written.size() == 1);
  CHECK(rig.guest.tap->written[0].vnet.gso_type == kGsoUdpL4);
  CHECK(rig.guest.tap->written[0].vnet.gso_size == segment);
  CHECK(Bytes(rig.guest.tap->written[0].bytes.end() - static_cast<long>(spec.payload.size()), rig.guest.tap->written[0].bytes.end()) == spec.payload);
  CHECK(rig.worker.counters().received.get() == 6);
  CHECK(rig.balanced());
}

TEST_CASE("a burst that fits neither reading is dropped whole") {
  ReceiveRig rig;
  Spec spec;
  spec.udp = true;
  spec.payload = Bytes(1000, 0);
  const Bytes inner = with_macs(build(spec), kMacA, kMacB);
  Bytes datagram = vxlan(42, inner);
  datagram.resize(datagram.size() + 30, 0);  // neither the first slice nor the whole is what the IP header says
  rig.from_underlay("10.0.0.2", datagram, 200);
  CHECK(rig.guest.tap->written.empty());
  CHECK(rig.in_red.tap->written.empty());
  CHECK(rig.dropped(Drop::ambiguous_gso) == (datagram.size() + 199) / 200);
  CHECK(rig.balanced());
}

TEST_CASE("a kernel that joined the datagrams of two networks is understood, an unknown third one is dropped alone") {
  ReceiveRig rig;
  const Bytes blue = vxlan(42, udp_frame(1, 100)), red = vxlan(43, udp_frame(2, 100)), other = vxlan(99, udp_frame(3, 100));
  rig.from_underlay("10.0.0.2", blue + red + other + blue, static_cast<uint32_t>(blue.size()));
  CHECK(rig.worker.counters().sent.get() == 3);
  CHECK(rig.in_red.tap->written.size() == 1);
  CHECK(rig.dropped(Drop::unknown_vni) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a burst of several VNIs in which anything is not to the byte what a VTEP sends is dropped whole") {
  const Bytes blue = vxlan(42, udp_frame(1, 100));
  Bytes dirty = vxlan(43, udp_frame(2, 100));
  dirty[7] = 1;
  Bytes longer = vxlan(43, udp_frame(2, 90));
  longer.resize(blue.size(), 0);
  Bytes truncated(blue.begin(), blue.begin() + 12);
  for (const Bytes& bad : {dirty, longer}) {
    ReceiveRig rig;
    rig.from_underlay("10.0.0.2", blue + bad + blue, static_cast<uint32_t>(blue.size()));
    CHECK(rig.guest.tap->written.empty());
    CHECK(rig.in_red.tap->written.empty());
    CHECK(rig.dropped(Drop::ambiguous_gso) == 3);
    CHECK(rig.balanced());
  }
  ReceiveRig rig;
  rig.from_underlay("10.0.0.2", blue + vxlan(43, udp_frame(2, 100)) + truncated, static_cast<uint32_t>(blue.size()));
  CHECK(rig.dropped(Drop::ambiguous_gso) == 3);
}

TEST_CASE("an oversized TCP frame with an unfinished checksum, as a Linux vxlan device on veth leaves it, becomes a super-frame") {
  ReceiveRig rig;
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    rig.guest.tap->written.clear();
    Spec spec;
    spec.v6 = v6;
    spec.unfinished = true;
    spec.payload = Bytes(30000, 3);
    rig.from_underlay("10.0.0.2", vxlan(42, with_macs(build(spec), kMacA, kMacB)));
    REQUIRE(rig.guest.tap->written.size() == 1);
    const VnetHeader vnet = rig.guest.tap->written[0].vnet;
    CHECK(vnet.needs_checksum());
    CHECK(vnet.gso_type == (v6 ? kGsoTcp6 : kGsoTcp4));
    CHECK(vnet.gso_size == (v6 ? 1390 : 1410));
  }
  CHECK(rig.balanced());
}

TEST_CASE("a small frame with an unfinished checksum is handed to the guest's kernel to finish") {
  ReceiveRig rig;
  Spec spec;
  spec.unfinished = true;
  spec.payload = Bytes(10, 3);
  rig.from_underlay("10.0.0.2", vxlan(42, with_macs(build(spec), kMacA, kMacB)));
  REQUIRE(rig.guest.tap->written.size() == 1);
  CHECK(rig.guest.tap->written[0].vnet.needs_checksum());
}

TEST_CASE("an oversized frame that is no TCP or UDP super-frame is dropped") {
  ReceiveRig rig;
  Spec spec;
  spec.udp = true;
  spec.payload = Bytes(3000, 1);
  Bytes frame = build(spec);
  frame[14 + 9] = 47;  // GRE
  refresh_ipv4_checksum(frame, 14);
  rig.from_underlay("10.0.0.2", vxlan(42, with_macs(frame, kMacA, kMacB)));
  CHECK(rig.guest.tap->written.empty());
  CHECK(rig.dropped(Drop::oversized) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("the underlay's ECN marks reach the guest: all of RFC 6040, figure 4") {
  struct Case {
    uint8_t inner, outer;
    int expected;  // -1: dropped
  };
  const Case cases[] = {{0, 0, 0}, {0, 2, 0}, {0, 1, 0}, {0, 3, -1},  //
                        {2, 0, 2}, {2, 2, 2}, {2, 1, 1}, {2, 3, 3},   // ECT(0)
                        {1, 0, 1}, {1, 2, 1}, {1, 1, 1}, {1, 3, 3},   // ECT(1)
                        {3, 0, 3}, {3, 2, 3}, {3, 1, 3}, {3, 3, 3}};
  for (const bool v6 : {false, true}) {
    for (const Case& item : cases) {
      CAPTURE(v6);
      CAPTURE(int(item.inner));
      CAPTURE(int(item.outer));
      ReceiveRig rig;
      Spec spec;
      spec.v6 = v6;
      spec.udp = true;
      spec.traffic_class = static_cast<uint8_t>(0x2e << 2 | item.inner);
      spec.payload = Bytes(50, 1);
      rig.from_underlay("10.0.0.2", vxlan(42, with_macs(build(spec), kMacA, kMacB)), 0, item.outer);
      if (item.expected < 0) {
        CHECK(rig.guest.tap->written.empty());
        CHECK(rig.dropped(Drop::ecn_congestion) == 1);
      } else {
        REQUIRE(rig.guest.tap->written.size() == 1);
        Bytes frame = rig.guest.tap->written[0].bytes;
        const Packet packet = parsed(frame);
        CHECK(packet.traffic_class == (0x2e << 2 | item.expected));
        CHECK(ipv4_checksum_holds(frame, packet));
      }
      CHECK(rig.balanced());
    }
  }
}

TEST_CASE("random datagrams and bursts: every one gets a verdict, none reaches a network that its VNI does not name") {
  Random random(5);
  ReceiveRig rig;
  for (int i = 0; i < 100000; ++i) {
    Bytes bytes = random() % 4 == 0 ? random_bytes(random, random() % 200) : vxlan(42, random_bytes(random, random() % 200));
    if (random() % 2 == 0) {
      Bytes frame = udp_frame(static_cast<uint16_t>(random() % 4), random() % 300);
      for (int flips = static_cast<int>(random() % 4); flips > 0; --flips) frame[random() % frame.size()] ^= static_cast<uint8_t>(random());
      bytes = vxlan(42, frame) + bytes;
    }
    rig.from_underlay("10.0.0.2", bytes, random() % 2 == 0 ? static_cast<uint32_t>(random() % 150) : 0, static_cast<uint8_t>(random()));
    REQUIRE(rig.balanced());
  }
}

// What the inner and the outer header tell each other (RFC 6040, RFC 2983), with segmentation and coalescing on the way.
#include <doctest/doctest.h>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

constexpr uint8_t kExpedited = 0x2e << 2;
constexpr uint8_t kEct0 = 2;
constexpr uint8_t kEct1 = 1;
constexpr uint8_t kCongested = 3;

struct TunnelRig : Rig {
  TunnelRig() {
    NetworkOptions wanted;
    wanted.vlan = true;
    network = add_network(42, wanted);
    guest = add_port(network);
    add_peer("10.0.0.2");
    add_peer("fd00::3");
  }
  NetworkIndex network = 0;
  PortHandle guest{};
};

Spec tcp(bool v6, uint32_t index, size_t size, uint8_t traffic_class) {
  return {.v6 = v6,
          .traffic_class = traffic_class,
          .id = static_cast<uint16_t>(index),
          .sequence = 1000 + index * static_cast<uint32_t>(size),
          .payload = Bytes(size, 1)};
}

Bytes inward(const Spec& spec) { return with_macs(build(spec), kMacA, kMacB); }

VnetHeader tso(bool v6, uint16_t segment) {
  return {.flags = kVnetNeedsChecksum,
          .gso_type = v6 ? kGsoTcp6 : kGsoTcp4,
          .gso_size = segment,
          .checksum_start = static_cast<uint16_t>(v6 ? 54 : 34),
          .checksum_offset = 16};
}

// Whole and with every checksum right, or as the super-frame that a kernel takes.
void check_headers(TapFrame& written, uint8_t traffic_class) {
  const Packet packet = parsed(written.bytes);
  CHECK(packet.traffic_class == traffic_class);
  CHECK(ipv4_checksum_holds(written.bytes, packet));
  if (!written.vnet.needs_checksum()) CHECK(l4_checksum_holds(written.bytes, packet));
}

}  // namespace

TEST_CASE("the outer header carries the inner DSCP and ECN, behind VLAN tags too; what is not IP has none") {
  for (uint32_t traffic_class = 0; traffic_class < 256; traffic_class += 7) {
    for (const bool v6 : {false, true}) {
      for (const bool vlan : {false, true}) {
        TunnelRig rig;
        Spec spec{.v6 = v6, .udp = true, .traffic_class = static_cast<uint8_t>(traffic_class), .payload = Bytes(50, 1)};
        if (vlan) spec.vlan_tags = {0x8100e005};
        const Bytes frame = with_macs(build(spec), kBroadcast, kMacA);
        rig.from_guest(rig.guest, frame);
        REQUIRE(rig.sender->sent.size() == 2);
        for (const Sent& sent : rig.sender->sent) {
          CHECK(sent.traffic_class == traffic_class);
          CHECK(sent.bytes == vxlan(42, frame));  // the inner one stays as it is
        }
      }
    }
  }
  TunnelRig rig;
  rig.from_guest(rig.guest, ethernet(kBroadcast, kMacA));
  for (const Sent& sent : rig.sender->sent) CHECK(sent.traffic_class == 0);
}

TEST_CASE("every segment of a super-frame carries its DSCP and ECN, outside and inside") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t ecn : {kEct0, kEct1, kCongested}) {
      TunnelRig rig;
      Spec spec = tcp(v6, 0, 60000, static_cast<uint8_t>(kExpedited | ecn));
      spec.unfinished = true;
      rig.from_guest(rig.guest, with_macs(build(spec), kBroadcast, kMacA), tso(v6, 1000));
      size_t datagrams = 0;
      for (const Sent& sent : rig.sender->sent) {
        CHECK(sent.traffic_class == (kExpedited | ecn));
        for (const Bytes& datagram : sent.datagrams()) {
          Bytes frame(datagram.begin() + kVxlanHeaderBytes, datagram.end());
          CHECK(parsed(frame).traffic_class == (kExpedited | ecn));
          CHECK(ipv4_checksum_holds(frame, parsed(frame)));
          ++datagrams;
        }
      }
      CHECK(datagrams == 120);
    }
  }
}

TEST_CASE("a congestion mark on a burst is in every segment of the super-frame that it becomes") {
  for (const bool v6 : {false, true}) {
    TunnelRig rig;
    Bytes burst;
    for (uint32_t i = 0; i < 10; ++i) {
      const Bytes datagram = vxlan(42, inward(tcp(v6, i, 500, kEct0)));
      burst.insert(burst.end(), datagram.begin(), datagram.end());
    }
    rig.from_underlay("10.0.0.2", burst, static_cast<uint32_t>(burst.size() / 10), kExpedited | kCongested);
    REQUIRE(rig.guest.tap->written.size() == 1);
    CHECK(rig.guest.tap->written[0].vnet.gso_size == 500);
    check_headers(rig.guest.tap->written[0], kCongested);  // the DSCP of the underlay stays outside (RFC 2983, pipe model)
    CHECK(rig.balanced());
  }
}

TEST_CASE("frames with and without a congestion mark never become one super-frame, in whichever header the mark came") {
  for (const bool v6 : {false, true}) {
    for (const bool outside : {false, true}) {
      TunnelRig rig;
      std::vector<uint8_t> expected;
      for (uint32_t i = 0; i < 6; ++i) {
        const bool marked = i / 2 == 1;
        const uint8_t inner = marked && !outside ? kCongested : kEct0;
        const uint8_t outer = marked && outside ? kCongested : kEct0;
        rig.receiver->arrivals.push_back({"10.0.0.2", vxlan(42, inward(tcp(v6, i, 500, inner))), 0, outer});
      }
      rig.run_underlay();
      REQUIRE(rig.guest.tap->written.size() == 3);
      for (size_t i = 0; i < 3; ++i) {
        CHECK(rig.guest.tap->written[i].vnet.gso_size == 500);
        check_headers(rig.guest.tap->written[i], i == 1 ? kCongested : kEct0);
      }
    }
  }
}

TEST_CASE("a congestion mark reaches a super-frame that a Linux vxlan device left whole") {
  for (const bool v6 : {false, true}) {
    TunnelRig rig;
    Spec spec = tcp(v6, 0, 30000, kEct0);
    spec.unfinished = true;
    rig.from_underlay("10.0.0.2", vxlan(42, inward(spec)), 0, kCongested);
    REQUIRE(rig.guest.tap->written.size() == 1);
    CHECK(rig.guest.tap->written[0].vnet.is_super_frame());
    check_headers(rig.guest.tap->written[0], kCongested);

    spec.traffic_class = 0;
    rig.from_underlay("10.0.0.2", vxlan(42, inward(spec)), 0, kCongested);
    CHECK(rig.guest.tap->written.size() == 1);
    CHECK(rig.dropped(Drop::ecn_congestion) == (30000 + (v6 ? 1389 : 1409)) / (v6 ? 1390 : 1410));
    CHECK(rig.balanced());
  }
}

TEST_CASE("a congestion mark is carried behind VLAN tags, and asks nothing of a frame that is not IP") {
  TunnelRig rig;
  Spec spec = tcp(false, 0, 100, kEct0);
  spec.vlan_tags = {0x88a80007, 0x81000005};
  rig.from_underlay("10.0.0.2", vxlan(42, inward(spec)), 0, kCongested);
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacC)), 0, kCongested);
  REQUIRE(rig.guest.tap->written.size() == 2);
  check_headers(rig.guest.tap->written[0], kCongested);
  CHECK(rig.guest.tap->written[1].bytes == ethernet(kBroadcast, kMacC));
}

TEST_CASE("a congestion mark does not mend a header checksum that is wrong") {
  TunnelRig rig;
  Bytes frame = inward(tcp(false, 0, 100, kEct0));
  frame[14 + 10] ^= 0x55;
  rig.from_underlay("10.0.0.2", vxlan(42, frame), 0, kCongested);
  REQUIRE(rig.guest.tap->written.size() == 1);
  Bytes& written = rig.guest.tap->written[0].bytes;
  CHECK(parsed(written).traffic_class == kCongested);
  CHECK_FALSE(ipv4_checksum_holds(written, parsed(written)));
}

TEST_CASE("the hop limits of a frame are its own: an Ethernet segment does not count one down") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t ttl : {uint8_t{0}, uint8_t{1}, uint8_t{255}}) {
      TunnelRig rig;
      Spec spec{.v6 = v6, .udp = true, .ttl = ttl, .payload = Bytes(50, 1)};
      const Bytes out = with_macs(build(spec), kBroadcast, kMacA), in = with_macs(build(spec), kBroadcast, kMacB);
      rig.from_guest(rig.guest, out);
      CHECK(rig.sender->sent.at(0).bytes == vxlan(42, out));
      rig.from_underlay("10.0.0.2", vxlan(42, in));
      REQUIRE(rig.guest.tap->written.size() == 1);
      CHECK(rig.guest.tap->written[0].bytes == in);
    }
  }
}

// What the worker does with frames that are larger than fits to a peer: drops them there, and tells their sender.
#include <doctest/doctest.h>

#include <map>
#include <numeric>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Built = weft::test::Frame;

// Guest a behind a port, B behind the peer 10.0.0.2, whose path carries `mtu` bytes of IP.
struct PathRig : Rig {
  explicit PathRig(uint32_t mtu, uint32_t network_mtu = 1450)
      : network(add_network(42, {.mtu = network_mtu, .vlan = true, .fdb = {}})), a(add_port(network)) {
    peer = add_peer("10.0.0.2");
    peer->options.mtu = mtu;
    from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacB)));
    a.tap->written.clear();
  }

  // The bytes of IP of a packet of `length` from A to B.
  static Bytes packet(size_t length, bool v6 = false, std::vector<uint32_t> tags = {}) {
    Built f{.v6 = v6, .udp = true, .vlan_tags = std::move(tags)};
    f.payload = Bytes(length - (f.payload_at() - f.l3()), 0x11);
    return build(f);
  }

  const std::vector<TapFrame>& answers() const { return a.tap->written; }
  uint32_t told_mtu(size_t l3 = 14) const { return get16(answers().back().bytes, l3 + 26); }

  NetworkIndex network;
  PortHandle a;
  Peer* peer;
};

VnetHeader tso(const Built& f, uint16_t gso_size) {
  return {.flags = kVnetNeedsChecksum,
          .gso_type = f.v6 ? kGsoTcp6 : kGsoTcp4,
          .gso_size = gso_size,
          .checksum_start = static_cast<uint16_t>(f.l4()),
          .checksum_offset = 16};
}

}  // namespace

TEST_CASE("a packet that fits to the peer is sent, one of a byte more is dropped and its sender told") {
  PathRig rig(1300);
  rig.from_guest(rig.a, PathRig::packet(1300));
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.answers().empty());
  rig.from_guest(rig.a, PathRig::packet(1301));
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.dropped(Drop::too_big) == 1);
  CHECK(rig.peer->counters.tx_dropped.get() == 1);
  REQUIRE(rig.answers().size() == 1);
  CHECK(rig.answers()[0].bytes.size() == 14 + 576);
  CHECK(load_mac(rig.answers()[0].bytes.data()) == kMacA);
  CHECK(load_mac(rig.answers()[0].bytes.data() + 6) == kMacB);
  CHECK(rig.told_mtu() == 1300);
  CHECK(rig.a.port->counters.tx_frames.get() == 2);  // B's broadcast and the answer
  CHECK(rig.balanced());
}

TEST_CASE("IPv6 is told as well") {
  PathRig rig(1300);
  rig.from_guest(rig.a, PathRig::packet(1301, true));
  CHECK(rig.sender->sent.empty());
  REQUIRE(rig.answers().size() == 1);
  CHECK(rig.answers()[0].bytes.size() == 14 + 1280);
  CHECK(rig.balanced());
}

TEST_CASE("the network's MTU limits where the path carries more, whatever padding says") {
  PathRig rig(9000, 1400);
  rig.from_guest(rig.a, PathRig::packet(1401));
  CHECK(rig.told_mtu() == 1400);
  CHECK(rig.answers().size() == 1);
  Bytes padded = PathRig::packet(1400);
  padded.resize(padded.size() + 4);
  rig.from_guest(rig.a, padded);
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.dropped(Drop::too_big) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a VLAN tag takes its bytes from the path, not from the network's MTU") {
  PathRig rig(1300);
  rig.from_guest(rig.a, PathRig::packet(1296, false, {0x81000005}));
  CHECK(rig.sender->sent.size() == 1);
  rig.from_guest(rig.a, PathRig::packet(1297, false, {0x81000005}));
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.told_mtu(18) == 1296);
  CHECK(get32(rig.answers()[0].bytes, 12) == 0x81000005);
  const std::vector<uint32_t> two = {0x88a80006, 0x81000005};
  rig.from_guest(rig.a, PathRig::packet(1292, true, two));
  CHECK(rig.sender->sent.size() == 2);
  rig.from_guest(rig.a, PathRig::packet(1293, true, two));
  CHECK(rig.sender->sent.size() == 2);
  CHECK(get32(rig.answers()[1].bytes, 22 + 40 + 4) == 1292);
  PathRig wide(9000);
  wide.from_guest(wide.a, PathRig::packet(1450, false, {0x81000005}));
  wide.from_guest(wide.a, PathRig::packet(1450, false, two));
  CHECK(wide.sender->sent.size() == 2);
}

TEST_CASE("a frame that is too large and not IP is dropped, and nobody is told") {
  PathRig rig(1300);
  rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1301));
  CHECK(rig.dropped(Drop::too_big) == 1);
  rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1300));
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.answers().empty());
  CHECK(rig.balanced());
}

TEST_CASE("padding alone that does not fit tells nobody that the packet does not") {
  PathRig rig(1300);
  Bytes padded = PathRig::packet(1300);
  padded.resize(padded.size() + 1);
  rig.from_guest(rig.a, padded);
  CHECK(rig.dropped(Drop::too_big) == 1);
  CHECK(rig.answers().empty());
}

TEST_CASE("a super-frame is held to its segments, and dropped with all of them") {
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    PathRig rig(1300);
    Built f{.v6 = v6, .payload = Bytes(14'000, 0x22), .unfinished = true};
    const uint16_t fitting = static_cast<uint16_t>(1300 - (f.payload_at() - f.l3()));
    rig.from_guest(rig.a, build(f), tso(f, fitting));
    CHECK(rig.dropped(Drop::too_big) == 0);
    CHECK_FALSE(rig.sender->sent.empty());
    CHECK(rig.answers().empty());
    rig.from_guest(rig.a, build(f), tso(f, static_cast<uint16_t>(fitting + 1)));
    CHECK(rig.dropped(Drop::too_big) == (14'000 + fitting) / (fitting + 1));
    REQUIRE(rig.answers().size() == 1);
    CHECK(rig.answers()[0].vnet.gso_type == kGsoNone);
    CHECK(rig.a.port->counters.tx_frames.get() == 2);  // B's broadcast and the answer
    CHECK(rig.a.port->counters.tx_super_frames.get() == 0);
    CHECK(rig.balanced());
  }
}

TEST_CASE("replicated frames are dropped where they do not fit, and nobody is told") {
  PathRig rig(1300);
  rig.add_peer("10.0.0.3");
  const auto b = rig.add_port(rig.network);
  Bytes broadcast = with_macs(PathRig::packet(1400), kBroadcast, kMacA);
  rig.from_guest(rig.a, broadcast);
  rig.from_guest(rig.a, with_macs(PathRig::packet(1400), kMacC, kMacA));  // unknown
  REQUIRE(rig.sender->sent.size() == 2);
  CHECK(rig.sender->sent[0].to == "10.0.0.3");
  CHECK(rig.dropped(Drop::too_big) == 2);
  CHECK(b.tap->written.size() == 2);
  CHECK(b.tap->written[0].bytes == broadcast);
  CHECK(rig.answers().empty());
  CHECK(rig.balanced());
}

TEST_CASE("ports of one host are not held to the path of a peer") {
  PathRig rig(1300);
  const auto c = rig.add_port(rig.network);
  rig.from_guest(c, ethernet(kBroadcast, kMacC));
  rig.from_guest(rig.a, with_macs(PathRig::packet(1400), kMacC, kMacA));
  CHECK(c.tap->written.size() == 1);
  CHECK(rig.dropped(Drop::too_big) == 0);
}

TEST_CASE("a port is told 100 times a second, and another port has its own") {
  PathRig rig(1300);
  const auto c = rig.add_port(rig.network);
  rig.worker.set_time(10);
  for (int i = 0; i < 150; ++i) rig.from_guest(rig.a, PathRig::packet(1400));
  CHECK(rig.answers().size() == 100);
  CHECK(rig.worker.counters().path_mtu_answered.get() == 100);
  CHECK(rig.worker.counters().path_mtu_unanswered.get() == 50);
  rig.from_guest(c, with_macs(PathRig::packet(1400), kMacB, kMacC));
  CHECK(c.tap->written.size() == 1);
  rig.worker.set_time(11);
  rig.from_guest(rig.a, PathRig::packet(1400));
  CHECK(rig.answers().size() == 101);
  CHECK(rig.dropped(Drop::too_big) == 152);
  CHECK(rig.balanced());
}

TEST_CASE("what nobody may be told takes nothing from the limit") {
  PathRig rig(1300);
  Built f{.udp = true, .source_host = 0xffff0000, .payload = Bytes(1400, 1)};  // from 255.255.0.0, whom nobody can answer
  Bytes frame = build(f);
  for (const size_t at : {0, 2}) set16(frame, f.l3() + 12 + at, 0xffff);
  for (int i = 0; i < 150; ++i) rig.from_guest(rig.a, frame);
  CHECK(rig.answers().empty());
  for (int i = 0; i < 100; ++i) rig.from_guest(rig.a, PathRig::packet(1400));
  CHECK(rig.answers().size() == 100);
  rig.from_guest(rig.a, frame);
  CHECK(rig.worker.counters().path_mtu_unanswered.get() == 0);
}

TEST_CASE("a path that is not known limits nothing") {
  PathRig rig(kUnknownMtu, 65535);
  rig.from_guest(rig.a, PathRig::packet(60'000));
  CHECK(rig.sender->sent.size() == 1);
}

TEST_CASE("a round of answers and other frames keeps each where it belongs") {
  PathRig rig(1300);
  for (int i = 0; i < 20; ++i) {
    rig.a.tap->to_read.push_back({{}, PathRig::packet(1400)});
    rig.a.tap->to_read.push_back({{}, PathRig::packet(1200 + static_cast<size_t>(i))});
  }
  rig.run(rig.a);
  CHECK(rig.answers().size() == 20);
  size_t carried = 0;
  for (const Sent& sent : rig.sender->sent) {
    for (Bytes datagram : sent.datagrams()) {
      Bytes frame(datagram.begin() + 8, datagram.end());
      CHECK(frame == PathRig::packet(frame.size() - 14));
      ++carried;
    }
  }
  CHECK(carried == 20);
  for (const TapFrame& answer : rig.answers()) {
    CHECK(reference_sum(answer.bytes.data() + 34, answer.bytes.size() - 34) == 0xffff);
  }
  CHECK(rig.balanced());
}

TEST_CASE("IPv4 without DF is fragmented, its checksum complete, and nobody is told") {
  PathRig rig(1300);
  for (const bool unfinished : {false, true}) {
    CAPTURE(unfinished);
    rig.sender->sent.clear();
    Built f{.udp = true, .dont_fragment = false, .payload = Bytes(1400, 0x33), .unfinished = unfinished};
    VnetHeader vnet;
    if (unfinished) {
      vnet = {.flags = kVnetNeedsChecksum, .checksum_start = static_cast<uint16_t>(f.l4()), .checksum_offset = 6};
    }
    rig.from_guest(rig.a, build(f), vnet);
    f.unfinished = false;
    const Bytes whole = build(f);
    Bytes joined(whole.begin(), whole.begin() + static_cast<long>(f.l4()));
    size_t pieces = 0;
    for (const Sent& sent : rig.sender->sent) {
      for (const Bytes& datagram : sent.datagrams()) {
        CHECK(read_vxlan_header(datagram.data()) == 42u);
        CHECK(datagram.size() <= 8 + 14 + 1300);
        joined.insert(joined.end(), datagram.begin() + 8 + static_cast<long>(f.l4()), datagram.end());
        ++pieces;
      }
    }
    CHECK(pieces == 2);
    CHECK(joined == whole);
  }
  CHECK(rig.peer->counters.tx_frames.get() == 4);
  CHECK(rig.peer->counters.tx_super_frames.get() == 0);
  CHECK(rig.worker.counters().unicast.get() == 2);
  CHECK(rig.dropped(Drop::too_big) == 0);
  CHECK(rig.answers().empty());
  CHECK(rig.balanced());
}

TEST_CASE("each peer of a replicated packet gets it in its own pieces") {
  PathRig rig(1300);
  rig.add_peer("10.0.0.3")->options.mtu = 700;
  rig.add_peer("10.0.0.4");
  const auto b = rig.add_port(rig.network);
  Built f{.udp = true, .dont_fragment = false, .payload = Bytes(1372, 0x44)};
  const Bytes frame = with_macs(build(f), kBroadcast, kMacA);
  rig.from_guest(rig.a, frame);
  std::map<std::string, std::vector<size_t>> sizes;
  for (const Sent& sent : rig.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) sizes[sent.to].push_back(datagram.size() - 8 - 14);
  }
  CHECK(sizes["10.0.0.2"] == std::vector<size_t>{1300, 120});
  CHECK(sizes["10.0.0.3"] == std::vector<size_t>{700, 700, 40});
  CHECK(sizes["10.0.0.4"] == std::vector<size_t>{1400});
  REQUIRE(b.tap->written.size() == 1);
  CHECK(b.tap->written[0].bytes == frame);
  CHECK(rig.balanced());
}

TEST_CASE("a TCP super-frame without DF is cut smaller, for each peer as it fits") {
  PathRig rig(1300);
  rig.add_peer("10.0.0.3");
  for (const Mac to : {kMacB, kBroadcast}) {
    CAPTURE(to);
    rig.sender->sent.clear();
    Built f{.dont_fragment = false, .payload = Bytes(14'000, 0x22), .unfinished = true};
    rig.from_guest(rig.a, with_macs(build(f), to, kMacA), tso(f, 1400));
    std::map<std::string, Bytes> joined;
    for (const Sent& sent : rig.sender->sent) {
      for (const Bytes& datagram : sent.datagrams()) {
        Bytes segment(datagram.begin() + 8, datagram.end());
        const Packet packet = parsed(segment);
        CHECK(segment.size() <= 14 + (sent.to == "10.0.0.2" ? 1300 : 1440));
        CHECK(l4_checksum_holds(segment, packet));
        CHECK(get32(segment, packet.l4_offset + 4u) == f.sequence + joined[sent.to].size());
        joined[sent.to].insert(joined[sent.to].end(), segment.begin() + packet.payload_offset, segment.end());
      }
    }
    CHECK(joined.size() == (to == kMacB ? 1 : 2));
    for (const auto& [peer, payload] : joined) CHECK(payload == f.payload);
  }
  CHECK(rig.dropped(Drop::too_big) == 0);
  CHECK(rig.balanced());
}

TEST_CASE("the pieces for many peers do not spoil the segments for one that takes them whole") {
  PathRig rig(1300);
  for (int i = 3; i < 203; ++i) rig.add_peer("10.0.0." + std::to_string(i))->options.mtu = 1300;
  rig.add_peer("10.0.1.1");
  Built f{.dont_fragment = false, .payload = Bytes(60'000, 0x22), .unfinished = true};
  rig.from_guest(rig.a, with_macs(build(f), kBroadcast, kMacA), tso(f, 1400));
  uint32_t sequence = f.sequence;
  for (const Sent& sent : rig.sender->sent) {
    if (sent.to != "10.0.1.1") continue;
    for (const Bytes& datagram : sent.datagrams()) {
      Bytes segment(datagram.begin() + 8, datagram.end());
      const Packet packet = parsed(segment);
      CHECK(l4_checksum_holds(segment, packet));
      CHECK(get32(segment, packet.l4_offset + 4u) == sequence);
      sequence += static_cast<uint32_t>(segment.size() - packet.payload_offset);
    }
  }
  CHECK(sequence == f.sequence + 60'000);
  CHECK(rig.balanced());
}

namespace {

VnetHeader uso(const Built& f, uint16_t gso_size) {
  VnetHeader vnet = tso(f, gso_size);
  vnet.gso_type = kGsoUdpL4;
  vnet.checksum_offset = 6;
  return vnet;
}

// The datagrams of UDP in what was sent to the peer, put together again, in the order of their last fragments.
std::vector<Bytes> reassembled(const FakeSender& sender, const std::string& peer, size_t room) {
  std::vector<Bytes> whole;
  Bytes current;
  for (const Sent& sent : sender.sent) {
    if (sent.to != peer) continue;
    for (const Bytes& datagram : sent.datagrams()) {
      CHECK(read_vxlan_header(datagram.data()) == 42u);
      Bytes piece(datagram.begin() + 8, datagram.end());
      const Packet packet = parsed(piece);
      CHECK(packet.ip_end - packet.l3_offset <= room);
      CHECK(packet.ip_end == piece.size());
      CHECK(ipv4_checksum_holds(piece, packet));
      const uint32_t bits = get16(piece, packet.l3_offset + 6u);
      const size_t header = packet.l3_offset + (piece[packet.l3_offset] & 0x0fu) * 4;
      if ((bits & 0x1fff) == 0) {
        current = piece;
      } else {
        CHECK((bits & 0x1fff) * 8 == current.size() - header);
        CHECK(get16(piece, packet.l3_offset + 4u) == get16(current, packet.l3_offset + 4u));
        current.insert(current.end(), piece.begin() + static_cast<long>(header), piece.end());
      }
      if ((bits & 0x2000) != 0) continue;
      set16(current, packet.l3_offset + 2u, static_cast<uint32_t>(current.size() - packet.l3_offset));
      set16(current, packet.l3_offset + 6u, 0);
      refresh_ipv4_checksum(current, packet.l3_offset);
      whole.push_back(current);
    }
  }
  return whole;
}

}  // namespace

TEST_CASE("each datagram of a UDP super-frame without DF is fragmented, for each peer as it fits") {
  PathRig rig(1300);
  rig.add_peer("10.0.0.3");
  for (const Mac to : {kMacB, kBroadcast}) {
    for (const std::vector<uint32_t>& tags : {std::vector<uint32_t>{}, {0x81000005}}) {
      CAPTURE(to);
      CAPTURE(tags.size());
      rig.sender->sent.clear();
      Built f{.udp = true, .vlan_tags = tags, .dont_fragment = false, .payload = Bytes(13'900), .unfinished = true};
      std::iota(f.payload.begin(), f.payload.end(), uint8_t{0});
      rig.from_guest(rig.a, with_macs(build(f), to, kMacA), uso(f, 1400));
      for (const std::string peer : {"10.0.0.2", "10.0.0.3"}) {
        if (to == kMacB && peer == "10.0.0.3") continue;
        CAPTURE(peer);
        Bytes payload;
        const auto datagrams = reassembled(*rig.sender, peer, peer == "10.0.0.2" ? 1300 - 4 * tags.size() : 1450);
        CHECK(datagrams.size() == 10);
        for (size_t i = 0; i < datagrams.size(); ++i) {
          Bytes datagram = datagrams[i];
          const Packet packet = parsed(datagram);
          REQUIRE(packet.is_udp());
          CHECK(l4_checksum_holds(datagram, packet));
          CHECK(get16(datagram, packet.l3_offset + 4u) == f.id + i);
          CHECK(datagram.size() - packet.payload_offset == (i == 9 ? 1300 : 1400));
          payload.insert(payload.end(), datagram.begin() + packet.payload_offset, datagram.end());
        }
        CHECK(payload == f.payload);
      }
    }
  }
  CHECK(rig.peer->counters.tx_super_frames.get() == 0);
  CHECK(rig.dropped(Drop::too_big) == 0);
  CHECK(rig.answers().empty());
  CHECK(rig.balanced());
}

TEST_CASE("the datagrams of many super-frames in a round outgrow the arena and still arrive whole") {
  PathRig rig(1300);
  Built f{.udp = true, .dont_fragment = false, .payload = Bytes(60'000, 0x22), .unfinished = true};
  for (uint16_t flow = 0; flow < 20; ++flow) {
    f.source_port = static_cast<uint16_t>(1000 + flow);
    rig.a.tap->to_read.push_back({uso(f, 1400), with_macs(build(f), kMacB, kMacA)});
  }
  while (!rig.a.tap->to_read.empty()) rig.run(rig.a);
  std::map<uint32_t, size_t> bytes;
  for (Bytes datagram : reassembled(*rig.sender, "10.0.0.2", 1300)) {
    const Packet packet = parsed(datagram);
    CHECK(l4_checksum_holds(datagram, packet));
    bytes[get16(datagram, packet.l4_offset)] += datagram.size() - packet.payload_offset;
  }
  CHECK(bytes.size() == 20);
  for (const auto& [flow, size] : bytes) CHECK(size == 60'000);
  CHECK(rig.balanced());
}

TEST_CASE("datagrams of a super-frame that may not be fragmented are dropped with all of them") {
  PathRig rig(68);  // whose fragments would take more memory than there is
  Built f{.udp = true, .dont_fragment = false, .ip_options = Bytes(40, 1), .payload = Bytes(60'000, 0x22), .unfinished = true};
  rig.from_guest(rig.a, with_macs(build(f), kMacB, kMacA), uso(f, 500));
  CHECK(rig.dropped(Drop::too_big) == 120);
  CHECK(rig.sender->sent.empty());
  CHECK(rig.balanced());
}

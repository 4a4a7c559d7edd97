// The forwarding decision: learning, flooding, isolation, split horizon, and a verdict for every frame.
#include <doctest/doctest.h>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

std::vector<Sent> all_sent(const Rig& rig) { return rig.sender->sent; }

}  // namespace

TEST_CASE("an unknown destination is flooded to every other port and every peer, a known one is not") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), c = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.add_peer("fd00::3");

  const Bytes first = ethernet(kMacB, kMacA);
  rig.from_guest(a, first);
  CHECK(a.tap->written.empty());
  REQUIRE(b.tap->written.size() == 1);
  CHECK(b.tap->written[0].bytes == first);
  CHECK(c.tap->written.size() == 1);
  REQUIRE(all_sent(rig).size() == 2);
  CHECK(all_sent(rig)[0].to == "10.0.0.2");
  CHECK(all_sent(rig)[0].port == 4789);
  CHECK(all_sent(rig)[0].bytes == vxlan(42, first));
  CHECK(all_sent(rig)[1].to == "fd00::3");

  const Bytes answer = ethernet(kMacA, kMacB);
  rig.from_guest(b, answer);
  CHECK(a.tap->written.size() == 1);
  CHECK(c.tap->written.size() == 1);
  CHECK(all_sent(rig).size() == 2);
  CHECK(rig.worker.counters().unicast.get() == 1);
  CHECK(rig.worker.counters().flooded.get() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a MAC learned from a peer is reached through that peer alone") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.add_peer("10.0.0.3");
  rig.from_underlay("10.0.0.3", vxlan(42, ethernet(kBroadcast, kMacB)));
  CHECK(a.tap->written.size() == 1);
  CHECK(all_sent(rig).empty());  // what came from a peer never goes to a peer
  rig.from_guest(a, ethernet(kMacB, kMacA));
  REQUIRE(all_sent(rig).size() == 1);
  CHECK(all_sent(rig)[0].to == "10.0.0.3");
  CHECK(rig.balanced());
}

TEST_CASE("unicast between two peers is not relayed") {
  Rig rig;
  const auto network = rig.add_network(42);
  rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.add_peer("10.0.0.3");
  rig.from_underlay("10.0.0.3", vxlan(42, ethernet(kBroadcast, kMacB)));
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kMacB, kMacC)));
  CHECK(all_sent(rig).empty());
  CHECK(rig.dropped(Drop::split_horizon) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a MAC that moves between two frames of one round takes its frames along") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), c = rig.add_port(network);
  rig.from_guest(b, ethernet(kBroadcast, kMacB));
  a.tap->to_read = {{{}, ethernet(kMacB, kMacA)}, {{}, ethernet(kMacB, kMacA)}};
  rig.worker.serve_port(*a.port);
  c.tap->to_read.push_back({{}, ethernet(kMacA, kMacB)});  // B speaks from port c now
  rig.worker.serve_port(*c.port);
  a.tap->to_read.push_back({{}, ethernet(kMacB, kMacA)});
  rig.worker.serve_port(*a.port);
  rig.worker.flush();
  CHECK(b.tap->written.size() == 2);
  CHECK(c.tap->written.size() == 2);  // B's first broadcast, and the last frame
  CHECK(rig.balanced());
}

TEST_CASE("nothing crosses from one network to another") {
  Rig rig;
  const auto blue = rig.add_network(42), red = rig.add_network(43);
  const auto in_blue = rig.add_port(blue), in_red = rig.add_port(red), also_red = rig.add_port(red);
  rig.add_peer("10.0.0.2");
  rig.from_guest(in_blue, ethernet(kMacB, kMacA));
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kMacA, kMacC)));
  CHECK(in_red.tap->written.empty());
  CHECK(in_blue.tap->written.size() == 1);
  // The same MAC may live in both.
  rig.from_guest(in_red, ethernet(kBroadcast, kMacA));
  rig.from_guest(also_red, ethernet(kMacA, kMacB));
  CHECK(in_red.tap->written.size() == 1);
  CHECK(in_blue.tap->written.size() == 1);
  for (const Sent& sent : all_sent(rig)) {
    const uint32_t vni = *read_vxlan_header(sent.bytes.data());
    CHECK((vni == 42 || vni == 43));
  }
  CHECK(rig.balanced());
}

TEST_CASE("ports of one split-horizon group do not hear each other") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network, 7), b = rig.add_port(network, 7), c = rig.add_port(network, 0);
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  CHECK(b.tap->written.empty());
  CHECK(c.tap->written.size() == 1);
  rig.from_guest(b, ethernet(kMacA, kMacB));
  CHECK(a.tap->written.empty());
  CHECK(rig.dropped(Drop::split_horizon) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("each frame that cannot be forwarded is dropped for its own reason") {
  Rig rig;
  NetworkOptions options;
  const auto network = rig.add_network(42, options);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  rig.add_peer("10.0.0.2");

  struct Case {
    const char* what;
    Drop reason;
    std::function<void()> act;
  };
  weft::test::Frame tagged;
  tagged.vlan_tags = {0x81000005};
  tagged.payload = Bytes(10, 1);
  Bytes lying = build(weft::test::Frame{.payload = Bytes(20, 1)});
  set16(lying, 16, 9000);
  const std::vector<Case> cases = {
      {"13 bytes", Drop::runt, [&] { rig.from_guest(a, Bytes(13, 2)); }},
      {"nothing", Drop::runt, [&] { rig.from_guest(a, {}); }},
      {"IP length", Drop::ip_length, [&] { rig.from_guest(a, with_macs(lying, kMacB, kMacA)); }},
      {"multicast source", Drop::source_group, [&] { rig.from_guest(a, ethernet(kMacB, 0x010000000001)); }},
      {"zero source", Drop::source_group, [&] { rig.from_guest(a, ethernet(kMacB, 0)); }},
      {"BPDU", Drop::reserved_group, [&] { rig.from_guest(a, ethernet(0x0180c2000000, kMacA)); }},
      {"LLDP", Drop::reserved_group, [&] { rig.from_guest(a, ethernet(0x0180c200000e, kMacA)); }},
      {"VLAN tag", Drop::inner_vlan, [&] { rig.from_guest(a, with_macs(build(tagged), kMacB, kMacA)); }},
      {"to itself", Drop::same_port,
       [&] {
         rig.from_guest(a, ethernet(kBroadcast, kMacA));
         rig.from_guest(a, ethernet(kMacA, kMacC));
       }},
      {"checksum outside", Drop::bad_checksum_offset,
       [&] {
         rig.from_guest(a, ethernet(kMacB, kMacA), {.flags = kVnetNeedsChecksum, .checksum_start = 50, .checksum_offset = 9});
       }},
      {"checksum in the IP header", Drop::bad_checksum_offset,
       [&] {
         const Bytes frame = with_macs(build(weft::test::Frame{.payload = Bytes(20, 1)}), kMacB, kMacA);
         rig.from_guest(a, frame, {.flags = kVnetNeedsChecksum, .checksum_start = 14, .checksum_offset = 10});
       }},
      {"gso of no TCP", Drop::bad_gso,
       [&] {
         rig.from_guest(a, ethernet(kMacB, kMacA, 3000), {.flags = kVnetNeedsChecksum, .gso_type = kGsoTcp4, .gso_size = 1400});
       }},
      {"short datagram", Drop::bad_vxlan_header, [&] { rig.from_underlay("10.0.0.2", Bytes(7, 8)); }},
      {"I bit clear", Drop::bad_vxlan_header,
       [&] {
         Bytes datagram = vxlan(42, ethernet(kBroadcast, kMacC));
         datagram[0] = 0;
         rig.from_underlay("10.0.0.2", datagram);
       }},
      {"header only", Drop::runt, [&] { rig.from_underlay("10.0.0.2", vxlan(42, {})); }},
      {"unknown VNI", Drop::unknown_vni, [&] { rig.from_underlay("10.0.0.2", vxlan(99, ethernet(kBroadcast, kMacC))); }},
      {"stranger", Drop::unknown_peer, [&] { rig.from_underlay("10.0.0.99", vxlan(42, ethernet(kBroadcast, kMacC))); }},
  };
  for (const Case& item : cases) {
    CAPTURE(item.what);
    const uint64_t before = rig.dropped(item.reason);
    item.act();
    CHECK(rig.dropped(item.reason) == before + 1);
    CHECK(rig.balanced());
  }
  CHECK(b.tap->written.size() == 1);  // the one broadcast of "to itself"
}

TEST_CASE("reserved bits of the VXLAN header are ignored on receipt and zero when sent (RFC 7348, 5)") {
  Rig rig;
  const auto a = rig.add_port(rig.add_network(42));
  rig.add_peer("10.0.0.2");
  Bytes datagram = vxlan(42, ethernet(kBroadcast, kMacB));
  datagram[0] = 0xff;
  datagram[1] = datagram[2] = datagram[3] = datagram[7] = 0xff;
  rig.from_underlay("10.0.0.2", datagram);
  CHECK(a.tap->written.size() == 1);
  rig.from_guest(a, ethernet(kMacB, kMacA));
  const Bytes& sent = rig.sender->sent.at(0).bytes;
  CHECK(Bytes(sent.begin(), sent.begin() + 8) == Bytes{8, 0, 0, 0, 0, 0, 42, 0});
}

TEST_CASE("a network set to pass forwards VLAN-tagged frames unchanged") {
  Rig rig;
  NetworkOptions options;
  options.vlan = true;
  const auto network = rig.add_network(42, options);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  weft::test::Frame tagged;
  tagged.vlan_tags = {0x88a80007, 0x81000005};
  tagged.payload = Bytes(10, 1);
  const Bytes frame = with_macs(build(tagged), kMacB, kMacA);
  rig.from_guest(a, frame);
  REQUIRE(b.tap->written.size() == 1);
  CHECK(b.tap->written[0].bytes == frame);
}

TEST_CASE("a source that is declared elsewhere is dropped and not learned") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  rig.fdb.declare(network, kMacA, {DestinationKind::port, a.port->index});
  rig.from_guest(b, ethernet(kBroadcast, kMacA));
  CHECK(rig.dropped(Drop::source_declared_elsewhere) == 1);
  CHECK(a.tap->written.empty());
  rig.from_guest(b, ethernet(kMacA, kMacB));
  CHECK(a.tap->written.size() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("an FDB entry that points at nothing is a miss") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), c = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.from_guest(b, ethernet(kBroadcast, kMacB));
  rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacC)));
  rig.tables.ports[b.port->index] = nullptr;
  std::erase(rig.tables.networks[network].ports, b.port);
  rig.tables.peers[0] = nullptr;
  rig.tables.flood_peers.clear();
  rig.publish();
  c.tap->written.clear();
  rig.from_guest(a, ethernet(kMacB, kMacA));
  rig.from_guest(a, ethernet(kMacC, kMacA));
  CHECK(c.tap->written.size() == 2);
  CHECK(rig.balanced());
}

TEST_CASE("a network without a VNI is cut off from the underlay and works on this host") {
  Rig rig;
  const auto network = rig.add_network(kNoVni);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  rig.add_peer("10.0.0.2");
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  rig.fdb.declare(network, kMacB, {DestinationKind::peer, 0});
  rig.from_guest(a, ethernet(kMacB, kMacA));
  CHECK(b.tap->written.size() == 1);
  CHECK(rig.sender->sent.empty());
  CHECK(rig.dropped(Drop::no_destination) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("one visit to a port is bounded in frames and in bytes") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network);
  rig.add_port(network);
  for (int i = 0; i < 400; ++i) a.tap->to_read.push_back({{}, ethernet(kBroadcast, kMacA)});
  rig.worker.serve_port(*a.port);
  CHECK(a.tap->to_read.size() == 144);
  rig.worker.flush();
  a.tap->to_read.clear();
  for (int i = 0; i < 100; ++i) a.tap->to_read.push_back({{}, ethernet(kBroadcast, kMacA, 60000)});
  rig.worker.serve_port(*a.port);
  CHECK(a.tap->to_read.size() >= 94);
  rig.worker.flush();
  CHECK(rig.balanced());
}

TEST_CASE("with accept: any a stranger's frame is delivered, and nothing is learned from it") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network);
  rig.options.accept_any = true;
  rig.set_underlay();
  rig.from_underlay("10.0.0.99", vxlan(42, ethernet(kBroadcast, kMacB)));
  CHECK(a.tap->written.size() == 1);
  CHECK_FALSE(rig.fdb.find(network, kMacB).has_value());
  rig.fdb.declare(network, kMacB, {DestinationKind::port, a.port->index});
  rig.from_underlay("10.0.0.99", vxlan(42, ethernet(kBroadcast, kMacB)));
  CHECK(a.tap->written.size() == 1);
  CHECK(rig.dropped(Drop::source_declared_elsewhere) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a frame with nowhere to go is dropped") {
  Rig rig;
  const auto a = rig.add_port(rig.add_network(42));
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  CHECK(rig.dropped(Drop::no_destination) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("learning, moving, strangers and dead devices are reported once") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  rig.from_guest(b, ethernet(kBroadcast, kMacA));
  rig.from_underlay("10.0.0.99", Bytes(20, 0));
  rig.from_underlay("10.0.0.98", Bytes(20, 0));  // at most one a second
  a.tap->read_error = EBADFD;
  rig.run(a);
  rig.run(a);
  std::vector<EventType> types;
  for (const Event& event : rig.take_events()) types.push_back(event.type);
  CHECK(types == std::vector{EventType::mac_learned, EventType::mac_moved, EventType::stranger, EventType::port_gone});
  CHECK(rig.wakes == 1);
}

TEST_CASE("a TAP that refuses a frame drops it there, for the right reason, and hurts no other port") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), c = rig.add_port(network);
  const std::vector<std::pair<int, Drop>> cases = {
      {EIO, Drop::port_down}, {EAGAIN, Drop::port_full}, {ENOBUFS, Drop::port_full}, {EINVAL, Drop::port_error}, {EBADFD, Drop::port_down}};
  size_t round = 0;
  for (const auto& [error, reason] : cases) {
    CAPTURE(error);
    b.tap->write_error = error;
    const uint64_t before = rig.dropped(reason);
    rig.from_guest(a, ethernet(kBroadcast, kMacA));
    CHECK(rig.dropped(reason) == before + 1);
    CHECK(c.tap->written.size() == ++round);
    CHECK(rig.balanced());
  }
  CHECK(b.port->counters.tx_dropped.get() == cases.size());
}

TEST_CASE("a port and a peer keep why their frames were dropped, and when last") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network);
  const Peer* peer = rig.add_peer("10.0.0.2");
  const auto log = [](const DropLog& drops, Drop reason) {
    const auto at = static_cast<size_t>(reason);
    return std::pair<uint64_t, Seconds>(drops.frames[at].get(), drops.last[at].load());
  };
  using Log = std::pair<uint64_t, Seconds>;
  rig.worker.set_time(7);
  rig.from_guest(a, ethernet(kMacB, 0));
  rig.worker.set_time(9);
  rig.from_guest(a, ethernet(kMacB, 0));
  rig.from_underlay("10.0.0.2", vxlan(99, ethernet(kBroadcast, kMacC)));
  b.tap->write_error = EAGAIN;
  rig.worker.set_time(11);
  rig.from_guest(a, ethernet(kBroadcast, kMacA));

  CHECK(log(a.port->counters.drops, Drop::source_group) == Log(2, 9));
  CHECK(log(b.port->counters.drops, Drop::port_full) == Log(1, 11));
  CHECK(log(peer->counters.drops, Drop::unknown_vni) == Log(1, 9));
  CHECK(log(b.port->counters.drops, Drop::source_group) == Log(0, 0));
  for (const auto* counters : {&a.port->counters, &b.port->counters, &peer->counters}) {
    uint64_t sum = 0;
    for (const Counter& frames : counters->drops.frames) sum += frames.get();
    CHECK(sum == counters->rx_dropped.get() + counters->tx_dropped.get());
  }
}

TEST_CASE("a million random source MACs: memory stays bounded and a known pair keeps its unicast") {
  Rig rig;
  const auto network = rig.add_network(42);
  const auto a = rig.add_port(network), b = rig.add_port(network), flooder = rig.add_port(network);
  rig.from_guest(a, ethernet(kBroadcast, kMacA));
  rig.from_guest(b, ethernet(kBroadcast, kMacB));
  std::mt19937_64 random(7);
  for (int i = 0; i < 1'000'000; ++i) {
    flooder.tap->to_read.push_back({{}, ethernet(kMacA, (random() & 0xfcffffffffffull) | 0x020000000000ull)});
    if (flooder.tap->to_read.size() == 200) {
      rig.run(flooder);
      a.tap->written.clear();
    }
  }
  CHECK(rig.fdb.count(network).learned <= 1024 + 2);
  CHECK(rig.fdb.memory_bytes() < 8u << 20);
  const size_t before = flooder.tap->written.size();
  rig.from_guest(a, ethernet(kMacB, kMacA));
  CHECK(flooder.tap->written.size() == before);
  CHECK(rig.worker.counters().unicast.get() >= 1'000'000);
  CHECK(rig.balanced());
}

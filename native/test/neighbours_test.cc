// Announcements, byte for byte, and what happens when somebody else claims the address of a guarded port.
#include <doctest/doctest.h>

#include <algorithm>

#include "engine/announcement.h"
#include "test/neighbour_frames.h"
#include "wire/neighbour.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr Mac kFar = 0x0200000000fa;
constexpr Ip4 kOwn4 = 0x0a2a0001, kOther4 = 0x0a2a0002;
constexpr Ip6 kOwn6{0xfd42000000000000, 1}, kOther6{0xfd42000000000000, 2};
constexpr uint8_t kRs = 133, kRa = 134, kNs = 135, kNa = 136;

std::shared_ptr<const Guard> guard_of(Mac mac, const std::vector<std::string>& addresses) {
  std::vector<Endpoint> parsed_ones;
  for (const std::string& text : addresses) parsed_ones.push_back(*Endpoint::parse(text, 0));
  return std::make_shared<const Guard>(mac, std::move(parsed_ones));
}

// kMacA behind a guarded port at 10.42.0.1 and fd42::1, another port, a peer; another network with the same addresses.
struct Guarded : Rig {
  NetworkIndex blue = add_network(42, {.vlan = true, .fdb = {}}), red = add_network(43);
  PortHandle a = add_port(blue, 0, guard_of(kMacA, {"10.42.0.1", "fd42::1"}));
  PortHandle b = add_port(blue);
  PortHandle in_red = add_port(red, 0, guard_of(kMacC, {"10.42.0.1"}));
  Peer* peer = add_peer("192.0.2.2");

  Guarded() { worker.set_time(100); }

  std::vector<Event> conflicts() {
    std::vector<Event> out;
    for (const Event& event : take_events()) {
      if (event.type == EventType::address_conflict) out.push_back(event);
    }
    return out;
  }
  void from_peer(const Bytes& frame) { from_underlay("192.0.2.2", vxlan(42, frame)); }

  // The announcement among what port b and the peer got since the last call.
  std::vector<Bytes> announced() {
    std::vector<Bytes> out;
    for (const TapFrame& frame : b.tap->written) {
      if (load_mac(frame.bytes.data() + 6) == kMacA) out.push_back(frame.bytes);
    }
    size_t to_peer = 0;
    for (const Sent& sent : sender->sent) {
      for (const Bytes& datagram : sent.datagrams()) {
        if (load_mac(datagram.data() + kVxlanHeaderBytes + 6) == kMacA) ++to_peer;
      }
    }
    CHECK(to_peer == out.size());
    b.tap->written.clear();
    sender->sent.clear();
    return out;
  }
};

const Bytes kArpAnnouncement =
    build(Arp{.from = kMacA, .operation = 1, .sender = kMacA, .sender_ip = kOwn4, .target = 0, .target_ip = kOwn4});
const Bytes kNdAnnouncement = build(Icmpv6{.to = kAllNodesMac,
                                           .from = kMacA,
                                           .source = kOwn6,
                                           .destination = kAllNodes,
                                           .hop_limit = 255,
                                           .type = kNa,
                                           .body = about(kOwn6, link_layer(2, kMacA), 0x20000000)});

Bytes claim4(Mac mac = kFar, uint16_t operation = 2) {
  return build(Arp{.from = mac, .operation = operation, .sender = mac, .sender_ip = kOwn4});
}
Bytes claim6(Mac mac = kFar) {
  return build(Icmpv6{.from = mac, .source = kOther6, .type = kNa, .body = about(kOwn6, link_layer(2, mac))});
}

}  // namespace

TEST_CASE("an ARP announcement (RFC 5227, 2.3), field by field") {
  uint8_t frame[kMaxAnnouncementBytes];
  const uint32_t length = write_announcement(frame, 0x02aabbccddee, *Endpoint::parse("10.42.1.7", 0));
  const Bytes bytes(frame, frame + length);
  CHECK(bytes == Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 8, 6,  // Ethernet
                       0, 1, 8, 0, 6, 4, 0, 1,                                                     // a request
                       2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 10, 42, 1, 7,                              // sender
                       0, 0, 0, 0, 0, 0, 10, 42, 1, 7});                                           // target
}

TEST_CASE("an unsolicited neighbour advertisement (RFC 4861, 7.2.6), field by field") {
  uint8_t frame[kMaxAnnouncementBytes];
  const uint32_t length = write_announcement(frame, 0x02aabbccddee, *Endpoint::parse("fd42::1:7", 0));
  Bytes bytes(frame, frame + length);
  REQUIRE(length == 86);
  const uint32_t checksum = get16(bytes, 56);
  set16(bytes, 56, 0);
  CHECK(bytes == Bytes{0x33, 0x33, 0, 0, 0, 1, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0x86, 0xdd,      // Ethernet
                       0x60, 0, 0, 0, 0, 32, 58, 255,                                            // 32 bytes, hop limit 255
                       0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7,                     // source
                       0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,                        // all nodes
                       136, 0, 0, 0, 0x20, 0, 0, 0,                                              // NA, override
                       0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7,                     // target
                       2, 1, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee});                                  // target link-layer address
  set16(bytes, 56, checksum);
  CHECK(reference_l4_sum(bytes, 14, 54, 86, true, 58, true) == 0xffff);
}

TEST_CASE("a port is announced to the rest of its network as if it had spoken") {
  Guarded rig;
  rig.worker.request_announcement(*rig.a.port);
  rig.worker.request_announcement(*rig.a.port);  // once, for both
  rig.worker.round(0);

  CHECK(rig.announced() == std::vector<Bytes>{kArpAnnouncement, kNdAnnouncement});
  CHECK(rig.a.tap->written.empty());
  CHECK(rig.in_red.tap->written.empty());
  CHECK(rig.fdb.find(rig.blue, kMacA) == Destination{DestinationKind::port, rig.a.port->index});
  CHECK(rig.worker.counters().received.get() == 2);
  CHECK(rig.worker.counters().flooded.get() == 2);
  CHECK(rig.a.port->counters.rx_frames.get() == 2);
  CHECK(rig.a.port->counters.rx_bytes.get() == 42 + 86);
  CHECK(rig.balanced());

  rig.worker.round(0);
  CHECK(rig.announced().empty());
}

TEST_CASE("an announcement that has nowhere to go is a drop like any other") {
  Rig rig;
  const auto port = rig.add_port(rig.add_network(42), 0, guard_of(kMacA, {"10.42.0.1"}));
  rig.worker.request_announcement(*port.port);
  rig.worker.round(0);
  CHECK(rig.worker.counters().received.get() == 1);
  CHECK(rig.dropped(Drop::no_destination) == 1);
  CHECK(rig.balanced());
}

TEST_CASE("more announcements than there is room for at once all arrive whole") {
  Rig rig;
  const NetworkIndex blue = rig.add_network(42);
  rig.add_peer("192.0.2.2");
  const auto listener = rig.add_port(blue);
  std::vector<std::string> addresses;
  for (int i = 1; i <= 150; ++i) addresses.push_back((i % 2 == 0 ? "10.42.0." : "fd42::") + std::to_string(i));
  const auto port = rig.add_port(blue, 0, guard_of(kMacA, addresses));
  rig.worker.request_announcement(*port.port);
  rig.worker.round(0);

  std::vector<Bytes> expected;
  for (const std::string& text : addresses) {
    Bytes frame(kMaxAnnouncementBytes);
    frame.resize(write_announcement(frame.data(), kMacA, *Endpoint::parse(text, 0)));
    expected.push_back(frame);
  }
  std::vector<Bytes> at_port, at_peer;
  for (const TapFrame& frame : listener.tap->written) at_port.push_back(frame.bytes);
  for (const Sent& sent : rig.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) at_peer.emplace_back(datagram.begin() + kVxlanHeaderBytes, datagram.end());
  }
  for (std::vector<Bytes>* all : {&expected, &at_port, &at_peer}) std::sort(all->begin(), all->end());
  CHECK(at_port == expected);
  CHECK(at_peer == expected);
  CHECK(rig.balanced());
}

TEST_CASE("a claim of a guarded address is told, forwarded and answered, from a peer and from a port, by ARP and by ND") {
  for (const bool v6 : {false, true}) {
    for (const bool by_peer : {false, true}) {
      CAPTURE(v6);
      CAPTURE(by_peer);
      Guarded rig;
      const Bytes claim = v6 ? claim6() : claim4();
      by_peer ? rig.from_peer(claim) : rig.from_guest(rig.b, claim);

      const auto conflicts = rig.conflicts();
      REQUIRE(conflicts.size() == 1);
      CHECK(conflicts[0].network == rig.blue);
      CHECK(conflicts[0].port == rig.a.port->index);
      CHECK(conflicts[0].mac == kFar);
      CHECK(conflicts[0].address.text() == (v6 ? "fd42::1" : "10.42.0.1"));
      const Destination of_peer{DestinationKind::peer, rig.peer->index}, of_port{DestinationKind::port, rig.b.port->index};
      CHECK(conflicts[0].where == (by_peer ? of_peer : of_port));
      REQUIRE(rig.a.tap->written.size() == 1);
      CHECK(rig.a.tap->written[0].bytes == claim);
      CHECK(rig.announced() == std::vector<Bytes>{v6 ? kNdAnnouncement : kArpAnnouncement});
      CHECK(rig.worker.counters().received.get() == 2);
      CHECK(rig.worker.counters().flooded.get() == 2);
      CHECK(rig.a.port->counters.rx_frames.get() == 1);
      CHECK(rig.balanced());
    }
  }
}

TEST_CASE("what claims an address, and what does not") {
  Guarded rig;
  const auto told = [&](const Bytes& frame) {
    rig.worker.set_time(rig.a.port->last_conflict + 100);
    rig.from_peer(frame);
    return rig.conflicts().size();
  };
  const Bytes far = link_layer(1, kFar);
  SUBCASE("ARP") {
    for (const uint16_t operation : std::initializer_list<uint16_t>{1, 2, 5}) CHECK(told(claim4(kFar, operation)) == 1);
    CHECK(told(build(Arp{.from = kMacA, .sender = kFar, .sender_ip = kOwn4})) == 1);
    CHECK(told(claim4(kMacA)) == 0);                                                             // the port's own, come round
    CHECK(told(build(Arp{.from = kFar, .sender = kFar, .target_ip = kOwn4})) == 0);                // a probe
    CHECK(told(build(Arp{.from = kFar, .sender = kFar, .sender_ip = kOther4, .target_ip = kOwn4})) == 0);
    CHECK(told(build(Arp{.from = kFar, .sender = kFar, .sender_ip = kOwn4, .protocol = 0x86dd})) == 0);
    CHECK(told(build(Arp{.from = kFar, .tags = {0x81000005}, .sender = kFar, .sender_ip = kOwn4})) == 0);  // another segment
    CHECK(told(build(Arp{.from = kFar, .tags = {0x8100e000}, .sender = kFar, .sender_ip = kOwn4})) == 1);  // a priority alone
    CHECK(told(build(Arp{.from = kFar, .tags = {0x88a82000, 0x8100e000}, .sender = kFar, .sender_ip = kOwn4})) == 1);
    CHECK(told(build(Arp{.from = kFar, .tags = {0x88a82000, 0x81000005}, .sender = kFar, .sender_ip = kOwn4})) == 0);
  }
  SUBCASE("ND") {
    const auto nd = [&](uint8_t type, Ip6 source, const Bytes& body) {
      return told(build(Icmpv6{.from = kFar, .source = source, .type = type, .body = body}));
    };
    CHECK(nd(kNa, kOther6, about(kOwn6, link_layer(2, kFar))) == 1);
    CHECK(nd(kNa, kOther6, about(kOwn6)) == 1);  // at the source of the frame
    CHECK(nd(kNa, kOther6, about(kOwn6, link_layer(2, kMacA))) == 0);
    CHECK(nd(kNa, kOther6, about(kOther6, link_layer(2, kFar))) == 0);
    CHECK(nd(kNs, kOwn6, about(kOther6, far)) == 1);
    CHECK(nd(kNs, kOwn6, about(kOther6)) == 0);
    CHECK(nd(kNs, {}, about(kOwn6)) == 0);  // DAD: the guest answers it
    CHECK(nd(kRs, kOwn6, Bytes(4) + far) == 1);
    CHECK(nd(kRa, kOwn6, Bytes(12) + far) == 1);
    CHECK(nd(128, kOwn6, Bytes(4)) == 0);
    // An IPv4 address written as an IPv6 one is not that IPv4 address.
    CHECK(nd(kNa, kOther6, about({0, 0x0000ffff0a2a0001}, link_layer(2, kFar))) == 0);
    CHECK(told(build(Icmpv6{.from = kFar,
                            .source = kOther6,
                            .extension_headers = {58, 0, 1, 4, 0, 0, 0, 0},
                            .first_header = 60,
                            .type = kNa,
                            .body = about(kOwn6)})) == 1);
  }
  SUBCASE("other traffic from the address") {
    CHECK(told(with_macs(build(test::Frame{.payload = Bytes(10)}), kBroadcast, kFar)) == 0);
  }
}

TEST_CASE("a solicitation from nowhere claims nothing, whatever it carries") {
  Bytes frame = build(Icmpv6{.source = {}, .type = kNs, .body = about(kOwn6, link_layer(1, kFar))});
  const Neighbour said = read_neighbour(parsed(frame));
  CHECK(said.kind == Neighbour::Kind::nd);
  CHECK(load_mac(said.mac) == kFar);
  CHECK(said.claimed_address == nullptr);
  CHECK(said.claimed_mac == nullptr);
}

TEST_CASE("one address in many networks belongs to a port of each") {
  std::vector<std::unique_ptr<Port>> owned;
  std::vector<Port*> ports = {nullptr};
  for (uint16_t network = 0; network < 100; ++network) {
    auto port = std::make_unique<Port>();
    port->options = {.network = network, .group = 0, .guard = guard_of(kMacA, {"10.42.0.1", "fd42::1"})};
    ports.push_back(port.get());
    owned.push_back(std::move(port));
  }
  GuardedIndex index;
  CHECK(index.empty());
  index.build(ports);
  CHECK_FALSE(index.empty());
  const AddressKey ipv4 = Endpoint::parse("10.42.0.1", 0)->key(), ipv6 = Endpoint::parse("fd42::1", 0)->key();
  for (uint16_t network = 0; network < 1000; ++network) {
    CAPTURE(network);
    const auto* by_ipv4 = index.find(network, ipv4);
    const auto* by_ipv6 = index.find(network, ipv6);
    REQUIRE((by_ipv4 != nullptr) == (network < 100));
    REQUIRE((by_ipv6 != nullptr) == (network < 100));
    if (network >= 100) continue;
    CHECK(by_ipv4->port == owned[network].get());
    CHECK(by_ipv4->address->text() == "10.42.0.1");
    CHECK(by_ipv6->address->text() == "fd42::1");
  }
}

TEST_CASE("each network is looked at for itself") {
  Guarded rig;
  rig.from_underlay("192.0.2.2", vxlan(43, claim4()));
  const auto conflicts = rig.conflicts();
  REQUIRE(conflicts.size() == 1);
  CHECK(conflicts[0].port == rig.in_red.port->index);
  CHECK(rig.announced().empty());

  // MAC C has the address in red; in blue it is kMacA's.
  rig.from_underlay("192.0.2.2", vxlan(43, claim6()));
  CHECK(rig.conflicts().empty());
}

TEST_CASE("a conflict is told once a second and answered once in ten, for each port") {
  Guarded rig;
  size_t events = 0, answers = 0;
  for (Seconds now = 100; now < 125; ++now) {
    rig.worker.set_time(now);
    for (int i = 0; i < 7; ++i) {
      rig.from_peer(i % 2 == 0 ? claim4() : claim6());
      rig.from_underlay("192.0.2.2", vxlan(43, claim4()));
    }
    size_t mine = 0;
    for (const Event& event : rig.conflicts()) mine += event.port == rig.a.port->index ? 1 : 0;
    CHECK(mine == 1);
    events += mine;
    const size_t answered = rig.announced().size();
    CHECK(answered == ((now - 100) % 10 == 0 ? 1 : 0));
    answers += answered;
  }
  CHECK(events == 25);
  CHECK(answers == 3);
  CHECK(rig.balanced());
}

TEST_CASE("an honest conflict: two guarded ports were given one address") {
  Guarded rig;
  const auto twin = rig.add_port(rig.blue, 0, guard_of(kMacB, {"10.42.0.1"}));
  rig.from_guest(twin, claim4(kMacB));
  const auto conflicts = rig.conflicts();
  REQUIRE(conflicts.size() == 1);
  CHECK(conflicts[0].port == rig.a.port->index);
  CHECK(conflicts[0].where == Destination{DestinationKind::port, twin.port->index});
  CHECK(rig.dropped(Drop::spoofed_address) == 0);
}

TEST_CASE("a claim in the wake of other frames between the same two is seen, and a port that is gone is not asked about") {
  Guarded rig;
  rig.from_guest(rig.a, build(test::Frame{.payload = Bytes(10)}));
  const Bytes data = with_macs(build(test::Frame{.source_host = 2, .payload = Bytes(10)}), kMacA, kMacB);
  rig.b.tap->to_read.push_back({{}, data});
  rig.b.tap->to_read.push_back({{}, with_macs(claim4(kMacB), kMacA, kMacB)});
  rig.run(rig.b);
  CHECK(rig.conflicts().size() == 1);

  rig.tables.ports[rig.a.port->index] = nullptr;
  std::erase(rig.tables.networks[rig.blue].ports, rig.a.port);
  rig.publish();
  rig.worker.set_time(200);
  rig.from_peer(claim4());
  CHECK(rig.conflicts().empty());
}

TEST_CASE("more conflicts in one round than can be answered at once do no harm") {
  Rig rig;
  const NetworkIndex blue = rig.add_network(42);
  rig.add_peer("192.0.2.2");
  const auto listener = rig.add_port(blue);
  for (uint32_t i = 1; i <= 100; ++i) rig.add_port(blue, 0, guard_of(0x020000001000 + i, {"10.42.0." + std::to_string(i)}));
  const auto claim_all = [&] {
    for (uint32_t i = 1; i <= 100; ++i) {
      listener.tap->to_read.push_back({{}, build(Arp{.from = kFar, .sender = kFar, .sender_ip = 0x0a2a0000 | i})});
    }
    rig.run(listener);
  };
  rig.worker.set_time(100);
  claim_all();
  size_t told = 0;
  for (const Event& event : rig.take_events()) told += event.type == EventType::address_conflict ? 1 : 0;
  CHECK(told == 100);
  const size_t answered = listener.tap->written.size();
  CHECK(answered > 0);
  CHECK(answered < 100);
  CHECK(rig.balanced());

  // Who was not answered for is answered for the next time.
  for (int round = 0; round < 5; ++round) claim_all();
  CHECK(listener.tap->written.size() == 100);
}

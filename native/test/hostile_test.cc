// What an attacker sends, shape by shape and at full rate: odd frames, forged datagrams, guesses, flaps and storms.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "test/neighbour_frames.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;
using PortHandle = Rig::PortHandle;

struct HostileRig : Rig {
  NetworkIndex blue = add_network(42, {.vlan = true, .fdb = {}});
  NetworkIndex red = add_network(43);
  PortHandle a = add_port(blue), b = add_port(blue), in_red = add_port(red);
  Peer* peer = add_peer("10.0.0.2");
  Peer* other_peer = add_peer("10.0.0.3");

  std::optional<Destination> where(Mac mac) { return fdb.find(blue, mac); }
  Destination at(const PortHandle& handle) const { return {DestinationKind::port, handle.port->index}; }
  Destination at(const Peer* to) const { return {DestinationKind::peer, to->index}; }

  // How many events there were in all, and how many of a type could be taken.
  struct Told {
    size_t taken = 0, of_type = 0;
    uint64_t lost = 0;
  };
  Told told(EventType type) {
    Told out;
    for (const Event& event : events.take(out.lost)) {
      ++out.taken;
      out.of_type += event.type == type ? 1 : 0;
    }
    return out;
  }
};

// Extension headers of 8 bytes, or of (length + 1) * 8, of the given kinds, the last one leading to `next`.
Bytes chain(const std::vector<uint8_t>& kinds, uint8_t next, uint8_t length = 0) {
  Bytes out;
  for (size_t i = 0; i < kinds.size(); ++i) {
    out.push_back(i + 1 < kinds.size() ? kinds[i + 1] : next);
    out.push_back(length);
    out.resize(out.size() + 6 + length * 8u, 0);
  }
  return out;
}

Bytes with_chain(const std::vector<uint8_t>& kinds, uint8_t length = 0) {
  Spec spec{.v6 = true, .payload = Bytes(100, 7)};
  spec.extension_headers = chain(kinds, spec.protocol(), length);
  spec.first_extension = kinds[0];
  return build(spec);
}

// Frames that mean something to a host that reassembles, walks headers or pops tags; a switch carries them as they are.
std::map<std::string, Bytes> odd_frames() {
  std::map<std::string, Bytes> out;
  for (const size_t kinds : {1, 7, 8, 9, 100}) {
    out["a chain of destination options, " + std::to_string(kinds)] = with_chain(std::vector<uint8_t>(kinds, 60));
  }
  out["the longest extension header that fits"] = with_chain({60}, 160);
  out["hop-by-hop options that follow themselves"] = with_chain(std::vector<uint8_t>(20, 0));
  out["kinds that lead in a circle"] = with_chain({43, 60, 43, 60, 43, 60, 43, 60, 43, 60});
  out["a fragment header in the middle"] = with_chain({0, 60, 44, 60});
  out["several fragment headers"] = with_chain({44, 44, 44});
  out["a chain that ends in no next header"] = with_chain({60});
  out["a chain that ends in no next header"][14 + 40] = 59;
  out["a chain that leads beyond the end"] = with_chain({60});
  out["a chain that leads beyond the end"][14 + 40 + 1] = 255;
  out["a jumbogram"] = with_chain({0});
  set16(out["a jumbogram"], 14 + 4, 0);
  set16(out["a jumbogram"], 14 + 40 + 2, 0xc204);
  out["a jumbogram without its option"] = with_chain({60});
  set16(out["a jumbogram without its option"], 14 + 4, 0);

  const auto fragment = [](uint16_t bits, size_t size, uint8_t fill) {
    return build({.dont_fragment = false, .fragment_bits = bits, .payload = Bytes(size, fill)});
  };
  out["a first fragment"] = fragment(0x2000, 100, 1);
  out["one that overlaps it"] = fragment(0x2001, 100, 2);
  out["one that overlaps it wholly"] = fragment(0x2000, 100, 3);
  out["one that ends beyond 65535"] = fragment(0x1fff, 100, 4);
  out["a middle one without payload"] = fragment(0x2005, 0, 0);
  out["one too short for TCP's ports"] = fragment(0x2000, 0, 0);
  set16(out["one too short for TCP's ports"], 14 + 2, 28);
  refresh_ipv4_checksum(out["one too short for TCP's ports"], 14);
  out["one too short for TCP's ports"].resize(14 + 28);

  std::vector<uint32_t> tags;
  for (uint32_t depth = 1; depth <= 8; ++depth) {
    tags.push_back((depth % 2 == 0 ? 0x88a80000 : 0x81000000) | depth);
    out["a stack of tags, " + std::to_string(depth)] = build({.vlan_tags = tags, .payload = Bytes(60, 1)});
  }
  out["tags that go on to the end"] = ethernet(kMacB, kMacA, 0, 0x8100);
  while (out["tags that go on to the end"].size() < 200) put32(out["tags that go on to the end"], 0x00018100);
  for (auto& [name, frame] : out) frame = with_macs(frame, kMacB, kMacA);
  return out;
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("odd frames pass untouched, in order and never joined, between ports and to and from a peer") {
  for (const auto& [name, frame] : odd_frames()) {
    CAPTURE(name);
    HostileRig rig;
    rig.fdb.declare(rig.blue, kMacB, rig.at(rig.b));
    for (int i = 0; i < 3; ++i) rig.a.tap->to_read.push_back({{}, frame});
    rig.run(rig.a);
    REQUIRE(rig.b.tap->written.size() == 3);
    for (const TapFrame& written : rig.b.tap->written) {
      CHECK(written.bytes == frame);
      CHECK_FALSE(written.vnet.is_super_frame());
    }

    rig.b.tap->written.clear();
    Bytes burst;
    for (int i = 0; i < 3; ++i) burst = joined(burst, vxlan(42, with_macs(frame, kMacB, kMacC)));
    rig.from_underlay("10.0.0.2", burst, static_cast<uint32_t>(frame.size() + kVxlanHeaderBytes));
    REQUIRE(rig.b.tap->written.size() == 3);
    for (const TapFrame& written : rig.b.tap->written) CHECK(written.bytes == with_macs(frame, kMacB, kMacC));

    const Bytes away = with_macs(frame, kMacC, kMacA);
    for (int i = 0; i < 3; ++i) rig.a.tap->to_read.push_back({{}, away});
    rig.run(rig.a);
    size_t sent = 0;
    for (const Sent& message : rig.sender->sent) {
      for (const Bytes& datagram : message.datagrams()) {
        CHECK(datagram == vxlan(42, away));
        ++sent;
      }
    }
    CHECK(sent == 3);
    CHECK(rig.in_red.tap->written.empty());
    CHECK(rig.balanced());
  }
}

TEST_CASE("a network that drops tags drops every stack of them, however deep, from both sides") {
  HostileRig rig;
  uint64_t tagged = 0;
  for (const auto& [name, frame] : odd_frames()) {
    CAPTURE(name);
    if (name.find("tags") == std::string::npos) continue;
    rig.from_guest(rig.in_red, frame);
    rig.from_underlay("10.0.0.2", vxlan(43, frame));
    tagged += 2;
    CHECK(rig.dropped(Drop::inner_vlan) == tagged);
  }
  CHECK(tagged >= 18);
  CHECK(rig.sender->sent.empty());
  CHECK(rig.in_red.tap->written.empty());
  CHECK(rig.balanced());
}

TEST_CASE("fragments, whole frames of their flow, and fragments again keep their order and are not joined") {
  HostileRig rig;
  rig.fdb.declare(rig.blue, kMacB, rig.at(rig.b));
  std::vector<Bytes> in;
  Spec spec{.id = 9, .payload = Bytes(60, 1)};
  for (int i = 0; i < 30; ++i) {
    Spec fragment{.id = 9, .dont_fragment = false, .payload = Bytes(40, static_cast<uint8_t>(i))};
    fragment.fragment_bits = static_cast<uint16_t>(0x2000 | i % 4);
    in.push_back(with_macs(build(i % 3 == 1 ? spec : fragment), kMacB, kMacA));
    if (i % 3 == 1) spec.sequence += 60;
    ++spec.id;
  }
  for (const Bytes& frame : in) rig.a.tap->to_read.push_back({{}, frame});
  rig.run(rig.a);
  REQUIRE(rig.b.tap->written.size() == in.size());
  for (size_t i = 0; i < in.size(); ++i) CHECK(rig.b.tap->written[i].bytes == in[i]);
}

TEST_CASE("a forged VTEP that is no peer is nobody: dropped, counted, told once a second, and nothing is learned") {
  HostileRig rig;
  rig.take_events();
  for (Seconds now = 10; now < 15; ++now) {
    rig.worker.set_time(now);
    for (uint32_t i = 0; i < 500; ++i) {
      const Bytes one = vxlan(42, ethernet(kBroadcast, 0x020000001000 + i));
      rig.receiver->arrivals.push_back({"10.9." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1), joined(one, one),
                                        static_cast<uint32_t>(one.size()), 0});
    }
    while (!rig.receiver->arrivals.empty()) rig.run_underlay();
  }
  CHECK(rig.dropped(Drop::unknown_peer) == 5 * 500 * 2);
  CHECK(rig.told(EventType::stranger).of_type == 5);
  CHECK(rig.fdb.count(rig.blue).learned == 0);
  CHECK(rig.a.tap->written.empty());
  CHECK(rig.balanced());
}

TEST_CASE("a datagram that forges a peer's address takes no declared MAC, and learned ones only until they freeze") {
  HostileRig rig;
  rig.worker.set_time(10);
  const Mac declared = 0x0200000000d1;
  rig.fdb.declare(rig.blue, declared, rig.at(rig.b));
  rig.from_guest(rig.a, ethernet(kBroadcast, kMacA));
  for (int i = 0; i < 1000; ++i) {
    rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, declared)));
    rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacA)));
    rig.from_guest(rig.a, ethernet(kBroadcast, kMacA));
  }
  CHECK(rig.where(declared) == rig.at(rig.b));
  CHECK(rig.dropped(Drop::source_declared_elsewhere) == 1000);
  const auto told = rig.told(EventType::mac_moved);
  CHECK(told.of_type == 4);  // the fifth move freezes
  CHECK(told.taken <= 8);
  CHECK(rig.fdb.counters().frozen == 1);
  CHECK(rig.in_red.tap->written.empty());
  CHECK(rig.balanced());
}

TEST_CASE("guessing VNIs finds what is there and nothing else, one datagram at a time and in bursts") {
  HostileRig rig;
  constexpr uint32_t kGuesses = 8192, kBurstSize = 64;
  const Bytes frame = ethernet(kBroadcast, kMacC);
  for (uint32_t first = 0; first < kGuesses; first += kBurstSize) {
    Bytes burst;
    for (uint32_t i = 0; i < kBurstSize; ++i) {
      rig.from_underlay("10.0.0.2", vxlan(first + i, frame));
      burst = joined(burst, vxlan(first + i, frame));
    }
    rig.from_underlay("10.0.0.2", burst, static_cast<uint32_t>(burst.size() / kBurstSize));
  }
  CHECK(rig.dropped(Drop::unknown_vni) == 2 * (kGuesses - 2));
  CHECK(rig.a.tap->written.size() == 2);
  CHECK(rig.b.tap->written.size() == 2);
  CHECK(rig.in_red.tap->written.size() == 2);
  CHECK(rig.peer->counters.rx_frames.get() == 2 * kGuesses);
  CHECK(rig.told(EventType::mac_learned).taken <= 2);
  CHECK(rig.balanced());
}

// A guest behind a Linux vxlan device on this machine sends UDP with UDP_SEGMENT, and its kernel hands us one datagram with the
// size of its segments. Wherever that size cuts, the payload is shaped to be a VXLAN header of red and a broadcast there.
TEST_CASE("the UDP_GRO trap: a foreign super-frame never reaches another network, whatever the size that comes with it") {
  HostileRig rig;
  uint64_t whole = 0;
  for (const bool v6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      for (const uint32_t payload : {40u, 300u, 1372u, 5000u}) {
        const size_t headers = kVxlanHeaderBytes + 14 + (v6 ? 40u : 20u) + (tcp ? 20u : 8u);
        const uint32_t all = static_cast<uint32_t>(headers) + payload;
        for (uint32_t segment = 1; segment <= all + 8; segment += segment < 120 ? 1 : 37) {
          CAPTURE(v6);
          CAPTURE(tcp);
          CAPTURE(payload);
          CAPTURE(segment);
          Spec spec{.v6 = v6, .udp = !tcp, .payload = Bytes(payload, 0), .unfinished = true};
          const Bytes forged = vxlan(43, ethernet(kBroadcast, kMacC, 4));
          for (size_t cut = segment; cut < all; cut += segment) {
            for (size_t i = 0; i < forged.size(); ++i) {
              if (cut + i >= headers && cut + i < all) spec.payload[cut + i - headers] = forged[i];
            }
          }
          const uint64_t before = rig.worker.counters().received.get();
          rig.b.tap->written.clear();
          rig.from_underlay("10.0.0.2", vxlan(42, with_macs(build(spec), kMacB, kMacA)), segment);
          REQUIRE(rig.in_red.tap->written.empty());
          REQUIRE(rig.dropped(Drop::unknown_vni) == 0);
          REQUIRE(rig.dropped(Drop::bad_vxlan_header) == 0);
          REQUIRE(rig.worker.counters().received.get() > before);
          REQUIRE(rig.balanced());
          REQUIRE(rig.b.tap->written.size() <= 1);
          for (const TapFrame& written : rig.b.tap->written) {
            REQUIRE(std::equal(spec.payload.begin(), spec.payload.end(), written.bytes.end() - static_cast<long>(payload)));
            // The size is the inner one, so what it describes is the guest's own datagrams.
            if (segment < all && !tcp) REQUIRE(written.vnet.gso_size == segment);
            ++whole;
          }
        }
      }
    }
  }
  CHECK(whole > 500);
}

TEST_CASE("a MAC that flaps at full rate freezes, and costs a bounded number of events and entries") {
  for (const bool over_the_underlay : {false, true}) {
    CAPTURE(over_the_underlay);
    HostileRig rig;
    const PortHandle rival = rig.add_port(rig.blue);
    rig.worker.set_time(100);
    rig.from_guest(rig.b, ethernet(kBroadcast, kMacB));
    rig.take_events();
    size_t events = 0;
    for (Seconds now = 100; now < 150; ++now) {
      rig.worker.set_time(now);
      for (int i = 0; i < 200; ++i) {
        for (int frame = 0; frame < 5; ++frame) rig.a.tap->to_read.push_back({{}, ethernet(kMacB, kMacA)});
        rig.worker.serve_port(*rig.a.port);
        if (over_the_underlay) {
          rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kMacB, kMacA)));
        } else {
          rig.from_guest(rival, ethernet(kMacB, kMacA));
        }
      }
      rig.fdb.sweep(now);
      const auto told = rig.told(EventType::mac_frozen);
      events += told.taken;
      CHECK(told.lost == 0);
    }
    CHECK(events == 6);  // learned, four moves, and the one that froze it
    CHECK(rig.fdb.counters().frozen == 1);
    CHECK(rig.fdb.count(rig.blue).learned == 2);
    // It flaps in vain: whoever is spoken to gets every frame, once.
    CHECK(rig.b.tap->written.size() == 50 * 200 * 6);
    CHECK(rig.where(kMacB) == rig.at(rig.b));
    CHECK(rig.balanced());

    // The freeze ends, and the guest that is there may come back.
    rig.worker.set_time(400);
    rig.from_guest(rig.b, ethernet(kBroadcast, kMacA));
    CHECK(rig.where(kMacA) == rig.at(rig.b));
  }
}

TEST_CASE("an ARP storm is counted to the frame, and the control plane hears what its ring holds") {
  HostileRig rig;
  const Mac mine = 0x0200000000aa;
  const auto guard = std::make_shared<const Guard>(mine, std::vector<Endpoint>{*Endpoint::parse("10.42.0.170", 0)});
  const PortHandle guarded = rig.add_port(rig.blue, 0, guard);
  rig.take_events();
  constexpr uint32_t kSeconds = 25, kFrames = 2000;
  uint64_t events = 0;
  size_t taken = 0;
  for (uint32_t second = 0; second < kSeconds; ++second) {
    rig.worker.set_time(100 + second);
    for (uint32_t i = 0; i < kFrames; ++i) {
      // Each claims the guarded address, with another MAC.
      const Mac liar = 0x020000100000 + second * kFrames + i;
      rig.a.tap->to_read.push_back({{}, build(Arp{.from = liar, .operation = 2, .sender = liar, .sender_ip = 0x0a2a00aa})});
    }
    while (!rig.a.tap->to_read.empty()) rig.run(rig.a);
    if (second % 5 == 4) {
      const auto told = rig.told(EventType::address_conflict);
      CHECK(told.taken <= 1024);
      taken += told.of_type;
      events += told.taken + told.lost;
      CHECK(told.of_type <= 5);
    }
  }
  // What the port's limit of MACs lets in, a conflict a second, and no more.
  CHECK(events <= 1024 + kSeconds + 1);
  CHECK(taken >= 1);
  const uint32_t defences = 3;  // one in ten seconds
  const uint64_t stormed = kSeconds * kFrames;
  CHECK(rig.worker.counters().flooded.get() == stormed + defences);
  CHECK(rig.b.tap->written.size() == stormed + defences);
  CHECK(guarded.tap->written.size() == stormed);
  CHECK(rig.a.tap->written.size() == defences);
  CHECK(rig.worker.counters().queued.get() == stormed * 4 + defences * 4);
  CHECK(rig.fdb.count(rig.blue).learned <= 1025);
  CHECK(rig.in_red.tap->written.empty());
  CHECK(rig.balanced());
}

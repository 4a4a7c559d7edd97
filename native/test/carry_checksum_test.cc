// Guests on two hosts that are both weft: what leaves with an unfinished checksum, and that the guest at the far end cannot tell.
#include <doctest/doctest.h>

#include <functional>
#include <utility>

#include "test/coalesce_round.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

constexpr const char* kAddressA = "10.0.0.1";
constexpr const char* kAddressB = "10.0.0.2";

// From a guest of the one to a guest of the other, whose MAC is known there.
struct Hosts {
  Rig a, b;
  NetworkIndex network = a.add_network(42), far_network = b.add_network(42);
  Rig::PortHandle from = a.add_port(network), to = b.add_port(far_network);
  Peer* to_b;

  explicit Hosts(bool zero_checksum = false) : to_b(a.add_peer(kAddressB, true, zero_checksum)) {
    b.add_peer(kAddressA);
    a.from_underlay(kAddressB, vxlan(42, ethernet(kBroadcast, kMacB)));
    b.from_guest(to, ethernet(kBroadcast, kMacB));
    from.tap->written.clear();
    b.sender->sent.clear();
    b.from_underlay(kAddressA, vxlan(42, ethernet(kMacB, kMacA)));
    to.tap->written.clear();
  }

  void take_unfinished(Seconds until = 1000000) { to_b->state->unfinished_until.store(until); }

  std::vector<Sent> send(const Bytes& frame, const VnetHeader& vnet, Mac destination = kMacB) {
    a.from_guest(from, with_macs(frame, destination, kMacA), vnet);
    CHECK(a.balanced());
    return std::exchange(a.sender->sent, {});
  }

  std::vector<TapFrame> arrive(const std::vector<Sent>& messages) {
    for (const Sent& message : messages) b.from_underlay(kAddressA, message.bytes, message.segment_size);
    CHECK(b.balanced());
    return std::exchange(to.tap->written, {});
  }
};

VnetHeader vnet_of(const Spec& spec, uint32_t gso_size = 0) {
  const uint8_t tcp = spec.v6 ? kGsoTcp6 : kGsoTcp4;
  return {.flags = kVnetNeedsChecksum,
          .gso_type = gso_size == 0 ? kGsoNone : spec.udp ? kGsoUdpL4 : tcp,
          .header_length = static_cast<uint16_t>(spec.payload_at()),
          .gso_size = static_cast<uint16_t>(gso_size),
          .checksum_start = static_cast<uint16_t>(spec.l4()),
          .checksum_offset = static_cast<uint16_t>(spec.udp ? 6 : 16)};
}

std::vector<Bytes> frames_of(const std::vector<Sent>& messages) {
  std::vector<Bytes> out;
  for (const Sent& message : messages) {
    for (const Bytes& datagram : message.datagrams()) out.emplace_back(datagram.begin() + kVxlanHeaderBytes, datagram.end());
  }
  return out;
}

// As the kernel of the guest sees it.
std::vector<Bytes> seen(const std::vector<TapFrame>& written) {
  std::vector<Bytes> out;
  for (const TapFrame& one : written) {
    for (Bytes& frame : as_wire_frames({.port = 0, .wire_frames = 0, .vnet = one.vnet, .frame = one.bytes})) {
      out.push_back(std::move(frame));
    }
  }
  return out;
}

bool finished(Bytes frame) { return l4_checksum_holds(frame, parsed(frame)); }

bool unfinished(Bytes frame) {
  const Packet packet = parsed(frame);
  const size_t at = packet.l4_offset + (packet.is_udp() ? 6u : 16u);
  const bool v6 = packet.ip_version == 6;
  return get16(frame, at) == reference_l4_sum(frame, packet.l3_offset, packet.l4_offset, packet.ip_end, v6, packet.protocol, false);
}

size_t count(const std::vector<Bytes>& frames, bool (*is)(Bytes)) {
  size_t found = 0;
  for (const Bytes& frame : frames) found += is(frame) ? 1 : 0;
  return found;
}

void each_kind(const std::function<void(const Spec&, uint32_t gso_size)>& body) {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      for (const uint32_t gso_size : {0u, 1000u}) {
        CAPTURE(v6);
        CAPTURE(udp);
        CAPTURE(gso_size);
        Random random(7);
        body({.v6 = v6, .udp = udp, .payload = random_bytes(random, gso_size == 0 ? 900 : 7700), .unfinished = true}, gso_size);
      }
    }
  }
}

}  // namespace

TEST_CASE("to a peer that takes it a checksum goes unfinished, and the guest there gets what it otherwise gets") {
  each_kind([](const Spec& spec, uint32_t gso_size) {
    Hosts plain, carrying;
    carrying.take_unfinished();
    const Bytes frame = build(spec);
    const auto as_ever = plain.send(frame, vnet_of(spec, gso_size));
    const auto carried = carrying.send(frame, vnet_of(spec, gso_size));
    const size_t frames = gso_size == 0 ? 1 : 8;
    REQUIRE(frames_of(as_ever).size() == frames);
    REQUIRE(frames_of(carried).size() == frames);
    CHECK(count(frames_of(as_ever), finished) == frames);
    CHECK(count(frames_of(carried), unfinished) == frames);
    CHECK(count(frames_of(carried), finished) == 0);

    const auto got_as_ever = plain.arrive(as_ever), got = carrying.arrive(carried);
    REQUIRE(got.size() == 1);
    CHECK(seen(got) == seen(got_as_ever));
    CHECK(count(seen(got), finished) == frames);
    // Joined or alone, it is as the guest that sent it had it.
    CHECK(got[0].vnet.needs_checksum());
    CHECK(got[0].bytes == with_macs(frame, kMacB, kMacA));
  });
}

TEST_CASE("to a peer that does not take it, or not any more, a checksum goes finished") {
  each_kind([](const Spec& spec, uint32_t gso_size) {
    Hosts hosts;
    const auto all_finished = [&] {
      const auto frames = frames_of(hosts.send(build(spec), vnet_of(spec, gso_size)));
      CHECK(count(frames, finished) == frames.size());
      return !frames.empty();
    };
    CHECK(all_finished());
    hosts.take_unfinished(50);
    hosts.a.worker.set_time(49);
    CHECK(count(frames_of(hosts.send(build(spec), vnet_of(spec, gso_size))), finished) == 0);
    hosts.a.worker.set_time(50);
    CHECK(all_finished());
  });
}

TEST_CASE("without an outer checksum the inner one is finished") {
  each_kind([](const Spec& spec, uint32_t gso_size) {
    Hosts hosts(true);
    hosts.take_unfinished();
    hosts.send(build(spec), vnet_of(spec, gso_size));
    const auto frames = frames_of(hosts.a.zero_sender->sent);
    CHECK(!frames.empty());
    CHECK(count(frames, finished) == frames.size());
  });
}

TEST_CASE("what is flooded is finished: other peers and ports get the same memory") {
  each_kind([](const Spec& spec, uint32_t gso_size) {
    Hosts hosts;
    hosts.take_unfinished();
    hosts.a.add_peer("10.0.0.3");
    const auto messages = hosts.send(build(spec), vnet_of(spec, gso_size), 0x020000000099);
    const auto frames = frames_of(messages);
    CHECK(frames.size() == (gso_size == 0 ? 2 : 16));
    CHECK(count(frames, finished) == frames.size());
  });
}

TEST_CASE("fragments, and what is cut because it does not fit, are finished") {
  Hosts hosts;
  hosts.take_unfinished();
  hosts.a.tables.networks[hosts.network].options.mtu = 600;
  hosts.a.publish();
  Random random(9);
  // A TCP super-frame without DF is cut smaller.
  Spec tcp{.dont_fragment = false, .payload = random_bytes(random, 7700), .unfinished = true};
  auto frames = frames_of(hosts.send(build(tcp), vnet_of(tcp, 1000)));
  CHECK(frames.size() == 14);
  CHECK(count(frames, finished) == frames.size());
  // A datagram is sent in fragments: put together they have its checksum.
  Spec udp{.udp = true, .dont_fragment = false, .payload = random_bytes(random, 900), .unfinished = true};
  frames = frames_of(hosts.send(build(udp), vnet_of(udp)));
  CHECK(frames.size() == 2);
  udp.unfinished = false;
  CHECK(get16(frames[0], udp.checksum_at()) == get16(build(udp), udp.checksum_at()));
}

TEST_CASE("DHCP is finished") {
  for (const uint16_t port : {uint16_t{67}, uint16_t{68}}) {
    Hosts hosts;
    hosts.take_unfinished();
    const Spec spec{.udp = true, .destination_port = port, .payload = Bytes(300, 1), .unfinished = true};
    const auto frames = frames_of(hosts.send(build(spec), vnet_of(spec)));
    REQUIRE(frames.size() == 1);
    CHECK(finished(frames[0]));
  }
}

TEST_CASE("a checksum that the guest finished itself, right or wrong, travels as it is") {
  each_kind([](Spec spec, uint32_t gso_size) {
    if (gso_size != 0) return;
    Hosts hosts;
    hosts.take_unfinished();
    spec.unfinished = false;
    for (const bool damaged : {false, true}) {
      Bytes frame = build(spec);
      if (damaged) frame.back() ^= 1;
      const auto messages = hosts.send(frame, {});
      REQUIRE(frames_of(messages).size() == 1);
      CHECK(frames_of(messages)[0] == with_macs(frame, kMacB, kMacA));
      const auto got = hosts.arrive(messages);
      REQUIRE(got.size() == 1);
      CHECK(got[0].bytes == with_macs(frame, kMacB, kMacA));
      CHECK_FALSE(got[0].vnet.needs_checksum());
    }
  });
}

TEST_CASE("a hostile guest's NEEDS_CSUM leads to what it leads to with any peer") {
  const std::pair<const char*, std::function<void(const Spec&, Bytes&, VnetHeader&)>> tricks[] = {
      {"another value in the field", [](const Spec& spec, Bytes& frame, VnetHeader&) { set16(frame, spec.checksum_at(), 0x1234); }},
      {"none", [](const Spec& spec, Bytes& frame, VnetHeader&) { set16(frame, spec.checksum_at(), 0); }},
      {"another place", [](const Spec&, Bytes&, VnetHeader& vnet) { vnet.checksum_offset += 4; }},
      {"a sum over a part", [](const Spec&, Bytes&, VnetHeader& vnet) { vnet.checksum_start += 8; }},
      {"padding", [](const Spec&, Bytes& frame, VnetHeader&) { frame.resize(frame.size() + 7, 0x11); }},
  };
  for (const auto& [name, trick] : tricks) {
    CAPTURE(name);
    each_kind([&](const Spec& spec, uint32_t gso_size) {
      if (gso_size != 0) return;
      Hosts plain, carrying;
      carrying.take_unfinished();
      Bytes frame = build(spec);
      VnetHeader vnet = vnet_of(spec);
      trick(spec, frame, vnet);
      const auto as_ever = plain.send(frame, vnet), carried = carrying.send(frame, vnet);
      REQUIRE(frames_of(carried).size() == 1);
      CHECK(frames_of(carried) == frames_of(as_ever));
      const auto got = carrying.arrive(carried), got_as_ever = plain.arrive(as_ever);
      REQUIRE(got.size() == got_as_ever.size());
      CHECK(got[0].bytes == got_as_ever[0].bytes);
    });
  }
}

TEST_CASE("finished and unfinished frames of one flow are joined") {
  Hosts hosts;
  Random random(3);
  std::vector<Sent> messages;
  for (uint32_t i = 0; i < 4; ++i) {
    hosts.take_unfinished(i % 2 == 0 ? 1000000 : 0);
    Spec spec{.id = static_cast<uint16_t>(i), .sequence = 1000 + i * 500, .payload = random_bytes(random, 500), .unfinished = true};
    for (const Sent& message : hosts.send(build(spec), vnet_of(spec))) messages.push_back(message);
  }
  REQUIRE(messages.size() == 4);
  CHECK(count(frames_of(messages), unfinished) == 2);
  for (const Sent& message : messages) hosts.b.receiver->arrivals.push_back({kAddressA, message.bytes});
  hosts.b.run_underlay();
  REQUIRE(hosts.to.tap->written.size() == 1);
  const auto frames = seen(hosts.to.tap->written);
  CHECK(frames.size() == 4);
  CHECK(count(frames, finished) == 4);
}

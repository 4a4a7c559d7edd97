// What leaves towards peers: batches, their order, and what is done when the kernel refuses.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

// A UDP frame whose flow is its source port and whose payload tells its number.
Bytes numbered(uint16_t flow, uint32_t number, size_t size, uint8_t traffic_class = 0) {
  Spec spec;
  spec.udp = true;
  spec.source_port = flow;
  spec.traffic_class = traffic_class;
  put32(spec.payload, number);
  spec.payload.resize(size, 0);
  return with_macs(build(spec), kMacB, kMacA);
}

std::vector<Bytes> all_datagrams(const FakeSender& sender) {
  std::vector<Bytes> out;
  for (const Sent& sent : sender.sent) {
    for (Bytes& datagram : sent.datagrams()) out.push_back(std::move(datagram));
  }
  return out;
}

// (flow, number) of a datagram made by numbered().
std::pair<uint32_t, uint32_t> identity(const Bytes& datagram) {
  const size_t l4 = kVxlanHeaderBytes + 14 + 20;
  return {get16(datagram, l4), get32(datagram, l4 + 8)};
}

Bytes tcp_super_frame(size_t payload, bool v6 = false) {
  Spec spec;
  spec.v6 = v6;
  spec.unfinished = true;
  Random random(3);
  spec.payload = random_bytes(random, payload);
  return with_macs(build(spec), kMacB, kMacA);
}

VnetHeader tso(bool v6, uint16_t segment) {
  return {.flags = kVnetNeedsChecksum,
          .gso_type = v6 ? kGsoTcp6 : kGsoTcp4,
          .gso_size = segment,
          .checksum_start = static_cast<uint16_t>(v6 ? 54 : 34),
          .checksum_offset = 16};
}

struct OutboxRig : Rig {
  NetworkIndex network = add_network(42);
  PortHandle guest = add_port(network);

  // So many broadcast frames of one round, for so many peers.
  void flood(uint32_t peers, uint32_t frames) {
    for (uint32_t i = 0; i < peers; ++i) add_peer("10.0." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250));
    for (uint32_t i = 0; i < frames; ++i) guest.tap->to_read.push_back({{}, with_macs(numbered(1, i, 22), kBroadcast, kMacA)});
    run(guest);
  }
};

}  // namespace

TEST_CASE("frames of one length to one peer share one send") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  for (uint32_t i = 0; i < 40; ++i) rig.guest.tap->to_read.push_back({{}, numbered(1, i, 22)});
  rig.run(rig.guest);
  REQUIRE(rig.sender->sent.size() == 1);
  const Sent& sent = rig.sender->sent[0];
  CHECK(sent.segment_size == 8 + 14 + 28 + 22);
  CHECK(sent.datagrams().size() == 40);
  for (uint32_t i = 0; i < 40; ++i) CHECK(identity(sent.datagrams()[i]).second == i);
  CHECK(rig.balanced());
}

TEST_CASE("frames for a thousand peers leave with one send for each peer") {
  OutboxRig rig;
  rig.flood(1000, 20);
  REQUIRE(rig.sender->sent.size() == 1000);
  std::set<std::string> reached;
  for (const Sent& sent : rig.sender->sent) {
    reached.insert(sent.to);
    const std::vector<Bytes> datagrams = sent.datagrams();
    REQUIRE(datagrams.size() == 20);
    for (uint32_t i = 0; i < 20; ++i) CHECK(identity(datagrams[i]).second == i);
  }
  CHECK(reached.size() == 1000);
  CHECK(rig.balanced());
}

TEST_CASE("more peers than batches get every frame all the same") {
  OutboxRig rig;
  rig.flood(5000, 3);
  std::map<std::string, std::vector<uint32_t>> got;
  for (const Sent& sent : rig.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) got[sent.to].push_back(identity(datagram).second);
  }
  CHECK(got.size() == 5000);
  for (const auto& [to, numbers] : got) CHECK(numbers == std::vector<uint32_t>{0, 1, 2});
  CHECK(rig.balanced());
}

TEST_CASE("interleaved flows of one length share one send for each source port") {
  Rig rig(4);
  const auto guest = rig.add_port(rig.add_network(42));
  rig.add_peer("10.0.0.2");
  for (uint32_t i = 0; i < 128; ++i) guest.tap->to_read.push_back({{}, numbered(static_cast<uint16_t>(1 + i % 64), i / 64, 22)});
  rig.run(guest);
  CHECK(rig.sender->sent.size() == 4);
  CHECK(all_datagrams(*rig.sender).size() == 128);
  CHECK(rig.balanced());
}

TEST_CASE("a lone datagram never carries UDP_SEGMENT") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  rig.from_guest(rig.guest, numbered(1, 0, 22));
  REQUIRE(rig.sender->sent.size() == 1);
  CHECK(rig.sender->sent[0].segment_size == 0);
}

TEST_CASE("a batch holds no more than the kernel takes, in datagrams and in bytes") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  for (uint32_t i = 0; i < 200; ++i) rig.guest.tap->to_read.push_back({{}, numbered(1, i, 22)});
  for (uint32_t i = 0; i < 120; ++i) rig.guest.tap->to_read.push_back({{}, numbered(2, i, 1400)});
  rig.run(rig.guest);
  rig.run(rig.guest);
  for (const Sent& sent : rig.sender->sent) {
    CHECK(sent.datagrams().size() <= 64);
    CHECK(sent.bytes.size() <= 65507);
  }
  CHECK(all_datagrams(*rig.sender).size() == 320);
  CHECK(rig.balanced());
}

TEST_CASE("two networks, or two traffic classes, never share a batch") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  const auto red = rig.add_network(43);
  const auto in_red = rig.add_port(red);
  rig.guest.tap->to_read.push_back({{}, numbered(1, 0, 22)});
  rig.guest.tap->to_read.push_back({{}, numbered(1, 1, 22, 0x2e << 2)});
  in_red.tap->to_read.push_back({{}, numbered(1, 2, 22)});
  rig.worker.serve_port(*rig.guest.port);
  rig.worker.serve_port(*in_red.port);
  rig.worker.flush();
  REQUIRE(rig.sender->sent.size() == 3);
  std::set<std::pair<uint32_t, uint8_t>> kinds;
  for (const Sent& sent : rig.sender->sent) kinds.insert({*read_vxlan_header(sent.bytes.data()), sent.traffic_class});
  CHECK(kinds == std::set<std::pair<uint32_t, uint8_t>>{{42, 0}, {42, 0x2e << 2}, {43, 0}});
}

TEST_CASE("flows of mixed lengths: every datagram once, in order within its flow") {
  Random random(11);
  for (int run = 0; run < 200; ++run) {
    OutboxRig rig;
    rig.add_peer("10.0.0.2");
    const uint32_t flows = 1 + random() % 80;
    std::map<uint32_t, uint32_t> next;
    const uint32_t frames = 1 + random() % 600;
    for (unsigned i = 0; i < frames; ++i) {
      const uint16_t flow = static_cast<uint16_t>(1 + random() % flows);
      const size_t size = std::vector<size_t>{22, 60, 61, 512, 1400}[random() % 5];
      rig.guest.tap->to_read.push_back({{}, numbered(flow, next[flow]++, size)});
    }
    while (!rig.guest.tap->to_read.empty()) rig.run(rig.guest);
    std::map<uint32_t, uint32_t> seen;
    for (const Bytes& datagram : all_datagrams(*rig.sender)) {
      const auto [flow, number] = identity(datagram);
      CAPTURE(run);
      REQUIRE(seen[flow]++ == number);
    }
    CHECK(seen == next);
    CHECK(rig.balanced());
  }
}

TEST_CASE("a TCP super-frame leaves as its segments, checksums complete, also beyond one send's limit") {
  for (const bool v6 : {false, true}) {
    for (const size_t payload : {100ul, 1400ul, 1401ul, 2800ul, 60000ul, 65000ul}) {
      CAPTURE(v6);
      CAPTURE(payload);
      OutboxRig rig;
      rig.tables.networks[0].options.mtu = 1500;
      rig.add_peer("10.0.0.2");
      const Bytes super = tcp_super_frame(payload, v6);
      rig.from_guest(rig.guest, super, tso(v6, 1400));
      const size_t count = (payload + 1399) / 1400;
      Bytes joined;
      uint32_t expected_sequence = 100000;
      for (const Sent& sent : rig.sender->sent) CHECK(sent.bytes.size() <= 65507);
      const auto datagrams = all_datagrams(*rig.sender);
      REQUIRE(datagrams.size() == count);
      for (const Bytes& datagram : datagrams) {
        CHECK(read_vxlan_header(datagram.data()) == 42u);
        Bytes frame(datagram.begin() + 8, datagram.end());
        const Packet packet = parsed(frame);
        CHECK(l4_checksum_holds(frame, packet));
        CHECK(ipv4_checksum_holds(frame, packet));
        CHECK(get32(frame, packet.l4_offset + 4u) == expected_sequence);
        expected_sequence += packet.ip_end - packet.payload_offset;
        joined.insert(joined.end(), frame.begin() + packet.payload_offset, frame.end());
      }
      CHECK(joined == Bytes(super.end() - static_cast<long>(payload), super.end()));
      CHECK(rig.worker.counters().received.get() == count);
      CHECK(rig.balanced());
    }
  }
}

TEST_CASE("many super-frames in one round outgrow the header arena and still arrive whole") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  rig.add_peer("10.0.0.3");
  const auto other = rig.add_port(rig.network);
  for (int i = 0; i < 60; ++i) rig.guest.tap->to_read.push_back({tso(false, 500), tcp_super_frame(60000)});
  while (!rig.guest.tap->to_read.empty()) rig.worker.serve_port(*rig.guest.port);
  rig.worker.flush();
  std::map<std::string, size_t> count;
  for (const Sent& sent : rig.sender->sent) {
    for (Bytes datagram : sent.datagrams()) {
      Bytes frame(datagram.begin() + 8, datagram.end());
      REQUIRE(l4_checksum_holds(frame, parsed(frame)));
      ++count[sent.to];
    }
  }
  CHECK(count["10.0.0.2"] == 60 * 120);
  CHECK(count["10.0.0.3"] == 60 * 120);
  // The local port gets each super-frame as it is.
  REQUIRE(other.tap->written.size() == 60);
  CHECK(other.tap->written[0].vnet.gso_size == 500);
  CHECK(other.tap->written[0].bytes == tcp_super_frame(60000));
  CHECK(rig.balanced());
}

TEST_CASE("an unfinished checksum is finished for a peer and left to a local port") {
  for (const bool flood : {false, true}) {
    CAPTURE(flood);
    OutboxRig rig;
    rig.add_peer("10.0.0.2");
    const auto other = rig.add_port(rig.network);
    Spec spec;
    spec.udp = true;
    spec.unfinished = true;
    spec.payload = Bytes(33, 9);
    const Bytes frame = with_macs(build(spec), kMacB, kMacA);
    const VnetHeader vnet{.flags = kVnetNeedsChecksum, .checksum_start = 34, .checksum_offset = 6};
    if (!flood) rig.fdb.declare(rig.network, kMacB, {DestinationKind::port, other.port->index});
    rig.from_guest(rig.guest, frame, vnet);
    REQUIRE(other.tap->written.size() == 1);
    TapFrame& written = other.tap->written[0];
    if (written.vnet.needs_checksum()) {
      CHECK(written.bytes == frame);
      CHECK(written.vnet.checksum_start == 34);
    } else {
      CHECK(l4_checksum_holds(written.bytes, parsed(written.bytes)));
    }
    if (flood) {
      Bytes inner(rig.sender->sent.at(0).bytes.begin() + 8, rig.sender->sent.at(0).bytes.end());
      CHECK(l4_checksum_holds(inner, parsed(inner)));
    }
  }
}

TEST_CASE("EIO on a burst: it is replayed without UDP_SEGMENT, nothing lost or doubled, and the peer stays without") {
  OutboxRig rig;
  Peer* peer = rig.add_peer("10.0.0.2");
  rig.sender->refuse = [](const Sent& message) { return message.segment_size != 0 ? EIO : 0; };
  for (uint32_t i = 0; i < 100; ++i) rig.guest.tap->to_read.push_back({{}, numbered(1, i, 22)});
  rig.run(rig.guest);
  const auto datagrams = all_datagrams(*rig.sender);
  REQUIRE(datagrams.size() == 100);
  for (uint32_t i = 0; i < 100; ++i) CHECK(identity(datagrams[i]).second == i);
  CHECK(peer->state->udp_segment.get().error == EIO);
  const auto events = rig.take_events();
  CHECK(std::count_if(events.begin(), events.end(), [](const Event& e) { return e.type == EventType::peer_offload_disabled; }) == 1);

  rig.sender->sent.clear();
  rig.from_guest(rig.guest, tcp_super_frame(14000), tso(false, 1400));
  CHECK(rig.sender->sent.size() == 10);
  CHECK(rig.dropped(Drop::underlay_refused) == 0);
  CHECK(rig.balanced());
}

TEST_CASE("a partial sendmmsg goes on where it stopped, and an error drops that message alone") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  const std::map<int, Drop> reasons = {{ENOBUFS, Drop::underlay_full},   {EAGAIN, Drop::underlay_full},
                                       {EMSGSIZE, Drop::too_big},        {ENETUNREACH, Drop::no_route},
                                       {EPERM, Drop::underlay_refused},  {ECONNREFUSED, Drop::underlay_refused}};
  for (const auto& [error, reason] : reasons) {
    CAPTURE(error);
    rig.sender->sent.clear();
    const uint64_t before = rig.dropped(reason);
    const int errno_value = error;
    rig.sender->refuse = [&](const Sent& message) { return identity(message.datagrams()[0]).first == 2 ? errno_value : 0; };
    for (uint16_t flow = 1; flow <= 3; ++flow) {
      for (uint32_t i = 0; i < 5; ++i) rig.guest.tap->to_read.push_back({{}, numbered(flow, i, 20u + flow)});
    }
    rig.run(rig.guest);
    CHECK(all_datagrams(*rig.sender).size() == 10);
    CHECK(rig.dropped(reason) == before + 5);
    CHECK(rig.balanced());
  }
}

TEST_CASE("EINVAL disables the offload only if the datagrams pass one by one") {
  OutboxRig rig;
  Peer* peer = rig.add_peer("10.0.0.2");
  rig.sender->refuse = [](const Sent&) { return EINVAL; };
  for (uint32_t i = 0; i < 5; ++i) rig.guest.tap->to_read.push_back({{}, numbered(1, i, 22)});
  rig.run(rig.guest);
  CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
  CHECK(rig.dropped(Drop::no_route) == 5);
  CHECK(rig.balanced());
}

TEST_CASE("EINVAL for a path that is too small, as older kernels say it, does not cost the peer its offload") {
  OutboxRig rig;
  Peer* peer = rig.add_peer("10.0.0.2");
  rig.sender->refuse = [](const Sent& message) { return message.segment_size != 0 ? EINVAL : message.bytes.size() > 1000 ? EMSGSIZE : 0; };
  rig.from_guest(rig.guest, tcp_super_frame(14100), tso(false, 1400));  // the last segment is short and passes
  CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
  CHECK(rig.dropped(Drop::too_big) == 10);
  CHECK(rig.sender->sent.size() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("the offload is tried again after a pause that grows") {
  OutboxRig rig;
  Peer* peer = rig.add_peer("10.0.0.2");
  bool broken = true;
  rig.sender->refuse = [&](const Sent& message) { return broken && message.segment_size != 0 ? EIO : 0; };
  const auto burst_at = [&](Seconds now) {
    rig.worker.set_time(now);
    rig.sender->sent.clear();
    rig.from_guest(rig.guest, tcp_super_frame(14000), tso(false, 1400));
    return rig.sender->sent.size();
  };
  CHECK(burst_at(100) == 10);
  CHECK(burst_at(159) == 10);
  CHECK(peer->state->udp_segment.get().error == EIO);
  CHECK(burst_at(160) == 10);  // tried, and failed again
  CHECK(burst_at(279) == 10);
  broken = false;
  CHECK(burst_at(279) == 10);
  CHECK(burst_at(281) == 1);
  CHECK(peer->state->udp_segment.get().state == OffloadState::in_use);
  CHECK(rig.balanced());
}

TEST_CASE("a path that is too small is reported once a second") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  rig.sender->refuse = [](const Sent&) { return EMSGSIZE; };
  rig.worker.set_time(10);
  for (int i = 0; i < 3; ++i) rig.from_guest(rig.guest, numbered(1, 0, 1400));
  rig.worker.set_time(11);
  rig.from_guest(rig.guest, numbered(1, 0, 1400));
  const auto events = rig.take_events();
  CHECK(std::count_if(events.begin(), events.end(), [](const Event& e) { return e.type == EventType::peer_too_big; }) == 2);
}

TEST_CASE("a peer set to offload: off, or to checksum: zero, gets datagrams one by one") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2", false);
  rig.add_peer("10.0.0.3", true, true);
  for (uint32_t i = 0; i < 5; ++i) rig.guest.tap->to_read.push_back({{}, numbered(1, i, 22)});
  rig.run(rig.guest);
  CHECK(rig.sender->sent.size() == 5);
  CHECK(rig.zero_sender->sent.size() == 5);
  for (const Sent& sent : rig.zero_sender->sent) CHECK(sent.to == "10.0.0.3");
  CHECK(rig.balanced());
}

TEST_CASE("without an underlay frames for peers are dropped as no_route") {
  OutboxRig rig;
  rig.add_peer("10.0.0.2");
  rig.tables.underlay = nullptr;
  rig.publish();
  rig.from_guest(rig.guest, numbered(1, 0, 22));
  rig.from_guest(rig.guest, tcp_super_frame(14000), tso(false, 1400));
  CHECK(rig.dropped(Drop::no_route) == 11);
  CHECK(rig.balanced());
}

// RFC 7348's requirements that a worker alone can show; tests/lab/rfc7348.test.ts has those that need a wire. The numbers are
// those of docs/conformance.md, which is made from the names here and there.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

constexpr const char* kPeer = "10.0.0.2";
constexpr const char* kOtherPeer = "fd00::3";

struct Vtep : Rig {
  explicit Vtep(bool vlan = false) {
    NetworkOptions wanted;
    wanted.vlan = vlan;
    network = add_network(42, wanted);
    guest = add_port(network);
    add_peer(kPeer);
  }
  NetworkIndex network = 0;
  PortHandle guest{};

  size_t delivered() const { return guest.tap->written.size(); }
  Bytes header_sent(size_t message) const {
    const Bytes& bytes = sender->sent.at(message).bytes;
    return Bytes(bytes.begin(), bytes.begin() + kVxlanHeaderBytes);
  }
};

VnetHeader tso(uint16_t segment) {
  return {.flags = kVnetNeedsChecksum, .gso_type = kGsoTcp4, .gso_size = segment, .checksum_start = 34, .checksum_offset = 16};
}

Bytes with_header(const Bytes& header, const Bytes& frame) {
  Bytes out = header;
  out.insert(out.end(), frame.begin(), frame.end());
  return out;
}

Bytes tagged_frame(uint32_t tag) {
  Spec spec;
  spec.udp = true;
  spec.vlan_tags = {tag};
  spec.payload = Bytes(10, 1);
  return with_macs(build(spec), kBroadcast, kMacB);
}

Bytes udp_frame(uint16_t flow, size_t payload, uint8_t traffic_class = 0) {
  Spec spec;
  spec.udp = true;
  spec.source_port = flow;
  spec.traffic_class = traffic_class;
  spec.payload = Bytes(payload, 1);
  return with_macs(build(spec), kMacB, kMacA);
}

// A socket for every source port, each of its own.
std::vector<std::shared_ptr<FakeSender>> use_buckets(Rig& rig, uint32_t count) {
  std::vector<std::shared_ptr<FakeSender>> buckets;
  for (uint32_t i = 0; i < count; ++i) buckets.push_back(std::make_shared<FakeSender>());
  std::vector<std::shared_ptr<VtepSender>> senders(buckets.begin(), buckets.end());
  senders.push_back(rig.zero_sender);
  rig.options.source_ports = count;
  rig.tables.underlay = Underlay::of({rig.receiver}, senders, rig.options);
  rig.publish();
  return buckets;
}

}  // namespace

TEST_CASE("V5: the I flag is set when sent, and what comes without it is dropped") {
  Vtep vtep;
  vtep.from_guest(vtep.guest, ethernet(kBroadcast, kMacA));
  CHECK((vtep.header_sent(0)[0] & 0x08) != 0);
  uint64_t refused = 0;
  for (uint32_t flags = 0; flags < 256; ++flags) {
    CAPTURE(flags);
    vtep.guest.tap->written.clear();
    const Bytes header = {static_cast<uint8_t>(flags), 0, 0, 0, 0, 0, 42, 0};
    vtep.from_underlay(kPeer, with_header(header, ethernet(kBroadcast, kMacB)));
    const bool valid = (flags & 0x08) != 0;
    CHECK(vtep.delivered() == (valid ? 1 : 0));
    refused += valid ? 0 : 1;
    CHECK(vtep.dropped(Drop::bad_vxlan_header) == refused);
  }
  CHECK(vtep.balanced());
}

TEST_CASE("V6: the seven R flags are zero when sent and ignored on receipt") {
  Vtep vtep;
  vtep.from_guest(vtep.guest, ethernet(kBroadcast, kMacA));
  CHECK(vtep.header_sent(0)[0] == 0x08);
  for (const int flag : {0x80, 0x40, 0x20, 0x10, 0x04, 0x02, 0x01, 0xf7}) {
    CAPTURE(flag);
    vtep.guest.tap->written.clear();
    const Bytes header = {static_cast<uint8_t>(0x08 | flag), 0, 0, 0, 0, 0, 42, 0};
    vtep.from_underlay(kPeer, with_header(header, ethernet(kBroadcast, kMacB)));
    REQUIRE(vtep.delivered() == 1);
    CHECK(vtep.guest.tap->written[0].bytes == ethernet(kBroadcast, kMacB));
  }
}

TEST_CASE("V7: the reserved 24 and 8 bits are zero when sent and ignored on receipt") {
  Vtep vtep;
  vtep.from_guest(vtep.guest, ethernet(kBroadcast, kMacA));
  // Of a super-frame every segment has a header of its own.
  Spec spec;
  spec.payload = Bytes(3000, 1);
  spec.unfinished = true;
  vtep.from_guest(vtep.guest, with_macs(build(spec), kMacB, kMacA), tso(1000));
  size_t datagrams = 0;
  for (const Sent& sent : vtep.sender->sent) {
    for (const Bytes& datagram : sent.datagrams()) {
      ++datagrams;
      CHECK(Bytes(datagram.begin(), datagram.begin() + 8) == Bytes{8, 0, 0, 0, 0, 0, 42, 0});
    }
  }
  CHECK(datagrams == 4);
  for (const size_t at : {1, 2, 3, 7}) {
    for (const uint8_t bits : Bytes{0x01, 0x80, 0xff}) {
      CAPTURE(at);
      vtep.guest.tap->written.clear();
      Bytes header = {8, 0, 0, 0, 0, 0, 42, 0};
      header[at] = bits;
      vtep.from_underlay(kPeer, with_header(header, ethernet(kBroadcast, kMacB)));
      CHECK(vtep.delivered() == 1);
    }
  }
}

TEST_CASE("V8: a VNI has 24 bits, and networks of different VNIs do not hear each other") {
  Rig rig;
  const std::vector<uint32_t> vnis = {1, 42, 0x00002b, 0x01002a, 0x2a0000, 0x002a00, 0x80002a, 0xfffffe};
  std::vector<Rig::PortHandle> guests;
  for (const uint32_t vni : vnis) guests.push_back(rig.add_port(rig.add_network(vni)));
  rig.add_peer(kPeer);
  for (size_t i = 0; i < vnis.size(); ++i) {
    CAPTURE(vnis[i]);
    for (const auto& guest : guests) guest.tap->written.clear();
    rig.sender->sent.clear();
    // The same MACs live in all of them.
    rig.from_underlay(kPeer, vxlan(vnis[i], ethernet(kBroadcast, kMacB)));
    rig.from_guest(guests[i], ethernet(kMacB, kMacA));
    for (size_t other = 0; other < vnis.size(); ++other) CHECK(guests[other].tap->written.size() == (other == i ? 1 : 0));
    REQUIRE(rig.sender->sent.size() == 1);
    const Bytes expected = {8, 0, 0, 0, static_cast<uint8_t>(vnis[i] >> 16), static_cast<uint8_t>(vnis[i] >> 8),
                            static_cast<uint8_t>(vnis[i]), 0};
    CHECK(Bytes(rig.sender->sent[0].bytes.begin(), rig.sender->sent[0].bytes.begin() + 8) == expected);
  }
  rig.from_underlay(kPeer, vxlan(0xffffff, ethernet(kBroadcast, kMacB)));
  rig.from_underlay(kPeer, vxlan(0, ethernet(kBroadcast, kMacB)));
  CHECK(rig.dropped(Drop::unknown_vni) == 2);
  CHECK(rig.balanced());
}

TEST_CASE("V11: a flow keeps its source port, and flows spread over all of them") {
  constexpr uint32_t kBuckets = 8;
  Rig rig;
  const auto buckets = use_buckets(rig, kBuckets);
  const auto guest = rig.add_port(rig.add_network(42));
  rig.add_peer(kPeer);

  constexpr uint16_t kFlows = 4000;
  std::map<uint32_t, uint32_t> bucket_of;
  for (int again = 0; again < 3; ++again) {
    for (uint16_t flow = 1; flow <= kFlows; ++flow) {
      // Neither the length nor the traffic class of a frame moves its flow.
      const Bytes frame = udp_frame(flow, 20u + static_cast<size_t>(again) * 300, static_cast<uint8_t>(again << 3));
      guest.tap->to_read.push_back({{}, frame});
    }
    while (!guest.tap->to_read.empty()) rig.run(guest);
    std::vector<uint32_t> load(kBuckets);
    for (uint32_t bucket = 0; bucket < kBuckets; ++bucket) {
      for (const Sent& sent : buckets[bucket]->sent) {
        for (const Bytes& datagram : sent.datagrams()) {
          const uint32_t flow = get16(datagram, kVxlanHeaderBytes + 34);
          const auto [known, is_new] = bucket_of.emplace(flow, bucket);
          CHECK(known->second == bucket);
          CHECK(is_new == (again == 0));
          ++load[bucket];
        }
      }
      buckets[bucket]->sent.clear();
    }
    // Chi-squared with 7 degrees of freedom: above 29.9 once in 10,000 fair deals; the flows are always these.
    double chi = 0;
    const double fair = double{kFlows} / kBuckets;
    for (const uint32_t count : load) chi += (count - fair) * (count - fair) / fair;
    CHECK(chi < 29.9);
  }
  CHECK(bucket_of.size() == kFlows);
}

TEST_CASE("V11: all segments of a super-frame leave by the port of their flow's small frames") {
  Rig rig;
  const auto buckets = use_buckets(rig, 4);
  const auto guest = rig.add_port(rig.add_network(42));
  rig.add_peer(kPeer);
  for (uint16_t flow = 1; flow <= 40; ++flow) {
    for (const auto& bucket : buckets) bucket->sent.clear();
    Spec spec;
    spec.source_port = flow;
    spec.payload = Bytes(100, 1);
    guest.tap->to_read.push_back({{}, with_macs(build(spec), kMacB, kMacA)});
    spec.payload = Bytes(60000, 1);
    spec.unfinished = true;
    guest.tap->to_read.push_back({tso(500), with_macs(build(spec), kMacB, kMacA)});
    rig.run(guest);
    std::vector<size_t> datagrams;
    for (const auto& bucket : buckets) {
      size_t count = 0;
      for (const Sent& sent : bucket->sent) count += sent.datagrams().size();
      if (count != 0) datagrams.push_back(count);
    }
    CHECK(datagrams == std::vector<size_t>{121});
  }
}

TEST_CASE("V16: what comes from an address that is no peer is dropped, and what is sent goes to the peer's address") {
  Vtep vtep;
  vtep.add_peer(kOtherPeer);
  for (const char* stranger : {"10.0.0.1", "10.0.0.22", "fd00::2", "fd00::1:3"}) {
    CAPTURE(stranger);
    vtep.from_underlay(stranger, vxlan(42, ethernet(kBroadcast, kMacB)));
  }
  CHECK(vtep.delivered() == 0);
  CHECK(vtep.dropped(Drop::unknown_peer) == 4);
  CHECK_FALSE(vtep.fdb.find(vtep.network, kMacB).has_value());
  vtep.from_underlay(kPeer, vxlan(42, ethernet(kBroadcast, kMacB)));
  vtep.from_underlay(kOtherPeer, vxlan(42, ethernet(kBroadcast, kMacC)));
  CHECK(vtep.delivered() == 2);
  vtep.from_guest(vtep.guest, ethernet(kMacC, kMacA));
  REQUIRE(vtep.sender->sent.size() == 1);
  CHECK(vtep.sender->sent[0].to == kOtherPeer);
  CHECK(vtep.balanced());
}

TEST_CASE("V17: decapsulation asks for the VNI, learns the inner source at the outer one, and delivers to its destination") {
  Vtep vtep;
  const auto other = vtep.add_port(vtep.network);
  vtep.from_guest(other, ethernet(kBroadcast, kMacC));
  vtep.guest.tap->written.clear();
  vtep.sender->sent.clear();

  vtep.from_underlay(kPeer, vxlan(43, ethernet(kMacC, kMacB)));
  CHECK(vtep.dropped(Drop::unknown_vni) == 1);
  CHECK_FALSE(vtep.fdb.find(vtep.network, kMacB).has_value());

  const Bytes frame = ethernet(kMacC, kMacB);
  vtep.from_underlay(kPeer, vxlan(42, frame));
  REQUIRE(other.tap->written.size() == 1);
  CHECK(other.tap->written[0].bytes == frame);
  CHECK(vtep.delivered() == 0);
  CHECK(vtep.fdb.find(vtep.network, kMacB) == Destination{DestinationKind::peer, 0});
  CHECK(vtep.balanced());
}

TEST_CASE("V18: broadcast, unknown unicast and multicast go to every peer once, the answer to one alone") {
  for (const Mac to : {kBroadcast, Mac{0x01005e000001}, Mac{0x333300000001}, kMacB}) {
    CAPTURE(to);
    Vtep vtep;
    vtep.add_peer(kOtherPeer);
    vtep.add_peer("10.0.0.4");
    vtep.from_guest(vtep.guest, ethernet(to, kMacA));
    std::multiset<std::string> reached;
    for (const Sent& sent : vtep.sender->sent) reached.insert(sent.to);
    CHECK(reached == std::multiset<std::string>{kPeer, kOtherPeer, "10.0.0.4"});

    vtep.sender->sent.clear();
    vtep.from_underlay(kOtherPeer, vxlan(42, ethernet(kMacA, kMacB)));
    CHECK(vtep.delivered() == 1);
    CHECK(vtep.sender->sent.empty());  // what came from one peer goes to no other
    vtep.from_guest(vtep.guest, ethernet(kMacB, kMacA));
    REQUIRE(vtep.sender->sent.size() == 1);
    CHECK(vtep.sender->sent[0].to == kOtherPeer);
  }
}

TEST_CASE("V19: a frame with an inner tag is discarded on decapsulation, unless the network is set to pass") {
  for (const uint32_t tag : {0x81000005u, 0x88a80005u, 0x81000000u, 0x8100e000u}) {
    CAPTURE(tag);
    Vtep drops;
    drops.from_underlay(kPeer, vxlan(42, tagged_frame(tag)));
    CHECK(drops.delivered() == 0);
    CHECK(drops.dropped(Drop::inner_vlan) == 1);
    CHECK_FALSE(drops.fdb.find(drops.network, kMacB).has_value());

    Vtep passes(true);
    passes.from_underlay(kPeer, vxlan(42, tagged_frame(tag)));
    REQUIRE(passes.delivered() == 1);
    CHECK(passes.guest.tap->written[0].bytes == tagged_frame(tag));
  }
}

TEST_CASE("V20: no inner tag leaves in an encapsulated frame, unless the network is set to pass") {
  for (const uint32_t tag : {0x81000005u, 0x88a80005u, 0x81000000u, 0x8100e000u}) {
    CAPTURE(tag);
    Vtep drops;
    drops.from_guest(drops.guest, tagged_frame(tag));
    CHECK(drops.sender->sent.empty());
    CHECK(drops.dropped(Drop::inner_vlan) == 1);

    Vtep passes(true);
    passes.from_guest(passes.guest, tagged_frame(tag));
    REQUIRE(passes.sender->sent.size() == 1);
    CHECK(passes.sender->sent[0].bytes == vxlan(42, tagged_frame(tag)));
  }
}

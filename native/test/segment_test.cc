#include "offload/segment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "test/frame_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kAck = 0x10;
constexpr uint8_t kCwr = 0x80;

VnetHeader gso(const Frame& spec, uint32_t size) {
  const uint8_t tcp = spec.v6 ? kGsoTcp6 : kGsoTcp4;
  return VnetHeader{.flags = kVnetNeedsChecksum,
                    .gso_type = spec.udp ? kGsoUdpL4 : tcp,
                    .header_length = static_cast<uint16_t>(spec.payload_at()),
                    .gso_size = static_cast<uint16_t>(size),
                    .checksum_start = static_cast<uint16_t>(spec.l4()),
                    .checksum_offset = static_cast<uint16_t>(spec.udp ? 6 : 16)};
}

SegmentError plan_of(const Frame& spec, const VnetHeader& vnet) {
  Bytes frame = build(spec);
  SegmentPlan plan;
  return plan_segments(parsed(frame), vnet, plan);
}

// The frames as they go on the wire. Between the header blocks stays what was there.
std::vector<Bytes> segments_of(Bytes& frame, const VnetHeader& vnet, L4Checksums checksums = L4Checksums::finished) {
  const Packet packet = parsed(frame);
  SegmentPlan plan;
  REQUIRE(plan_segments(packet, vnet, plan) == SegmentError::ok);
  const size_t stride = plan.header_length + 5u;
  Bytes blocks(plan.count * stride, 0xee);
  const Bytes before = frame;
  write_segment_headers(packet, vnet, plan, blocks.data(), stride, checksums);
  REQUIRE(frame == before);
  std::vector<Bytes> out;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const uint8_t* block = blocks.data() + i * stride;
    REQUIRE(std::all_of(block + plan.header_length, block + stride, [](uint8_t byte) { return byte == 0xee; }));
    Bytes segment(block, block + plan.header_length);
    const uint8_t* payload = packet.data + packet.payload_offset + i * plan.segment_payload;
    segment.insert(segment.end(), payload, payload + plan.payload_of(i));
    out.push_back(std::move(segment));
  }
  return out;
}

// What the sender would have built itself, segment by segment.
std::vector<Bytes> expected_segments(const Frame& super, size_t size, bool unfinished = false) {
  std::vector<Bytes> out;
  const size_t total = super.payload.size();
  size_t at = 0;
  do {
    Frame one = super;
    const size_t end = std::min(total, at + size);
    one.payload.assign(super.payload.begin() + static_cast<long>(at), super.payload.begin() + static_cast<long>(end));
    one.unfinished = unfinished;
    one.padding = 0;
    one.sequence = super.sequence + static_cast<uint32_t>(at);
    one.id = static_cast<uint16_t>(super.id + out.size());
    if (at != 0) one.tcp_flags &= static_cast<uint8_t>(~kCwr);
    if (end != total) one.tcp_flags &= static_cast<uint8_t>(~(kFin | kPsh));
    out.push_back(build(one));
    at = end;
  } while (at < total);
  return out;
}

}  // namespace

TEST_CASE("segments are the frames that the sender would have built itself") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  Random random(seed);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    Frame super{.v6 = random() % 2 == 0, .udp = random() % 2 == 0};
    for (uint32_t tag = random() % 3; tag > 0; --tag) super.vlan_tags.push_back(0x81000000 | (random() & 0xfff));
    super.traffic_class = static_cast<uint8_t>(random());
    super.flow_label = random() & 0xfffff;
    super.id = static_cast<uint16_t>(random());
    super.dont_fragment = random() % 2 == 0;
    super.sequence = random();
    super.acknowledgement = random();
    super.tcp_flags = static_cast<uint8_t>(kAck | (random() & (kFin | kPsh | kCwr | 0x40)));
    super.tcp_options = random_bytes(random, random() % 11 * 4);
    if (!super.v6) super.ip_options = random_bytes(random, random() % 4 * 4);
    if (super.v6 && random() % 3 == 0) {
      super.first_extension = 60;
      super.extension_headers = {super.protocol(), 0, 1, 4, 0, 0, 0, 0};
    }
    super.unfinished = true;
    super.padding = random() % 3 == 0 ? random() % 20 : 0;
    const uint32_t size = 48 + random() % 3000;
    super.payload = random_bytes(random, random() % std::min(size * kMaxSegments + 1, 65000u));

    Bytes frame = build(super);
    VnetHeader vnet = gso(super, size);
    // Linux gives the length of the first packet here when it forwards; it must not matter.
    vnet.header_length = static_cast<uint16_t>(random());
    if (!super.udp && (super.tcp_flags & kCwr) != 0) vnet.gso_type |= kGsoEcn;
    REQUIRE(segments_of(frame, vnet) == expected_segments(super, size));
    REQUIRE(segments_of(frame, vnet, L4Checksums::unfinished) == expected_segments(super, size, true));
  }
}

TEST_CASE("by hand: three segments of TCP over IPv4") {
  Frame super{.tcp_flags = kAck | kPsh | kFin | kCwr, .payload = Bytes(250, 0x42), .unfinished = true};
  super.id = 0xffff;
  super.sequence = 0xffffff9b;  // 101 before the wrap
  Bytes frame = build(super);
  VnetHeader vnet = gso(super, 100);
  vnet.gso_type |= kGsoEcn;
  std::vector<Bytes> out = segments_of(frame, vnet);
  REQUIRE(out.size() == 3);
  CHECK(out[2].size() == 54 + 50);
  CHECK(get16(out[0], 16) == 140);
  CHECK(get16(out[2], 16) == 90);
  CHECK(get16(out[0], 18) == 0xffff);
  CHECK(get16(out[1], 18) == 0);
  CHECK(get32(out[1], 38) == 0xffffffff);
  CHECK(get32(out[2], 38) == 99);
  CHECK(out[0][47] == (kAck | kCwr));
  CHECK(out[1][47] == kAck);
  CHECK(out[2][47] == (kAck | kPsh | kFin));
  for (Bytes& segment : out) {
    const Packet packet = parsed(segment);
    CHECK(l4_checksum_holds(segment, packet));
    CHECK(ipv4_checksum_holds(segment, packet));
  }
}

TEST_CASE("a super-frame of one segment is valid") {
  for (const size_t payload : {0u, 1u, 100u}) {
    Frame super{.udp = true, .payload = Bytes(payload, 1), .unfinished = true};
    Bytes frame = build(super);
    CHECK(segments_of(frame, gso(super, 100)) == expected_segments(super, 100));
  }
}

TEST_CASE("a UDP checksum of zero goes out as ffff") {
  Frame super{.udp = true, .payload = Bytes(200), .unfinished = true};
  // The last two bytes of the second segment are set so that its sum becomes all ones.
  Frame second = super;
  second.payload.resize(100);
  second.unfinished = false;
  const uint32_t checksum = get16(build(second), second.checksum_at());
  set16(super.payload, 198, checksum);
  Bytes frame = build(super);
  const std::vector<Bytes> out = segments_of(frame, gso(super, 100));
  REQUIRE(out.size() == 2);
  CHECK(get16(out[1], super.checksum_at()) == 0xffff);
}

TEST_CASE("lying virtio headers") {
  const Frame tcp4{.payload = Bytes(3000, 1)};
  const Frame tcp6{.v6 = true, .payload = Bytes(3000, 1)};
  const Frame udp4{.udp = true, .payload = Bytes(3000, 1)};
  CHECK(plan_of(tcp4, gso(tcp4, 1000)) == SegmentError::ok);

  SUBCASE("a type that the frame is not") {
    CHECK(plan_of(tcp4, gso(tcp6, 1000)) == SegmentError::bad_gso);
    CHECK(plan_of(tcp6, gso(tcp4, 1000)) == SegmentError::bad_gso);
    CHECK(plan_of(tcp4, gso(udp4, 1000)) == SegmentError::bad_gso);
    CHECK(plan_of(udp4, gso(tcp4, 1000)) == SegmentError::bad_gso);
  }
  SUBCASE("types that are none of ours") {
    for (uint32_t type = 0; type < 256; ++type) {
      VnetHeader vnet = gso(tcp4, 1000);
      vnet.gso_type = static_cast<uint8_t>(type);
      CHECK((plan_of(tcp4, vnet) == SegmentError::ok) == (type == 1 || type == 0x81));
    }
  }
  SUBCASE("too many segments") {
    const Frame most{.payload = Bytes(kMaxSegments * 48, 1)};
    const Frame more{.payload = Bytes(kMaxSegments * 48 + 1, 1)};
    CHECK(plan_of(most, gso(most, 48)) == SegmentError::ok);
    CHECK(plan_of(more, gso(more, 48)) == SegmentError::bad_gso);
  }
  SUBCASE("tiny segments") {
    const Frame huge{.payload = Bytes(60000, 1)};
    for (const uint32_t size : {0u, 1u, 47u}) CHECK(plan_of(huge, gso(huge, size)) == SegmentError::bad_gso);
    // As the coalescer makes them of tiny datagrams, for a guest that routes them.
    const Frame most{.udp = true, .payload = Bytes(64 * 20, 1)};
    const Frame more{.udp = true, .payload = Bytes(64 * 20 + 1, 1)};
    CHECK(plan_of(most, gso(most, 20)) == SegmentError::ok);
    CHECK(plan_of(more, gso(more, 20)) == SegmentError::bad_gso);
  }
  SUBCASE("fragments") {
    Frame fragment = tcp4;
    fragment.fragment_bits = 0x2000;
    CHECK(plan_of(fragment, gso(tcp4, 1000)) == SegmentError::bad_gso);
  }
  SUBCASE("no transport header") {
    Bytes frame = build(tcp4);
    frame[34 + 12] = 0xf0;
    set16(frame, 16, 70);
    SegmentPlan plan;
    CHECK(plan_segments(parsed(frame), gso(tcp4, 1000), plan) == SegmentError::bad_gso);
  }
  SUBCASE("headers without end") {
    Frame spec{.v6 = true, .payload = Bytes(3000, 1)};
    spec.first_extension = 60;
    spec.extension_headers = Bytes(240);
    spec.extension_headers[0] = 6;
    spec.extension_headers[1] = 29;
    CHECK(plan_of(spec, gso(spec, 1000)) == SegmentError::bad_gso);
  }
}

TEST_CASE("finish_checksum completes TCP and UDP") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      Frame spec{.v6 = v6, .udp = udp, .vlan_tags = {0x81000005}, .payload = Bytes(77, 9), .unfinished = true, .padding = 3};
      Bytes frame = build(spec);
      spec.unfinished = false;
      VnetHeader vnet = gso(spec, 0);
      vnet.gso_type = kGsoNone;
      CHECK(finish_checksum(parsed(frame), vnet));
      CHECK(frame == build(spec));
      CHECK_FALSE(vnet.needs_checksum());
    }
  }
}

TEST_CASE("a checksum may stay unfinished where its place and its value say that it is one, of TCP and UDP alone") {
  const auto may = [](const Frame& spec, uint32_t gso_size = 0, const std::function<void(Bytes&, VnetHeader&)>& change = {}) {
    Bytes frame = build(spec);
    VnetHeader vnet = gso(spec, gso_size);
    if (gso_size == 0) vnet.gso_type = kGsoNone;
    if (change) change(frame, vnet);
    return may_stay_unfinished(parsed(frame), vnet);
  };
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      CAPTURE(v6);
      CAPTURE(udp);
      const Frame spec{.v6 = v6, .udp = udp, .payload = Bytes(200, 9), .unfinished = true};
      const auto with = [&](auto change) {
        Frame other = spec;
        change(other);
        return other;
      };
      CHECK(may(spec));
      CHECK(may(with([](Frame& f) { f.vlan_tags = {0x81000005}; })));
      CHECK(may(with([](Frame& f) { f.payload.clear(); })));
      CHECK(may(spec, 100));
      CHECK(may(with([](Frame& f) { f.padding = 3; }), 100));  // segments have none

      // What the guest finished itself, right or wrong, goes as it is.
      CHECK_FALSE(may(spec, 0, [](Bytes&, VnetHeader& vnet) { vnet = {}; }));
      CHECK_FALSE(may(with([](Frame& f) { f.unfinished = false; })));
      // Hostile: something else in the field, in the lengths, or another place.
      CHECK_FALSE(may(spec, 0, [&](Bytes& frame, VnetHeader&) { frame[spec.checksum_at()] ^= 1; }));
      CHECK_FALSE(may(spec, 0, [&](Bytes& frame, VnetHeader&) { set16(frame, spec.checksum_at(), 0); }));
      CHECK_FALSE(may(spec, 0, [](Bytes&, VnetHeader& vnet) { vnet.checksum_start++; }));
      CHECK_FALSE(may(spec, 0, [](Bytes&, VnetHeader& vnet) { vnet.checksum_offset += 2; }));
      CHECK_FALSE(may(with([](Frame& f) { f.padding = 3; })));
      // What its sum covers is not ours to say.
      CHECK_FALSE(may(with([](Frame& f) {
        if (f.v6) {
          f.first_extension = 60;
          f.extension_headers = {f.protocol(), 0, 1, 4, 0, 0, 0, 0};
        } else {
          f.ip_options = Bytes(4, 1);
        }
      })));
      if (!v6) CHECK_FALSE(may(with([](Frame& f) { f.fragment_bits = 0x2000; })));
      for (const uint16_t port : {uint16_t{67}, uint16_t{68}}) {
        const Frame dhcp = with([&](Frame& f) { f.destination_port = port; });
        CHECK(may(dhcp) == !udp);
        CHECK(may(dhcp, 100) == !udp);
      }
    }
  }
  // Neither TCP nor UDP, whatever it says of its checksum.
  Frame sctp{.payload = Bytes(100, 9), .unfinished = true};
  CHECK_FALSE(may(sctp, 0, [&](Bytes& frame, VnetHeader&) {
    frame[sctp.l3() + 9] = 132;
    refresh_ipv4_checksum(frame, sctp.l3());
  }));
}

TEST_CASE("finish_checksum completes whatever has an offset") {
  // An ICMP echo request, checksum at 2.
  Bytes frame = build(Frame{.payload = Bytes(30, 5)});
  frame[14 + 9] = 1;
  set16(frame, 36, 0);
  VnetHeader vnet{.flags = kVnetNeedsChecksum, .checksum_start = 34, .checksum_offset = 2};
  CHECK(finish_checksum(parsed(frame), vnet));
  CHECK(reference_sum(frame.data() + 34, frame.size() - 34) == 0xffff);
}

TEST_CASE("finish_checksum asks nothing of the protocol: behind tags, extension headers and tunnels, over padding, odd lengths") {
  struct Kind {
    uint8_t protocol;
    uint32_t offset;       // of the checksum in the header
    uint32_t header;       // bytes before the place where the sum begins
  };
  // ICMP, GRE with a checksum, DCCP, ICMPv6, UDP-Lite, and the UDP header of a packet in an IPv4 tunnel.
  for (const Kind kind : {Kind{1, 2, 0}, Kind{47, 4, 0}, Kind{33, 6, 0}, Kind{58, 2, 0}, Kind{136, 6, 0}, Kind{4, 6, 20}}) {
    for (const bool v6 : {false, true}) {
      for (const uint32_t variant : {0u, 1u, 2u, 3u}) {
        CAPTURE(int(kind.protocol));
        CAPTURE(v6);
        CAPTURE(variant);
        Frame spec{.v6 = v6, .payload = Bytes(61 + variant, 0x5c), .padding = variant};
        if ((variant & 1) != 0) spec.vlan_tags = {0x88a80007, 0x81000005};
        if (v6 && variant >= 2) {
          spec.first_extension = 60;
          spec.extension_headers = {kind.protocol, 0, 1, 4, 0, 0, 0, 0};
        } else if (variant >= 2) {
          spec.ip_options = Bytes(8, 1);
        }
        Bytes frame = build(spec);
        const size_t end = frame.size() - spec.padding;
        if (!v6) frame[spec.l3() + 9] = kind.protocol;
        if (!v6) refresh_ipv4_checksum(frame, spec.l3());
        if (v6 && spec.extension_headers.empty()) frame[spec.l3() + 6] = kind.protocol;
        const size_t start = spec.l4() + kind.header;
        // As the sender leaves it: the field is the sum of its pseudo-header.
        set16(frame, start + kind.offset, 0x1234);
        Bytes expected = frame;
        set16(expected, start + kind.offset, ~reference_sum(frame.data() + start, end - start) & 0xffff);
        VnetHeader vnet{.flags = kVnetNeedsChecksum,
                        .checksum_start = static_cast<uint16_t>(start),
                        .checksum_offset = static_cast<uint16_t>(kind.offset)};
        const Packet packet = parsed(frame);
        REQUIRE(packet.l4_offset == 0);
        REQUIRE(finish_checksum(packet, vnet));
        CHECK(frame == expected);
        CHECK_FALSE(vnet.needs_checksum());
      }
    }
  }
}

TEST_CASE("a super-frame behind an authentication header is refused") {
  Frame spec{.v6 = true, .payload = Bytes(3000, 1)};
  spec.first_extension = 51;
  spec.extension_headers = {6, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1};
  CHECK(plan_of(spec, gso(spec, 1000)) == SegmentError::bad_gso);
  spec.first_extension = 60;
  spec.extension_headers = {6, 0, 1, 4, 0, 0, 0, 0};
  CHECK(plan_of(spec, gso(spec, 1000)) == SegmentError::ok);
}

TEST_CASE("finish_checksum writes neither outside the frame nor into what was decided on") {
  const Bytes original = build(Frame{.payload = Bytes(30, 5)});
  const auto refused = [&](uint32_t start, uint32_t offset) {
    Bytes frame = original;
    frame.shrink_to_fit();
    VnetHeader vnet{.flags = kVnetNeedsChecksum,
                    .checksum_start = static_cast<uint16_t>(start),
                    .checksum_offset = static_cast<uint16_t>(offset)};
    const bool done = finish_checksum(parsed(frame), vnet);
    CHECK((done || frame == original));
    return !done;
  };
  const uint32_t end = static_cast<uint32_t>(original.size());
  CHECK(refused(0, 0));    // the destination MAC
  CHECK(refused(6, 0));    // the source MAC
  CHECK(refused(14, 12));  // the source address
  CHECK(refused(34, end - 34));
  CHECK(refused(34, end - 34 - 1));
  CHECK(refused(end, 0));
  CHECK(refused(65535, 65535));
  CHECK(refused(34, 65535));
  CHECK_FALSE(refused(34, end - 34 - 2));
  CHECK_FALSE(refused(34, 16));
}

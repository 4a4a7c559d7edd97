#include "offload/foreign.h"

#include <doctest/doctest.h>

#include "offload/segment.h"
#include "test/frame_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint32_t kMtu = 1450;

struct Described {
  bool ok = false;
  VnetHeader vnet;
  uint32_t wire_frames = 0;
};

Described describe(Bytes& frame, uint32_t mtu, uint32_t udp_gso_size) {
  Described out;
  out.ok = describe_foreign_super_frame(parsed(frame), mtu, udp_gso_size, out.vnet, out.wire_frames);
  return out;
}

}  // namespace

TEST_CASE("TCP gets the MSS that the MTU allows, options counted") {
  for (const bool v6 : {false, true}) {
    Frame spec{.v6 = v6, .tcp_options = Bytes(12, 1), .payload = Bytes(20000, 1), .unfinished = true};
    Bytes frame = build(spec);
    const Described got = describe(frame, kMtu, 0);
    const uint32_t mss = kMtu - (v6 ? 40u : 20u) - 32;
    REQUIRE(got.ok);
    CHECK(got.vnet.flags == kVnetNeedsChecksum);
    CHECK(got.vnet.gso_type == (v6 ? kGsoTcp6 : kGsoTcp4));
    CHECK(got.vnet.gso_size == mss);
    CHECK(got.vnet.header_length == spec.payload_at());
    CHECK(got.vnet.checksum_start == spec.l4());
    CHECK(got.vnet.checksum_offset == 16);
    CHECK(got.wire_frames == (20000 + mss - 1) / mss);
    SegmentPlan plan;
    CHECK(plan_segments(parsed(frame), got.vnet, plan) == SegmentError::ok);
    CHECK(plan.count == got.wire_frames);
  }
}

TEST_CASE("CWR is announced") {
  Bytes frame = build(Frame{.tcp_flags = 0x90, .payload = Bytes(20000, 1), .unfinished = true});
  CHECK(describe(frame, kMtu, 0).vnet.gso_type == (kGsoTcp4 | kGsoEcn));
}

TEST_CASE("UDP gets the size that UDP_GRO reported") {
  Bytes frame = build(Frame{.udp = true, .payload = Bytes(12000, 1), .unfinished = true});
  const Described got = describe(frame, kMtu, 1200);
  REQUIRE(got.ok);
  CHECK(got.vnet.gso_type == kGsoUdpL4);
  CHECK(got.vnet.gso_size == 1200);
  CHECK(got.vnet.checksum_offset == 6);
  CHECK(got.wire_frames == 10);

  CHECK_FALSE(describe(frame, kMtu, 0).ok);
  CHECK_FALSE(describe(frame, kMtu, kMtu).ok);
  CHECK_FALSE(describe(frame, kMtu, 10).ok);
  set16(frame, 14 + 20 + 4, 500);
  CHECK_FALSE(describe(frame, kMtu, 1200).ok);
}

TEST_CASE("what cannot be described") {
  Frame spec{.payload = Bytes(3000, 1), .unfinished = true};
  SUBCASE("a finished checksum: a plain frame of a larger MTU") { spec.unfinished = false; }
  SUBCASE("a fragment") { spec.fragment_bits = 0x2000; }
  SUBCASE("a frame that only its padding makes large") {
    spec.payload = Bytes(100, 1);
    spec.padding = 3000;
  }
  Bytes frame = build(spec);
  CHECK_FALSE(describe(frame, kMtu, 0).ok);
}

TEST_CASE("an MTU without room for payload") {
  Bytes frame = build(Frame{.payload = Bytes(3000, 1), .unfinished = true});
  for (uint32_t mtu = 0; mtu <= 40; ++mtu) CHECK_FALSE(describe(frame, mtu, 0).ok);
}

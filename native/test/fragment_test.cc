// Fragments of IPv4, as a receiver puts them together again.
#include <doctest/doctest.h>

#include "offload/fragment.h"
#include "test/neighbour_frames.h"

using namespace weft;
using namespace weft::test;

namespace {

using Built = weft::test::Frame;

Built fragmentable(size_t payload) { return {.udp = true, .dont_fragment = false, .payload = Bytes(payload, 0x5a)}; }

bool plans(Bytes frame, uint32_t mtu) {
  SegmentPlan plan;
  return plan_fragments(parsed(frame), mtu, plan);
}

std::vector<Bytes> cut(Bytes frame, uint32_t mtu) {
  const Packet packet = parsed(frame);
  SegmentPlan plan;
  REQUIRE(plan_fragments(packet, mtu, plan));
  const size_t stride = plan.header_length + 3;
  Bytes blocks(stride * plan.count, 0xee);
  write_fragment_headers(packet, plan, blocks.data(), stride);
  std::vector<Bytes> out;
  auto payload = frame.begin() + plan.header_length;
  for (uint32_t i = 0; i < plan.count; ++i) {
    const auto header = blocks.begin() + static_cast<long>(i * stride);
    Bytes piece(header, header + plan.header_length);
    piece.insert(piece.end(), payload, payload + plan.payload_of(i));
    payload += plan.payload_of(i);
    out.push_back(std::move(piece));
  }
  return out;
}

}  // namespace

TEST_CASE("fragments fit, follow each other, and are the packet again together") {
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    Built f = fragmentable(0);
    f.payload = random_bytes(random, 1 + random() % 9000);
    f.vlan_tags = std::vector<uint32_t>(random() % 3, 0x81000005);
    f.padding = random() % 4;
    f.id = static_cast<uint16_t>(random());
    f.fragment_bits = static_cast<uint16_t>(random() % 3 == 0 ? (random() % 2) << 13 | random() % 1000 : 0);
    const uint32_t mtu = 128 + random() % 9000;
    CAPTURE(round);
    const Bytes frame = build(f);
    const size_t l3 = f.l3();
    Bytes joined;
    uint32_t offset = f.fragment_bits & 0x1fffu;
    const auto pieces = cut(frame, mtu);
    for (size_t i = 0; i < pieces.size(); ++i) {
      Bytes piece = pieces[i];
      const Packet packet = parsed(piece);
      CHECK(piece.size() - l3 <= mtu);
      CHECK(packet.ip_end == piece.size());
      CHECK(ipv4_checksum_holds(piece, packet));
      const uint32_t bits = get16(piece, l3 + 6);
      CHECK((bits & 0x1fff) == offset);
      CHECK((bits & 0x2000) == (i + 1 < pieces.size() ? 0x2000u : f.fragment_bits & 0x2000u));
      CHECK((bits & 0xc000) == 0);
      CHECK(get16(piece, l3 + 4) == f.id);
      CHECK(std::equal(piece.begin(), piece.begin() + static_cast<long>(l3) + 2, frame.begin()));
      CHECK(std::equal(piece.begin() + static_cast<long>(l3) + 8, piece.begin() + static_cast<long>(l3) + 10,
                       frame.begin() + static_cast<long>(l3) + 8));
      CHECK(std::equal(piece.begin() + static_cast<long>(l3) + 12, piece.begin() + static_cast<long>(l3) + 20,
                       frame.begin() + static_cast<long>(l3) + 12));
      const size_t payload = piece.size() - l3 - 20;
      if (i + 1 < pieces.size()) CHECK(payload % 8 == 0);
      offset += static_cast<uint32_t>(payload / 8);
      joined.insert(joined.end(), piece.begin() + static_cast<long>(l3) + 20, piece.end());
    }
    CHECK(joined == Bytes(frame.begin() + static_cast<long>(l3) + 20, frame.end() - f.padding));
  }
}

TEST_CASE("what may not be fragmented is not") {
  CHECK(plans(build(fragmentable(1400)), 1300));
  Built f = fragmentable(1400);
  f.dont_fragment = true;
  CHECK_FALSE(plans(build(f), 1300));
  f = fragmentable(1400);
  f.fragment_bits = 0x8000;  // must be zero
  CHECK_FALSE(plans(build(f), 1300));
  f = fragmentable(1400);
  f.v6 = true;
  CHECK_FALSE(plans(build(f), 1300));
  Bytes other = build(fragmentable(1400));
  set16(other, 12, 0x88b5);
  CHECK_FALSE(plans(other, 1300));
}

TEST_CASE("options that are not to be copied are in the first fragment only, and padding in the others") {
  // Router alert is copied, record route is not (RFC 791, RFC 2113); NOPs between, and the end of the list.
  const Bytes alert = {0x94, 4, 0, 0}, route = {7, 7, 4, 0, 0, 0, 0}, nop = {1}, end = {0};
  const Bytes nops(7, 1);
  Built f = fragmentable(3000);
  const auto options_of = [&](const Bytes& given) {
    f.ip_options = given;
    std::vector<Bytes> seen;
    Bytes joined;
    for (Bytes piece : cut(build(f), 1300)) {
      const Packet packet = parsed(piece);
      CHECK(piece.size() - 14 <= 1300);
      CHECK(packet.ip_end == piece.size());
      CHECK(ipv4_checksum_holds(piece, packet));
      const auto options = piece.begin() + 34;
      const auto contents = options + static_cast<long>(given.size());
      seen.emplace_back(options, contents);
      joined.insert(joined.end(), contents, piece.end());
    }
    CHECK(joined.size() == 8 + f.payload.size());
    return seen;
  };
  CHECK(options_of(alert) == std::vector<Bytes>(3, alert));
  CHECK(options_of(route + nop) == std::vector<Bytes>{route + nop, nops + nop, nops + nop});
  CHECK(options_of(route + nop + alert) == std::vector<Bytes>{route + nop + alert, nops + nop + alert, nops + nop + alert});
  // Behind the end of the list stand no options.
  CHECK(options_of(end + route) == std::vector<Bytes>(3, end + route));
  // What is not an option is left alone, and no byte beyond the header is read or written.
  for (const Bytes& broken : {Bytes{7, 0, 7, 3}, Bytes{1, 1, 7, 3}, Bytes{1, 1, 1, 7}}) CHECK(options_of(broken) == std::vector<Bytes>(3, broken));
  // A packet that is a later fragment already has no such options to lose; were there some, they go too.
  f.fragment_bits = 10;
  CHECK(options_of(route + nop)[1] == nops + nop);
}

TEST_CASE("no more than 128 fragments, and none for an MTU below 68") {
  CHECK(plans(build(fragmentable(48 * 128 - 8)), 68));
  CHECK_FALSE(plans(build(fragmentable(48 * 128 - 7)), 68));
  CHECK_FALSE(plans(build(fragmentable(100)), 67));
  CHECK_FALSE(plans(build(fragmentable(100)), 0));
}

TEST_CASE("a fragment at the end of what offsets reach is not cut beyond it") {
  Built f = fragmentable(1992);
  f.fragment_bits = 0x1fff - 125;  // 1000 bytes before the last offset
  CHECK(plans(build(f), 1020));
  f.fragment_bits = 0x1fff - 124;
  CHECK_FALSE(plans(build(f), 1020));
}

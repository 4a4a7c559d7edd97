// Who is told that a packet is too large, and by which bytes.
#include <doctest/doctest.h>

#include "offload/packet_too_big.h"
#include "test/frame_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

using Built = weft::test::Frame;

Built large(bool v6, size_t payload = 1400) { return {.v6 = v6, .udp = true, .payload = Bytes(payload, 0x5a)}; }

struct Outcome {
  bool told;
  Bytes frame;  // the error, or what is left of the frame
  Packet packet;
  VnetHeader vnet;
};

Outcome tell(Bytes frame, uint32_t mtu, VnetHeader vnet = {}) {
  Packet packet = parsed(frame);
  SegmentPlan plan;
  if (vnet.is_super_frame()) REQUIRE(plan_segments(packet, vnet, plan) == SegmentError::ok);
  const bool told = become_packet_too_big(packet, vnet, plan, mtu);
  if (told) frame.resize(packet.length);
  packet.data = frame.data();
  return {told, std::move(frame), packet, vnet};
}

bool is_told(const Bytes& frame, uint32_t mtu = 1300, VnetHeader vnet = {}) {
  const Outcome outcome = tell(frame, mtu, vnet);
  if (!outcome.told) CHECK(outcome.frame == frame);
  return outcome.told;
}

// The error that RFC 1191 and RFC 4443 describe, about a packet whose first segment on the wire is `wire`.
void check_error(const Outcome& outcome, const Bytes& wire, size_t l3, bool v6, uint32_t mtu) {
  REQUIRE(outcome.told);
  const Bytes& error = outcome.frame;
  const size_t total = v6 ? 1280 : 576;
  const size_t header = v6 ? 40 : 20;
  const size_t icmp = l3 + header;
  CHECK(error.size() == l3 + total);
  CHECK(outcome.vnet.flags == 0);
  CHECK(outcome.vnet.gso_type == kGsoNone);
  // MACs swapped, tags and ether type kept.
  CHECK(std::equal(error.begin(), error.begin() + 6, wire.begin() + 6));
  CHECK(std::equal(error.begin() + 6, error.begin() + 12, wire.begin()));
  CHECK(std::equal(error.begin() + 12, error.begin() + static_cast<long>(l3), wire.begin() + 12));
  // From where the packet was sent to, to where it came from.
  const size_t at = l3 + (v6 ? 8 : 12), size = v6 ? 16 : 4;
  CHECK(std::equal(error.begin() + static_cast<long>(at), error.begin() + static_cast<long>(at + size),
                   wire.begin() + static_cast<long>(at + size)));
  CHECK(std::equal(error.begin() + static_cast<long>(at + size), error.begin() + static_cast<long>(at + 2 * size),
                   wire.begin() + static_cast<long>(at)));
  if (v6) {
    CHECK(get32(error, l3) == 0x60000000);
    CHECK(get16(error, l3 + 4) == 1240);
    CHECK(error[l3 + 6] == 58);
    CHECK(error[l3 + 7] == wire[l3 + 7]);
    CHECK(get16(error, icmp) == 0x0200);
    CHECK(get32(error, icmp + 4) == mtu);
    CHECK(reference_l4_sum(error, l3, icmp, error.size(), true, 58, true) == 0xffff);
  } else {
    CHECK(get32(error, l3) == (0x45000000 | 576));
    CHECK(get32(error, l3 + 4) == 0x00004000);  // ID 0, DF
    CHECK(error[l3 + 8] == wire[l3 + 8]);
    CHECK(error[l3 + 9] == 1);
    CHECK(ipv4_checksum_holds(error, outcome.packet));
    CHECK(get16(error, icmp) == 0x0304);
    CHECK(get32(error, icmp + 4) == mtu);
    CHECK(reference_sum(error.data() + icmp, error.size() - icmp) == 0xffff);
  }
  const size_t quote = icmp + 8;
  CHECK(std::equal(error.begin() + static_cast<long>(quote), error.end(), wire.begin() + static_cast<long>(l3)));
}

Bytes with_icmp(bool v6, uint8_t type) {
  const Built f = large(v6);
  Bytes frame = build(f);
  frame.at(f.l3() + (v6 ? 6 : 9)) = v6 ? 58 : 1;
  frame.at(f.l4()) = type;
  if (!v6) refresh_ipv4_checksum(frame, f.l3());
  return frame;
}

Bytes with_ipv4_address(size_t at, uint32_t address) {
  const Built f = large(false);
  Bytes frame = build(f);
  set16(frame, f.l3() + at, address >> 16);
  set16(frame, f.l3() + at + 2, address & 0xffff);
  return frame;
}

Bytes with_ipv6_address(size_t at, const Bytes& address) {
  const Built f = large(true);
  Bytes frame = build(f);
  std::copy(address.begin(), address.end(), frame.begin() + static_cast<long>(f.l3() + at));
  return frame;
}

}  // namespace

TEST_CASE("a packet that is too large becomes the error to its sender") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      for (const size_t tags : {0, 1, 2}) {
        CAPTURE(v6);
        CAPTURE(udp);
        CAPTURE(tags);
        Built f = large(v6);
        f.udp = udp;
        f.ttl = 7;
        f.traffic_class = 0xb9;
        f.vlan_tags = std::vector<uint32_t>(tags, 0x81000005);
        f.padding = 3;
        const Bytes frame = build(f);
        check_error(tell(frame, 1300), frame, f.l3(), v6, 1300);
      }
    }
  }
}

TEST_CASE("a packet that fits is not told of, and one that is a byte larger is") {
  for (const bool v6 : {false, true}) {
    const Built f = large(v6);
    const Bytes frame = build(f);
    const uint32_t length = static_cast<uint32_t>(frame.size() - f.l3());
    CHECK_FALSE(is_told(frame, length));
    CHECK(is_told(frame, length - 1));
  }
}

TEST_CASE("IPv4 is told of MTUs from 576, IPv6 from 1280") {
  CHECK(is_told(build(large(false)), 576));
  CHECK_FALSE(is_told(build(large(false)), 575));
  CHECK_FALSE(is_told(build(large(false)), 0));
  CHECK(is_told(build(large(true)), 1280));
  CHECK_FALSE(is_told(build(large(true)), 1279));
}

TEST_CASE("IPv4 without DF is not told") {
  Built f = large(false);
  f.dont_fragment = false;
  CHECK_FALSE(is_told(build(f)));
}

TEST_CASE("fragments of IPv4 are not told of, even with DF") {
  Built f = large(false);
  for (const uint16_t bits : std::vector<uint16_t>{0x2000, 0x0001, 0x2010, 0x8000}) {
    CAPTURE(bits);
    f.fragment_bits = bits;
    CHECK_FALSE(is_told(build(f)));
  }
}

TEST_CASE("the first fragment of IPv6 is told of, a later one is not") {
  Built f = large(true);
  f.first_extension = 44;
  f.extension_headers = {17, 0, 0, 1, 0, 0, 0, 9};
  CHECK(is_told(build(f)));
  f.extension_headers = {17, 0, 0, 9, 0, 0, 0, 9};
  CHECK_FALSE(is_told(build(f)));
}

TEST_CASE("extension headers that nobody can follow are not told of, others are") {
  Built f = large(true);
  f.first_extension = 0;
  f.extension_headers = {17, 0, 1, 4, 0, 0, 0, 0};
  CHECK(is_told(build(f)));
  f.extension_headers = {60, 255, 1, 4, 0, 0, 0, 0};  // promises more than there is
  CHECK_FALSE(is_told(build(f)));
}

TEST_CASE("ICMP errors and redirects are not told of, other ICMP is") {
  for (const uint8_t type : Bytes{3, 4, 5, 11, 12}) {
    CAPTURE(type);
    CHECK_FALSE(is_told(with_icmp(false, type)));
  }
  for (const uint8_t type : Bytes{0, 8, 13}) CHECK(is_told(with_icmp(false, type)));
  for (const uint8_t type : Bytes{1, 2, 3, 4, 100, 127, 137}) {
    CAPTURE(type);
    CHECK_FALSE(is_told(with_icmp(true, type)));
  }
  for (const uint8_t type : Bytes{128, 129, 135}) CHECK(is_told(with_icmp(true, type)));
}

TEST_CASE("an ICMPv6 error behind an extension header is found") {
  Built f = large(true);
  f.first_extension = 60;
  f.extension_headers = {58, 0, 1, 4, 0, 0, 0, 0};
  Bytes frame = build(f);
  frame.at(f.l4()) = 1;
  CHECK_FALSE(is_told(frame));
  frame.at(f.l4()) = 128;
  CHECK(is_told(frame));
}

TEST_CASE("IPv4 addresses that are not of one host are neither told nor told of") {
  for (const uint32_t address : {0u, 0x00010203u, 0x7f000001u, 0xe0000001u, 0xefffffffu, 0xffffffffu}) {
    CAPTURE(address);
    CHECK_FALSE(is_told(with_ipv4_address(12, address)));
    CHECK_FALSE(is_told(with_ipv4_address(16, address)));
  }
  CHECK(is_told(with_ipv4_address(12, 0x08080808)));
}

TEST_CASE("IPv6 addresses that are not of one host are neither told nor told of") {
  Bytes unspecified(16), loopback(16), multicast(16), linked(16);
  loopback[15] = 1;
  multicast[0] = 0xff;
  multicast[1] = 2;
  multicast[15] = 1;
  linked[0] = 0xfe;
  linked[1] = 0x80;
  linked[15] = 1;
  for (const size_t at : {8, 24}) {
    CHECK_FALSE(is_told(with_ipv6_address(at, unspecified)));
    CHECK_FALSE(is_told(with_ipv6_address(at, loopback)));
    CHECK_FALSE(is_told(with_ipv6_address(at, multicast)));
    CHECK(is_told(with_ipv6_address(at, linked)));
  }
}

TEST_CASE("what is not IP is not told of") {
  Bytes frame = build(large(false));
  set16(frame, 12, 0x88b5);
  CHECK_FALSE(is_told(frame));
}

TEST_CASE("padding makes no packet too large") {
  Built f = large(false, 100);
  f.padding = 2000;
  CHECK_FALSE(is_told(build(f), 576));
}

TEST_CASE("a super-frame is told of by its segments, and the first of them is quoted with its checksum") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      CAPTURE(v6);
      CAPTURE(udp);
      Built f = large(v6, 20'000);
      f.udp = udp;
      f.unfinished = true;
      f.tcp_options = udp ? Bytes{} : Bytes{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
      f.vlan_tags = {0x81000005};
      const uint16_t gso_size = 1350;
      const VnetHeader vnet{.flags = kVnetNeedsChecksum,
                            .gso_type = udp ? kGsoUdpL4 : v6 ? kGsoTcp6 : kGsoTcp4,
                            .gso_size = gso_size,
                            .checksum_start = static_cast<uint16_t>(f.l4()),
                            .checksum_offset = static_cast<uint16_t>(f.checksum_at() - f.l4())};
      Built first = f;
      first.unfinished = false;
      first.payload.resize(gso_size);
      const uint32_t segment = static_cast<uint32_t>(f.payload_at() - f.l3() + gso_size);
      const Bytes frame = build(f);
      CHECK_FALSE(is_told(frame, segment, vnet));
      check_error(tell(frame, segment - 1, vnet), build(first), f.l3(), v6, segment - 1);
    }
  }
}

TEST_CASE("an unfinished checksum is complete in the quote") {
  for (const bool v6 : {false, true}) {
    Built f = large(v6);
    f.unfinished = true;
    const VnetHeader vnet{.flags = kVnetNeedsChecksum,
                          .checksum_start = static_cast<uint16_t>(f.l4()),
                          .checksum_offset = 6};
    Built finished = f;
    finished.unfinished = false;
    check_error(tell(build(f), 1300, vnet), build(finished), f.l3(), v6, 1300);
  }
}

TEST_CASE("any packet that is told of gives a correct error") {
  Random random(11);
  for (int round = 0; round < 3000; ++round) {
    Built f = large(random() % 2 == 0, 560 + random() % 8000);
    f.udp = random() % 2 == 0;
    f.payload = random_bytes(random, f.payload.size());
    f.vlan_tags = std::vector<uint32_t>(random() % 4, 0x81000000 | (random() & 0xffff));
    f.ttl = static_cast<uint8_t>(random());
    f.traffic_class = static_cast<uint8_t>(random());
    f.ip_options = Bytes(f.v6 ? 0 : random() % 11 * 4, 1);
    f.source_host = 1 + random() % 1000;
    f.destination_host = 1 + random() % 1000;
    f.padding = random() % 5;
    const uint32_t mtu = 500 + random() % 9000;
    CAPTURE(round);
    const Bytes frame = build(f);
    const uint32_t length = static_cast<uint32_t>(frame.size() - f.l3() - f.padding);
    const Outcome outcome = tell(frame, mtu);
    CHECK(outcome.told == (length > mtu && mtu >= (f.v6 ? 1280 : 576)));
    if (outcome.told) check_error(outcome, frame, f.l3(), f.v6, mtu);
  }
}

#include "wire/packet.h"

#include <doctest/doctest.h>

#include <array>
#include <set>
#include <utility>

#include "test/frame_builder.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint32_t kTag = 0x81000005;         // 802.1Q, VLAN 5
constexpr uint32_t kServiceTag = 0x88a80007;  // 802.1ad, VLAN 7

ParseResult parse_result(Bytes frame) {
  Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  return parse(packet);
}

Bytes arp_request() {
  Bytes frame(42);
  frame[12] = 0x08;
  frame[13] = 0x06;
  return frame;
}

}  // namespace

TEST_CASE("finds every layer of TCP and UDP over IPv4 and IPv6, tagged or not") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      for (const auto& tags : {std::vector<uint32_t>{}, {kTag}, {kServiceTag, kTag}}) {
        Frame spec{.v6 = v6, .udp = udp, .vlan_tags = tags, .traffic_class = 0xb9, .payload = Bytes(33, 1), .padding = 9};
        if (!udp) spec.tcp_options = Bytes(12, 1);
        Bytes frame = build(spec);
        const Packet packet = parsed(frame);
        CHECK(packet.length == frame.size());
        CHECK(packet.ip_end == frame.size() - 9);
        CHECK(packet.l3_offset == spec.l3());
        CHECK(packet.l4_offset == spec.l4());
        CHECK(packet.payload_offset == spec.payload_at());
        CHECK(packet.ether_type == (v6 ? 0x86dd : 0x0800));
        CHECK(packet.ip_version == (v6 ? 6 : 4));
        CHECK(packet.protocol == spec.protocol());
        CHECK(packet.traffic_class == 0xb9);
        CHECK(packet.vlan == !tags.empty());
        CHECK_FALSE(packet.fragment);
        CHECK_FALSE(packet.ip_options);
        CHECK(packet.is_tcp() == !udp);
        CHECK(packet.is_udp() == udp);
      }
    }
  }
}

TEST_CASE("skips IPv4 options") {
  Frame spec{.ip_options = Bytes(8, 1), .payload = Bytes(5, 1)};
  Bytes frame = build(spec);
  const Packet packet = parsed(frame);
  CHECK(packet.ip_options);
  CHECK(packet.l4_offset == 14 + 28);
}

TEST_CASE("walks IPv6 extension headers") {
  // Hop-by-hop (8 bytes), routing without segments left (8), authentication (16), destination options (16), TCP.
  Frame spec{.v6 = true, .payload = Bytes(5, 1)};
  spec.first_extension = 0;
  spec.extension_headers = {43, 0, 1, 4, 0, 0, 0, 0};
  const Bytes rest = {51, 0, 0, 0, 0, 0, 0, 0,                          //
                      60, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
                      6,  1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  spec.extension_headers.insert(spec.extension_headers.end(), rest.begin(), rest.end());
  Bytes frame = build(spec);
  Packet packet = parsed(frame);
  CHECK(packet.ip_options);
  CHECK(packet.protocol == 6);
  CHECK(packet.l4_offset == spec.l4());

  SUBCASE("but not past a routing header with segments left, whose checksum is over another address") {
    frame[14 + 40 + 8 + 3] = 1;
    packet = parsed(frame);
    CHECK(packet.l4_offset == 0);
    CHECK(packet.ip_version == 6);
  }
  SUBCASE("nor past a header that reaches beyond the datagram") {
    frame[14 + 40 + 1] = 255;
    packet = parsed(frame);
    CHECK(packet.l4_offset == 0);
    CHECK(packet.ip_end == frame.size());
  }
}

TEST_CASE("gives up on an endless chain of extension headers") {
  Frame spec{.v6 = true, .payload = Bytes(5, 1)};
  spec.first_extension = 60;
  for (int i = 0; i < 100; ++i) {
    const Bytes next = {60, 0, 1, 4, 0, 0, 0, 0};
    spec.extension_headers.insert(spec.extension_headers.end(), next.begin(), next.end());
  }
  Bytes frame = build(spec);
  CHECK(parsed(frame).l4_offset == 0);
}

TEST_CASE("fragments have no L4, the first one included") {
  for (const uint16_t bits : std::array<uint16_t, 3>{0x2000, 0x2010, 0x0010}) {
    Frame spec{.udp = true, .dont_fragment = false, .fragment_bits = bits, .payload = Bytes(64, 1)};
    Bytes frame = build(spec);
    const Packet packet = parsed(frame);
    CHECK(packet.fragment);
    CHECK(packet.l4_offset == 0);
    CHECK(packet.protocol == 17);
  }
  Frame spec{.v6 = true, .udp = true, .payload = Bytes(64, 1)};
  spec.first_extension = 44;
  spec.extension_headers = {17, 0, 0, 1, 0, 0, 0, 9};
  Bytes frame = build(spec);
  const Packet packet = parsed(frame);
  CHECK(packet.fragment);
  CHECK(packet.l4_offset == 0);
  CHECK(packet.protocol == 17);
}

TEST_CASE("every fragment of a datagram hashes equally") {
  Frame first{.udp = true, .dont_fragment = false, .fragment_bits = 0x2000, .payload = Bytes(64, 1)};
  Frame last{.udp = true, .source_port = 9, .dont_fragment = false, .fragment_bits = 0x0010, .payload = Bytes(24, 7)};
  Bytes a = build(first);
  Bytes b = build(last);
  CHECK(parsed(a).flow_hash == parsed(b).flow_hash);
}

TEST_CASE("frames that cannot be forwarded") {
  CHECK(parse_result(Bytes(0)) == ParseResult::runt);
  CHECK(parse_result(Bytes(13)) == ParseResult::runt);
  CHECK(parse_result(Bytes(14)) == ParseResult::ok);
  for (const bool v6 : {false, true}) {
    Bytes frame = build(Frame{.v6 = v6, .payload = Bytes(50, 1)});
    CHECK(parse_result(frame) == ParseResult::ok);
    frame.pop_back();
    CHECK(parse_result(frame) == ParseResult::ip_length);
  }
}

TEST_CASE("damage leaves an opaque frame") {
  Bytes frame = build(Frame{.payload = Bytes(50, 1)});
  SUBCASE("a version that the ether type does not name") { frame[14] = 0x65; }
  SUBCASE("a header shorter than the shortest") { frame[14] = 0x44; }
  SUBCASE("a total length shorter than the header") { set16(frame, 16, 19); }
  SUBCASE("another ether type") { set16(frame, 12, 0x88cc); }
  SUBCASE("an IEEE 802.3 length") { set16(frame, 12, 100); }
  SUBCASE("a tag that is cut off") {
    frame.resize(16);
    set16(frame, 12, 0x8100);
  }
  SUBCASE("more tags than anybody uses") {
    for (size_t at = 12; at < 60; at += 4) set16(frame, at, 0x8100);
  }
  const Packet packet = parsed(frame);
  CHECK(packet.ip_version == 0);
  CHECK(packet.l3_offset == 0);
  CHECK(packet.l4_offset == 0);
  CHECK(packet.ip_end == 0);
}

TEST_CASE("a transport header that is cut off is none") {
  Bytes tcp = build(Frame{});
  set16(tcp, 16, 39);
  CHECK(parsed(tcp).l4_offset == 0);
  CHECK(parsed(tcp).ip_version == 4);
  set16(tcp, 16, 40);
  CHECK(parsed(tcp).l4_offset == 34);
  tcp[34 + 12] = 0x60;
  CHECK(parsed(tcp).l4_offset == 0);
  tcp[34 + 12] = 0x40;
  CHECK(parsed(tcp).l4_offset == 0);

  Bytes udp = build(Frame{.v6 = true, .udp = true});
  CHECK(parsed(udp).l4_offset == 54);
  set16(udp, 18, 7);
  CHECK(parsed(udp).l4_offset == 0);
}

TEST_CASE("a super-frame is a frame") {
  Bytes frame = build(Frame{.payload = Bytes(65535 - 40, 1)});
  CHECK(parsed(frame).ip_end == 14 + 65535);
  Bytes v6 = build(Frame{.v6 = true, .payload = Bytes(65535 - 20, 1)});
  CHECK(parsed(v6).ip_end == 54 + 65535);
}

TEST_CASE("the flow hash is equal in both directions and differs between flows") {
  for (const bool v6 : {false, true}) {
    std::set<uint32_t> seen;
    for (uint32_t host = 2; host < 6; ++host) {
      for (uint16_t port = 0; port < 500; ++port) {
        Frame there{.v6 = v6, .destination_host = host, .source_port = port};
        Frame back{.v6 = v6, .source_host = host, .destination_host = 1, .source_port = 2000, .destination_port = port};
        Bytes a = build(there);
        Bytes b = build(back);
        REQUIRE(parsed(a).flow_hash == parsed(b).flow_hash);
        seen.insert(parsed(a).flow_hash);
      }
    }
    CHECK(seen.size() == 2000);
  }
  Bytes tcp = build(Frame{.payload = Bytes(8)});
  Bytes udp = build(Frame{.udp = true, .payload = Bytes(8)});
  CHECK(parsed(tcp).flow_hash != parsed(udp).flow_hash);
}

TEST_CASE("the flow hash places the neighbours of a subnet and of a port range evenly") {
  std::array<int, 4> by_port{};
  std::array<int, 4> by_host{};
  for (uint16_t i = 0; i < 4000; ++i) {
    Bytes a = build(Frame{.source_port = static_cast<uint16_t>(32768 + i)});
    Bytes b = build(Frame{.source_host = 16u + i});
    by_port[parsed(a).flow_hash % 4]++;
    by_host[parsed(b).flow_hash % 4]++;
  }
  // 1000 each are expected with a deviation of 27: six of them.
  for (const int count : by_port) CHECK(std::abs(count - 1000) < 165);
  for (const int count : by_host) CHECK(std::abs(count - 1000) < 165);
}

TEST_CASE("frames that are not IP hash on their MAC addresses, in both directions") {
  Bytes there = arp_request();
  there[5] = 1;
  there[11] = 2;
  Bytes back = there;
  std::swap(back[5], back[11]);
  Bytes other = there;
  other[11] = 3;
  CHECK(parsed(there).flow_hash == parsed(back).flow_hash);
  CHECK(parsed(there).flow_hash != parsed(other).flow_hash);
}

TEST_CASE("whatever is cut off, nothing is read beyond the end") {
  for (const bool v6 : {false, true}) {
    Frame spec{.v6 = v6, .vlan_tags = {kTag}, .payload = Bytes(20, 1)};
    if (v6) {
      spec.extension_headers = {6, 0, 1, 4, 0, 0, 0, 0};
    }
    const Bytes whole = build(spec);
    for (size_t length = 0; length <= whole.size(); ++length) {
      Bytes cut(whole.begin(), whole.begin() + static_cast<long>(length));
      cut.shrink_to_fit();
      parse_result(cut);
      // The same with an IP length that agrees, so that the parser goes on.
      if (length >= 24) {
        set16(cut, v6 ? 22 : 20, static_cast<uint32_t>(v6 ? (length > 58 ? length - 58 : 0) : length - 18));
        parse_result(cut);
      }
    }
  }
}

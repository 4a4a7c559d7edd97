// What a guarded port may send, and every way around it that we know of. The port is kMacA at 10.42.0.1 and fd42::1.
#include <doctest/doctest.h>

#include "offload/segment.h"
#include "test/neighbour_frames.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr Ip4 kOwn4 = 0x0a2a0001, kOther4 = 0x0a2a0002;
constexpr Ip6 kOwn6{0xfd42000000000000, 1}, kOther6{0xfd42000000000000, 2};
constexpr Ip6 kOwnLink{0xfe80000000000000, 0x000000fffe000001};    // of 02:00:00:00:00:01
constexpr Ip6 kOtherLink{0xfe80000000000000, 0x000000fffe000002};
constexpr Ip6 kNone{};

constexpr uint8_t kRs = 133, kRa = 134, kNs = 135, kNa = 136, kRedirect = 137, kEcho = 128, kMld = 143;

const char* const kPassed = "passed";

Endpoint address(const char* text) { return *Endpoint::parse(text, 0); }

std::shared_ptr<const Guard> guard() {
  return std::make_shared<const Guard>(kMacA, std::vector<Endpoint>{address("10.42.0.1"), address("fd42::1")});
}

// What becomes of a frame from the guarded port, on a network that passes VLAN tags.
const char* fate(Bytes frame, const VnetHeader& vnet = {}) {
  Packet packet = parsed(frame);
  const auto reason = guard()->refuse(packet, vnet);
  return reason ? kDropTable[static_cast<size_t>(*reason)].name : kPassed;
}

std::string fate_of(Bytes frame, const VnetHeader& vnet = {}) { return fate(std::move(frame), vnet); }

VnetHeader needs_checksum(size_t start, size_t offset) {
  return {.flags = kVnetNeedsChecksum,
          .checksum_start = static_cast<uint16_t>(start),
          .checksum_offset = static_cast<uint16_t>(offset)};
}

// An IPv6 packet of the guarded port with `first` as the kind of its first header behind the fixed one.
Bytes ipv6(uint8_t first, const Bytes& contents, Ip6 source = kOwn6) {
  Bytes out = header(kMacB, kMacA, {}, 0x86dd);
  put32(out, 6u << 28);
  put16(out, static_cast<uint32_t>(contents.size()));
  out.push_back(first);
  out.push_back(255);
  put_ip6(out, source);
  put_ip6(out, kOther6);
  out.insert(out.end(), contents.begin(), contents.end());
  return out;
}

// Fragment headers: offset in units of 8 bytes.
Bytes fragment(uint8_t next, uint32_t offset, bool more) {
  Bytes out = {next, 0};
  put16(out, offset << 3 | (more ? 1 : 0));
  put32(out, 7);
  return out;
}

const Bytes kForgedNa = Bytes{kNa, 0, 0, 0} + about(kOther6, link_layer(2, kMacA));
const Bytes kHonestNa = Bytes{kNa, 0, 0, 0} + about(kOwn6, link_layer(2, kMacA));
const Bytes kRouterSays = Bytes{kRa, 0, 0, 0} + Bytes(12);
const Bytes kOffer6 = Bytes{547 >> 8, 547 & 0xff, 546 >> 8, 546 & 0xff, 0, 16} + Bytes(10);
const Bytes kHonestEcho = {kEcho, 0, 0, 0, 0, 1, 0, 1};

test::Frame udp_from(Ip4 host_part, uint16_t from, uint16_t to) {
  return {.udp = true, .source_host = host_part, .source_port = from, .destination_port = to, .payload = Bytes(100, 1)};
}

test::Frame udp6(uint16_t from, uint16_t to) {
  return {.v6 = true, .udp = true, .source_port = from, .destination_port = to, .payload = Bytes(100, 1)};
}

// An IPv4 packet of the guarded port. `fragment_bits` as they lie in the header.
Bytes ipv4(uint8_t protocol, const Bytes& contents, uint32_t fragment_bits = 0) {
  Bytes out = header(kMacB, kMacA, {}, 0x0800);
  put16(out, 0x4500);
  put16(out, static_cast<uint32_t>(20 + contents.size()));
  put16(out, 7);
  put16(out, fragment_bits);
  out.push_back(64);
  out.push_back(protocol);
  put16(out, 0);
  put32(out, kOwn4);
  put32(out, kOther4);
  refresh_ipv4_checksum(out, 14);
  out.insert(out.end(), contents.begin(), contents.end());
  return out;
}

// build() of frame_builder.h with 0.0.0.0 or another address in the place of the source's.
Bytes with_source4(Bytes frame, Ip4 source, size_t l3 = 14) {
  set16(frame, l3 + 12, source >> 16);
  set16(frame, l3 + 14, source & 0xffff);
  refresh_ipv4_checksum(frame, l3);
  return frame;
}

}  // namespace

TEST_CASE("the source MAC of every frame is the guard's") {
  CHECK(fate_of(ethernet(kMacB, kMacA)) == kPassed);
  CHECK(fate_of(ethernet(kMacB, kMacC)) == "spoofed_mac");
  CHECK(fate_of(with_macs(build(test::Frame{.payload = Bytes(10)}), kMacB, kMacC)) == "spoofed_mac");
  CHECK(fate_of(with_macs(build(test::Frame{.v6 = true, .payload = Bytes(10)}), kMacB, kMacC)) == "spoofed_mac");
  CHECK(fate_of(build(Arp{.from = kMacC, .sender_ip = kOwn4})) == "spoofed_mac");
}

TEST_CASE("IP packets come from the guard's addresses") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      CAPTURE(v6);
      CAPTURE(udp);
      CHECK(fate_of(build(test::Frame{.v6 = v6, .udp = udp, .payload = Bytes(10)})) == kPassed);
      CHECK(fate_of(build(test::Frame{.v6 = v6, .udp = udp, .source_host = 2, .payload = Bytes(10)})) == "spoofed_address");
    }
  }
  // Any protocol, any fragment.
  Bytes icmp = build(test::Frame{.payload = Bytes(10)});
  icmp[23] = 1;
  refresh_ipv4_checksum(icmp, 14);
  CHECK(fate_of(icmp) == kPassed);
  CHECK(fate_of(with_source4(icmp, kOther4)) == "spoofed_address");
  CHECK(fate_of(build(test::Frame{.fragment_bits = 0x2000, .payload = Bytes(16)})) == kPassed);
  CHECK(fate_of(build(test::Frame{.fragment_bits = 5, .payload = Bytes(16)})) == kPassed);
  CHECK(fate_of(build(test::Frame{.source_host = 2, .fragment_bits = 5, .payload = Bytes(16)})) == "spoofed_address");
  CHECK(fate_of(build(test::Frame{.source_host = 2, .ip_options = Bytes(8, 1), .payload = Bytes(16)})) == "spoofed_address");
  CHECK(fate_of(ipv6(47, Bytes(16))) == kPassed);
  CHECK(fate_of(ipv6(47, Bytes(16), kOther6)) == "spoofed_address");
  CHECK(fate_of(ipv6(47, Bytes(16), kOwnLink)) == kPassed);
  CHECK(fate_of(ipv6(17, Bytes(16), kOtherLink)) == "spoofed_address");
}

TEST_CASE("a guard without addresses leaves the link-local one, and what has none yet") {
  const Guard none(kMacA, {});
  const auto passes = [&](Bytes frame) { return !none.refuse(parsed(frame), {}).has_value(); };
  CHECK_FALSE(passes(build(test::Frame{.payload = Bytes(10)})));
  CHECK_FALSE(passes(build(Arp{.sender_ip = kOwn4})));
  CHECK(passes(build(Arp{.target_ip = kOwn4})));
  CHECK(passes(ipv6(47, Bytes(16), kOwnLink)));
}

TEST_CASE("0.0.0.0 speaks DHCP and nothing else") {
  CHECK(fate_of(with_source4(build(udp_from(1, 68, 67)), 0)) == kPassed);
  CHECK(fate_of(with_source4(build(udp_from(1, 67, 68)), 0)) == "spoofed_address");  // a server
  CHECK(fate_of(with_source4(build(udp_from(1, 68, 53)), 0)) == "spoofed_address");
  CHECK(fate_of(with_source4(build(test::Frame{.source_port = 68, .destination_port = 67}), 0)) == "spoofed_address");  // TCP
  test::Frame part = udp_from(1, 68, 67);
  part.fragment_bits = 0x2000;
  CHECK(fate_of(with_source4(build(part), 0)) == "spoofed_address");
  // With an unfinished checksum, as the guest's kernel leaves it - but not one that is written over the ports.
  CHECK(fate_of(with_source4(build(udp_from(1, 68, 67)), 0), needs_checksum(34, 6)) == kPassed);
  CHECK(fate_of(with_source4(build(udp_from(1, 68, 67)), 0), needs_checksum(34, 2)) == "spoofed_address");
}

TEST_CASE("ARP tells the guard's MAC and one of its addresses") {
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4, .target_ip = kOther4})) == kPassed);
  CHECK(fate_of(build(Arp{.to = kMacB, .operation = 2, .sender_ip = kOwn4, .target = kMacB, .target_ip = kOther4})) == kPassed);
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4, .target_ip = kOwn4})) == kPassed);
  CHECK(fate_of(build(Arp{.sender_ip = 0, .target_ip = kOwn4})) == kPassed);  // a probe
  for (const uint16_t operation : std::initializer_list<uint16_t>{1, 2, 3, 9}) {
    CAPTURE(operation);
    CHECK(fate_of(build(Arp{.operation = operation, .sender_ip = kOther4})) == "spoofed_address");
    CHECK(fate_of(build(Arp{.operation = operation, .sender = kMacB, .sender_ip = kOwn4})) == "spoofed_mac");
  }
  CHECK(fate_of(build(Arp{.operation = 2, .sender_ip = 0})) == "spoofed_address");  // an answer of nobody
  // As nobody should read it.
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4, .hardware = 6})) == "spoofed_address");
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4, .protocol = 0x86dd})) == "spoofed_address");
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4, .lengths = 0x0804})) == "spoofed_address");
  Bytes cut = build(Arp{.sender_ip = kOwn4});
  cut.pop_back();
  CHECK(fate_of(cut) == "spoofed_address");
  cut.resize(14);
  CHECK(fate_of(cut) == "spoofed_address");
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4}) + Bytes(18)) == kPassed);  // padded
}

TEST_CASE("ND tells the guard's MAC and its addresses") {
  const auto nd = [](uint8_t type, Ip6 source, const Bytes& body) {
    return fate_of(build(Icmpv6{.source = source, .type = type, .body = body}));
  };
  const Bytes own = link_layer(1, kMacA), other = link_layer(1, kMacB);
  const Bytes own_target = link_layer(2, kMacA), other_target = link_layer(2, kMacB);

  SUBCASE("solicitations") {
    CHECK(nd(kNs, kOwn6, about(kOther6, own)) == kPassed);
    CHECK(nd(kNs, kOwnLink, about(kOther6, own)) == kPassed);
    CHECK(nd(kNs, kOwn6, about(kOther6)) == kPassed);
    CHECK(nd(kNs, kOther6, about(kOwn6, own)) == "spoofed_address");
    CHECK(nd(kNs, kOwn6, about(kOther6, other)) == "spoofed_mac");
    CHECK(nd(kRs, kOwnLink, Bytes(4) + own) == kPassed);
    CHECK(nd(kRs, kOwnLink, Bytes(4) + other) == "spoofed_mac");
    CHECK(nd(kRs, kNone, Bytes(4)) == kPassed);
  }
  SUBCASE("duplicate address detection is for the guard's own addresses") {
    CHECK(nd(kNs, kNone, about(kOwn6)) == kPassed);
    CHECK(nd(kNs, kNone, about(kOwnLink)) == kPassed);
    CHECK(nd(kNs, kNone, about(kOther6)) == "spoofed_address");
  }
  SUBCASE("advertisements") {
    CHECK(nd(kNa, kOwn6, about(kOwn6, own_target)) == kPassed);
    CHECK(nd(kNa, kOwnLink, about(kOwn6, own_target)) == kPassed);
    CHECK(nd(kNa, kOwn6, about(kOwnLink)) == kPassed);
    CHECK(nd(kNa, kOwn6, about(kOther6, own_target)) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOther6)) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOtherLink, own_target)) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOwn6, other_target)) == "spoofed_mac");
    CHECK(nd(kNa, kOther6, about(kOwn6, own_target)) == "spoofed_address");
    CHECK(nd(kNa, kNone, about(kOwn6, own_target)) == "spoofed_address");
    // Whichever option a receiver takes.
    CHECK(nd(kNa, kOwn6, about(kOwn6, own_target + other_target)) == "spoofed_mac");
    CHECK(nd(kNa, kOwn6, about(kOwn6, other_target + own_target)) == "spoofed_mac");
    CHECK(nd(kNa, kOwn6, about(kOwn6, own_target + Bytes{14, 1, 0, 0, 0, 0, 0, 0} + own_target)) == kPassed);
    // A hop limit that receivers should refuse is no way out.
    CHECK(fate_of(build(Icmpv6{.source = kOwn6, .hop_limit = 64, .type = kNa, .body = about(kOther6)})) == "spoofed_address");
  }
  SUBCASE("router advertisements and redirects") {
    CHECK(nd(kRa, kOwnLink, Bytes(12) + own) == "rogue_service");
    CHECK(nd(kRa, kOwnLink, Bytes(12)) == "rogue_service");
    CHECK(nd(kRa, kOwn6, Bytes(12)) == "rogue_service");
    CHECK(nd(kRa, kOwnLink, Bytes(12) + other) == "rogue_service");
    CHECK(nd(kRa, kOtherLink, Bytes(12) + own) == "spoofed_address");
    CHECK(nd(kRedirect, kOwnLink, Bytes(36)) == "rogue_service");
    CHECK(nd(kRedirect, kOwnLink, Bytes(36) + other_target) == "rogue_service");
    CHECK(nd(kRedirect, kOtherLink, Bytes(36)) == "spoofed_address");
    CHECK(fate_of(build(Icmpv6{.source = kOwnLink, .hop_limit = 64, .type = kRa, .body = Bytes(12)})) == "rogue_service");
  }
  SUBCASE("messages that are cut off or have broken options") {
    CHECK(nd(kNa, kOwn6, Bytes(19)) == "spoofed_address");
    CHECK(nd(kNs, kOwn6, Bytes(4)) == "spoofed_address");
    CHECK(nd(kRs, kOwnLink, {}) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOwn6, {2, 0, 2, 0, 0, 0, 0, 1})) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOwn6, {2, 2, 2, 0, 0, 0, 0, 1})) == "spoofed_address");
    CHECK(nd(kNa, kOwn6, about(kOwn6, {2, 1, 2, 0, 0, 0, 0})) == "spoofed_address");
    CHECK(fate_of(ipv6(58, {})) == "spoofed_address");
  }
  SUBCASE("other messages need the right source") {
    CHECK(nd(kEcho, kOwn6, Bytes(4)) == kPassed);
    CHECK(nd(kEcho, kOther6, Bytes(4)) == "spoofed_address");
    CHECK(nd(kEcho, kNone, Bytes(4)) == "spoofed_address");
    CHECK(nd(kMld, kNone, Bytes(4)) == kPassed);
    CHECK(nd(kMld, kOwnLink, Bytes(4)) == kPassed);
    CHECK(nd(kMld, kOtherLink, Bytes(4)) == "spoofed_address");
  }
}

TEST_CASE("a guarded port serves no DHCP") {
  for (const uint16_t from : std::initializer_list<uint16_t>{67, 547, 1024}) {
    CAPTURE(from);
    CHECK(fate_of(build(udp_from(1, from, 68))) == "rogue_service");
    CHECK(fate_of(build(udp6(from, 546))) == "rogue_service");
  }
  // Clients ask on.
  CHECK(fate_of(build(udp_from(1, 68, 67))) == kPassed);
  CHECK(fate_of(build(udp6(546, 547))) == kPassed);
  CHECK(fate_of(build(test::Frame{.source_port = 67, .destination_port = 68, .payload = Bytes(10)})) == kPassed);  // TCP
  CHECK(fate_of(build(udp6(67, 68))) == kPassed);
  CHECK(fate_of(build(udp_from(1, 547, 546))) == kPassed);

  // Behind options, tags and extension headers.
  test::Frame offer = udp_from(1, 67, 68), offer6 = udp6(547, 546);
  offer.ip_options = Bytes(8, 1);
  CHECK(fate_of(build(offer)) == "rogue_service");
  offer.vlan_tags = offer6.vlan_tags = {0x81000005, 0x88a80006};
  CHECK(fate_of(build(offer)) == "rogue_service");
  CHECK(fate_of(build(offer6)) == "rogue_service");
  CHECK(fate_of(ipv6(0, Bytes{17, 0, 1, 4, 0, 0, 0, 0} + kOffer6)) == "rogue_service");
  CHECK(fate_of(ipv6(43, Bytes{17, 0, 0, 1, 0, 0, 0, 0} + kOffer6)) == "rogue_service");

  // In fragments: the ports stand in the first one, and nothing can follow what has them not.
  offer = udp_from(1, 67, 68);
  offer.fragment_bits = 0x2000;
  CHECK(fate_of(build(offer)) == "rogue_service");
  offer.destination_port = 53;
  CHECK(fate_of(build(offer)) == kPassed);
  offer.destination_port = 68;
  offer.fragment_bits = 1;
  CHECK(fate_of(build(offer)) == kPassed);
  CHECK(fate_of(ipv6(44, fragment(17, 0, true) + kOffer6)) == "rogue_service");
  CHECK(fate_of(ipv6(44, fragment(17, 1, false) + kOffer6)) == kPassed);
  CHECK(fate_of(ipv6(44, fragment(17, 0, true))) == "rogue_service");
  CHECK(fate_of(ipv6(17, {2, 35, 2})) == "rogue_service");
  CHECK(fate_of(ipv4(17, {})) == "rogue_service");
  CHECK(fate_of(ipv4(17, {0, 67, 0})) == "rogue_service");

  // A checksum that is written over the port could make it the client's.
  CHECK(fate_of(build(udp_from(1, 67, 53)), needs_checksum(34, 6)) == kPassed);
  CHECK(fate_of(build(udp_from(1, 67, 53)), needs_checksum(34, 2)) == "rogue_service");
  CHECK(fate_of(build(udp_from(1, 67, 53)), needs_checksum(34, 3)) == "rogue_service");
  CHECK(fate_of(build(udp6(547, 53)), needs_checksum(54, 6)) == kPassed);
  CHECK(fate_of(build(udp6(547, 53)), needs_checksum(54, 2)) == "rogue_service");
  CHECK(fate_of(ipv6(0, Bytes{17, 0, 1, 4, 0, 0, 0, 0} + Bytes(16)), needs_checksum(62, 2)) == "rogue_service");
}

TEST_CASE("a guarded port is no router by ICMP, IGMP and MLD either") {
  for (const uint8_t type : std::initializer_list<uint8_t>{5, 9}) {
    CAPTURE(type);
    CHECK(fate_of(ipv4(1, Bytes{type, 1} + Bytes(38))) == "rogue_service");
    CHECK(fate_of(ipv4(1, Bytes{type, 1} + Bytes(38), 0x2000)) == "rogue_service");
    CHECK(fate_of(ipv4(1, Bytes{type, 1} + Bytes(38), 1)) == kPassed);
  }
  for (const uint8_t type : std::initializer_list<uint8_t>{0, 3, 8, 10, 11, 13}) {
    CAPTURE(type);
    CHECK(fate_of(ipv4(1, Bytes{type, 4} + Bytes(38))) == kPassed);
  }
  CHECK(fate_of(ipv4(1, {})) == "rogue_service");
  CHECK(fate_of(ipv4(1, Bytes{8, 0} + Bytes(38)), needs_checksum(34, 0)) == "rogue_service");

  for (const uint8_t type : std::initializer_list<uint8_t>{0x11, 0x30}) {
    CAPTURE(type);
    CHECK(fate_of(ipv4(2, {type, 0, 0, 0})) == "rogue_service");
  }
  for (const uint8_t type : std::initializer_list<uint8_t>{0x12, 0x16, 0x17, 0x22}) {
    CAPTURE(type);
    CHECK(fate_of(ipv4(2, {type, 0, 0, 0})) == kPassed);
  }

  const Bytes alert = {58, 0, 5, 2, 0, 0, 1, 0};
  for (const uint8_t type : std::initializer_list<uint8_t>{130, 151}) {
    CAPTURE(type);
    CHECK(fate_of(ipv6(58, Bytes{type} + Bytes(27), kOwnLink)) == "rogue_service");
    CHECK(fate_of(ipv6(0, alert + Bytes{type} + Bytes(27), kOwnLink)) == "rogue_service");
    CHECK(fate_of(ipv6(44, fragment(58, 0, true) + Bytes{type} + Bytes(23), kOwnLink)) == "rogue_service");
  }
  for (const uint8_t type : std::initializer_list<uint8_t>{1, 2, 131, 132, 143, 152}) {
    CAPTURE(type);
    CHECK(fate_of(ipv6(0, alert + Bytes{type} + Bytes(27), kOwnLink)) == kPassed);
  }
}

TEST_CASE("IPv6 extension headers hide nothing") {
  const Bytes options = {58, 0, 1, 4, 0, 0, 0, 0};
  CHECK(fate_of(ipv6(0, options + kHonestEcho)) == kPassed);
  CHECK(fate_of(ipv6(0, options + kHonestNa)) == kPassed);
  for (const int kind : {0, 43, 60, 135, 139, 140}) {
    CAPTURE(kind);
    CHECK(fate_of(ipv6(static_cast<uint8_t>(kind), options + kForgedNa)) == "spoofed_address");
  }
  CHECK(fate_of(ipv6(43, Bytes{58, 0, 0, 1, 0, 0, 0, 0} + kForgedNa)) == "spoofed_address");  // a route with a segment left
  CHECK(fate_of(ipv6(51, Bytes{58, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} + kForgedNa)) == "spoofed_address");
  CHECK(fate_of(ipv6(60, Bytes{0, 0, 1, 4, 0, 0, 0, 0} + options + kForgedNa)) == "spoofed_address");
  for (const int kind : {0, 43, 60, 135, 139, 140}) {
    CAPTURE(kind);
    CHECK(fate_of(ipv6(static_cast<uint8_t>(kind), options + kRouterSays, kOwnLink)) == "rogue_service");
  }
  // MLD has a hop-by-hop option, also from nowhere.
  CHECK(fate_of(ipv6(0, Bytes{58, 0, 5, 2, 0, 0, 1, 0, kMld, 0, 0, 0, 0, 0, 0, 0}, kNone)) == kPassed);

  Bytes chain;
  for (int i = 0; i < 8; ++i) chain = chain + Bytes{60, 0, 1, 4, 0, 0, 0, 0};
  Bytes last = chain;
  last[7 * 8] = 58;
  CHECK(fate_of(ipv6(60, last + kHonestEcho)) == kPassed);
  CHECK(fate_of(ipv6(60, chain + options + kHonestEcho)) == "spoofed_address");  // endless
  CHECK(fate_of(ipv6(60, {58, 0, 1, 4})) == "spoofed_address");                  // cut off
  CHECK(fate_of(ipv6(60, {58, 9, 1, 4, 0, 0, 0, 0})) == "spoofed_address");
  // A wrong source is refused behind all of them, and so is a TCP packet of one.
  CHECK(fate_of(ipv6(0, options + kHonestEcho, kOther6)) == "spoofed_address");
  test::Frame tcp{.v6 = true, .extension_headers = {6, 0, 1, 4, 0, 0, 0, 0}, .first_extension = 60, .payload = Bytes(10)};
  CHECK(fate_of(build(tcp)) == kPassed);
  tcp.source_host = 2;
  CHECK(fate_of(build(tcp)) == "spoofed_address");
}

TEST_CASE("fragments hide nothing") {
  CHECK(fate_of(ipv6(44, fragment(58, 0, true) + kHonestEcho)) == kPassed);
  CHECK(fate_of(ipv6(44, fragment(58, 1, false) + kHonestEcho)) == kPassed);
  CHECK(fate_of(ipv6(44, fragment(58, 1, false) + kForgedNa)) == kPassed);  // the type stands in the first fragment
  CHECK(fate_of(ipv6(44, fragment(58, 1, false) + kHonestEcho, kOther6)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(17, 0, true) + Bytes(16))) == kPassed);
  CHECK(fate_of(ipv6(44, fragment(17, 0, true) + Bytes(16), kOther6)) == "spoofed_address");

  CHECK(fate_of(ipv6(44, fragment(58, 0, true) + kForgedNa)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(58, 0, false) + kForgedNa)) == "spoofed_address");  // an atomic one
  CHECK(fate_of(ipv6(44, fragment(58, 0, false) + kRouterSays, kOwnLink)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(58, 0, true) + kRouterSays, kOwnLink)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(58, 0, false) + kHonestNa)) == "spoofed_address");  // RFC 6980: not even an honest one
  CHECK(fate_of(ipv6(44, fragment(58, 0, true))) == "spoofed_address");               // the type comes later
  CHECK(fate_of(ipv6(44, fragment(60, 0, true) + Bytes{58, 0, 1, 4, 0, 0, 0, 0} + kHonestEcho)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(44, 0, true) + fragment(58, 0, true) + kHonestEcho)) == "spoofed_address");
  CHECK(fate_of(ipv6(60, Bytes{44, 0, 1, 4, 0, 0, 0, 0} + fragment(58, 0, true) + kForgedNa)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(58, 0, true) + kHonestEcho, kNone)) == "spoofed_address");
}

TEST_CASE("tags hide nothing") {
  const uint32_t tag = 0x81000005, service = 0x88a80006;
  for (const std::vector<uint32_t>& tags : {std::vector{tag}, {tag, tag}, {service, tag}, {tag, tag, service, tag}}) {
    CAPTURE(tags.size());
    CHECK(fate_of(build(test::Frame{.vlan_tags = tags, .payload = Bytes(10)})) == kPassed);
    CHECK(fate_of(build(test::Frame{.vlan_tags = tags, .source_host = 2, .payload = Bytes(10)})) == "spoofed_address");
    CHECK(fate_of(build(test::Frame{.v6 = true, .vlan_tags = tags, .payload = Bytes(10)})) == kPassed);
    const test::Frame forged{.v6 = true, .vlan_tags = tags, .source_host = 2, .payload = Bytes(10)};
    CHECK(fate_of(build(forged)) == "spoofed_address");
    CHECK(fate_of(build(Arp{.tags = tags, .sender_ip = kOwn4})) == kPassed);
    CHECK(fate_of(build(Arp{.tags = tags, .sender_ip = kOther4})) == "spoofed_address");
    CHECK(fate_of(build(Arp{.tags = tags, .sender = kMacB, .sender_ip = kOwn4})) == "spoofed_mac");
    CHECK(fate_of(build(Icmpv6{.tags = tags, .source = kOwn6, .type = kNa, .body = about(kOwn6)})) == kPassed);
    CHECK(fate_of(build(Icmpv6{.tags = tags, .source = kOwn6, .type = kNa, .body = about(kOther6)})) == "spoofed_address");
    CHECK(fate_of(build(Icmpv6{.tags = tags, .source = kOwnLink, .type = kRa, .body = Bytes(12)})) == "rogue_service");
  }
  CHECK(fate_of(build(Arp{.tags = std::vector<uint32_t>(5, tag), .sender_ip = kOwn4})) == "spoofed_address");
  CHECK(fate_of(header(kMacB, kMacA, {}, 0x8100)) == "spoofed_address");
  CHECK(fate_of(header(kMacB, kMacA, {tag}, 0x88a8)) == "spoofed_address");
}

TEST_CASE("what claims to be IP and is not, and IP by another name") {
  CHECK(fate_of(ethernet(kMacB, kMacA, 46, 0x0800)) == "spoofed_address");
  CHECK(fate_of(ethernet(kMacB, kMacA, 0, 0x86dd)) == "spoofed_address");
  const Bytes snap = {0xaa, 0xaa, 3, 0, 0, 0, 8, 6};
  CHECK(fate_of(header(kMacB, kMacA, {}, 36) + snap + Bytes(28)) == "spoofed_address");
  CHECK(fate_of(header(kMacB, kMacA, {0x81000005}, 36) + snap + Bytes(28)) == "spoofed_address");
  CHECK(fate_of(header(kMacB, kMacA, {}, 38) + Bytes{0x42, 0x42, 3} + Bytes(35)) == kPassed);  // spanning tree
  CHECK(fate_of(header(kMacB, kMacA, {}, 0)) == kPassed);
}

TEST_CASE("a checksum that is yet to be written cannot change what was decided") {
  const auto plain = build(test::Frame{.v6 = true, .payload = Bytes(10), .unfinished = true});
  CHECK(fate_of(plain, needs_checksum(54, 16)) == kPassed);
  CHECK(fate_of(build(Arp{.sender_ip = kOwn4}), needs_checksum(14, 14)) == "spoofed_address");
  const Bytes echo = build(Icmpv6{.source = kOwn6, .body = Bytes(40)});
  CHECK(fate_of(echo, needs_checksum(54, 0)) == "spoofed_address");  // over its type
  // Over the header that names the contents.
  const Bytes hidden = ipv6(60, Bytes{47, 0, 1, 4, 0, 0, 0, 0} + Bytes(32));
  CHECK(fate_of(hidden) == kPassed);
  CHECK(fate_of(hidden, needs_checksum(54, 0)) == "spoofed_address");
  CHECK(fate_of(hidden, needs_checksum(62, 6)) == kPassed);
  test::Frame tcp{.v6 = true, .extension_headers = {6, 0, 1, 4, 0, 0, 0, 0}, .first_extension = 60, .payload = Bytes(10)};
  CHECK(fate_of(build(tcp), needs_checksum(62, 16)) == kPassed);
  CHECK(fate_of(build(tcp), needs_checksum(54, 0)) == "spoofed_address");
  CHECK(fate_of(ipv6(44, fragment(17, 1, false) + Bytes(16)), needs_checksum(54, 0)) == "spoofed_address");
  // Over the ether type behind a tag, or the names of 802.2.
  CHECK(fate_of(header(kMacB, kMacA, {0x81000005}, 0x88b5) + Bytes(46)) == kPassed);
  CHECK(fate_of(header(kMacB, kMacA, {0x81000005}, 0x88b5) + Bytes(46), needs_checksum(14, 2)) == "spoofed_address");
  CHECK(fate_of(header(kMacB, kMacA, {}, 38) + Bytes(38), needs_checksum(14, 0)) == "spoofed_address");
  CHECK(fate_of(ethernet(kMacB, kMacA), needs_checksum(14, 2)) == kPassed);
}

namespace {

// kMacA behind a guarded port, another port without a guard, a peer.
struct Guarded : Rig {
  NetworkIndex blue = add_network(42);
  PortHandle a = add_port(blue, 0, guard()), b = add_port(blue);
  Peer* peer = add_peer("192.0.2.2");

  void learn_b() {
    from_guest(b, ethernet(kMacA, kMacB));
    a.tap->written.clear();
    sender->sent.clear();
  }
};

}  // namespace

TEST_CASE("what a guard refuses is counted, goes nowhere, and teaches nothing") {
  Guarded rig;
  rig.from_guest(rig.a, ethernet(kBroadcast, kMacC));
  CHECK(rig.dropped(Drop::spoofed_mac) == 1);
  rig.from_guest(rig.a, build(Arp{.sender_ip = kOther4}));
  rig.from_guest(rig.a, build(test::Frame{.source_host = 9, .payload = Bytes(10)}));
  CHECK(rig.dropped(Drop::spoofed_address) == 2);
  rig.from_guest(rig.a, build(Icmpv6{.source = kOwnLink, .type = kRa, .body = Bytes(12)}));
  rig.from_guest(rig.a, build(udp_from(1, 67, 68)));
  CHECK(rig.dropped(Drop::rogue_service) == 2);
  CHECK(rig.worker.counters().received.get() == 5);
  CHECK(rig.a.port->counters.rx_frames.get() == 5);
  CHECK(rig.a.port->counters.rx_dropped.get() == 5);
  CHECK(rig.a.port->refused[guard_drop_index(Drop::spoofed_mac)].get() == 1);
  CHECK(rig.a.port->refused[guard_drop_index(Drop::spoofed_address)].get() == 2);
  CHECK(rig.a.port->refused[guard_drop_index(Drop::rogue_service)].get() == 2);
  CHECK(rig.b.tap->written.empty());
  CHECK(rig.sender->sent.empty());
  CHECK_FALSE(rig.fdb.find(rig.blue, kMacC));
  CHECK_FALSE(rig.fdb.find(rig.blue, kMacA));
  CHECK(rig.balanced());
}

TEST_CASE("ports without a guard, and peers, send what they like") {
  Guarded rig;
  rig.from_guest(rig.b, build(Arp{.from = kMacB, .sender = kMacC, .sender_ip = kOther4}));
  const Bytes anybody = build(test::Frame{.source_host = 77, .payload = Bytes(10)});
  rig.from_underlay("192.0.2.2", vxlan(42, with_macs(anybody, kBroadcast, kMacC)));
  rig.from_guest(rig.b, with_macs(build(Icmpv6{.source = kOtherLink, .type = kRa, .body = Bytes(12)}), kBroadcast, kMacB));
  rig.from_underlay("192.0.2.2", vxlan(42, with_macs(build(udp_from(2, 67, 68)), kBroadcast, kMacC)));
  CHECK(rig.worker.counters().flooded.get() == 4);
  CHECK(rig.a.tap->written.size() == 4);
}

TEST_CASE("a forged frame in the wake of an honest one is refused: the last decision is no way past the guard") {
  Guarded rig;
  rig.learn_b();
  const Bytes honest = build(test::Frame{.payload = Bytes(10)});
  rig.a.tap->to_read.push_back({{}, honest});
  rig.a.tap->to_read.push_back({{}, with_source4(honest, kOther4)});
  rig.a.tap->to_read.push_back({{}, build(Arp{.to = kMacB, .operation = 2, .sender_ip = kOther4})});
  rig.a.tap->to_read.push_back({{}, honest});
  rig.run(rig.a);
  CHECK(rig.dropped(Drop::spoofed_address) == 2);
  CHECK(rig.worker.counters().unicast.get() == 2);
  CHECK(rig.balanced());
}

TEST_CASE("a super-frame is judged once and counts its segments") {
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    Guarded rig;
    rig.learn_b();
    test::Frame tcp{.v6 = v6, .payload = Bytes(5000, 1), .unfinished = true};
    const VnetHeader gso{.flags = kVnetNeedsChecksum,
                         .gso_type = v6 ? kGsoTcp6 : kGsoTcp4,
                         .header_length = 0,
                         .gso_size = 1000,
                         .checksum_start = static_cast<uint16_t>(tcp.l4()),
                         .checksum_offset = 16};
    rig.from_guest(rig.a, build(tcp), gso);
    CHECK(rig.b.tap->written.size() == 1);
    CHECK(rig.worker.counters().unicast.get() == 5);
    tcp.source_host = 2;
    rig.from_guest(rig.a, build(tcp), gso);
    CHECK(rig.b.tap->written.size() == 1);
    CHECK(rig.dropped(Drop::spoofed_address) == 5);
    CHECK(rig.balanced());
  }
}

TEST_CASE("a super-frame of answers of DHCP is refused whole") {
  Guarded rig;
  rig.learn_b();
  test::Frame offer = udp_from(1, 67, 68);
  offer.payload = Bytes(3000, 1);
  offer.unfinished = true;
  const VnetHeader gso{.flags = kVnetNeedsChecksum,
                       .gso_type = kGsoUdpL4,
                       .header_length = 0,
                       .gso_size = 1000,
                       .checksum_start = static_cast<uint16_t>(offer.l4()),
                       .checksum_offset = 6};
  rig.from_guest(rig.a, build(offer), gso);
  CHECK(rig.b.tap->written.empty());
  CHECK(rig.dropped(Drop::rogue_service) == 3);
  CHECK(rig.balanced());
}

TEST_CASE("a tagged frame on a network that drops them is dropped for its tag") {
  Guarded rig;
  rig.from_guest(rig.a, build(test::Frame{.vlan_tags = {0x81000005}, .source_host = 2, .payload = Bytes(10)}));
  CHECK(rig.dropped(Drop::inner_vlan) == 1);
  CHECK(rig.dropped(Drop::spoofed_address) == 0);
}

TEST_CASE("whatever a random frame is, finishing its checksum does not turn it into one that would have been refused") {
  Random random(7);
  const auto judge = guard();
  uint64_t passed = 0;
  for (int i = 0; i < 200'000; ++i) {
    // Mostly honest frames with a few bytes changed, so that many pass.
    Bytes frame;
    switch (random() % 6) {
      case 0: frame = build(test::Frame{.v6 = (random() & 1) != 0, .udp = (random() & 1) != 0, .payload = Bytes(30)}); break;
      case 1: frame = build(Arp{.sender_ip = kOwn4}); break;
      case 2: frame = build(Icmpv6{.source = kOwn6, .type = kNa, .body = about(kOwn6, link_layer(2, kMacA))}); break;
      case 3: frame = ipv6(60, Bytes{58, 0, 1, 4, 0, 0, 0, 0} + kHonestEcho); break;
      case 4: frame = build(udp_from(1, 67, 69)); break;
      default: frame = header(kMacB, kMacA, {0x81000005}, 0x88b5) + Bytes(46);
    }
    for (uint32_t changes = random() % 4; changes > 0; --changes) {
      frame[12 + random() % (frame.size() - 12)] = static_cast<uint8_t>(random());
    }
    Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
    if (parse(packet) != ParseResult::ok) continue;
    VnetHeader vnet = needs_checksum(random() % frame.size(), random() % 20);
    if (!checksum_place_is_valid(packet, vnet) || judge->refuse(packet, vnet)) continue;
    ++passed;
    finish_checksum(packet, vnet);
    Packet after{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
    if (parse(after) != ParseResult::ok) continue;  // a header of IP cannot be written to
    CHECK_FALSE(judge->refuse(after, vnet));
  }
  CHECK(passed > 1000);
}

// read_neighbour() and a guard on any frame with any virtio header: pointers stay inside the frame, and whatever the guard lets
// pass is still honest, and a mere host's, after its checksum was written, as a receiver reads it that walks headers in its own,
// simpler way.
//
// Input: virtio header (10 bytes), frame.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "engine/guard.h"
#include "offload/segment.h"
#include "wire/bytes.h"
#include "wire/neighbour.h"

using namespace weft;

namespace {

constexpr Mac kMac = 0x020000000001;
constexpr uint32_t kIpv4 = 0x0a2a0001;
constexpr uint8_t kIpv6[16] = {0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr uint8_t kLinkLocal[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 1};

void require(bool holds) {
  if (!holds) abort();
}

bool is_own(const uint8_t* address) {
  return memcmp(address, kIpv6, sizeof kIpv6) == 0 || memcmp(address, kLinkLocal, sizeof kLinkLocal) == 0;
}

void check_bounds(const Packet& packet) {
  const Neighbour said = read_neighbour(packet);
  const auto inside = [&](const uint8_t* at, uint32_t bytes) {
    require(at == nullptr || (at >= packet.data && at + bytes <= packet.data + packet.length));
  };
  inside(said.target, 16);
  inside(said.mac, 6);
  inside(said.claimed_mac, 6);
  inside(said.claimed_address, said.kind == Neighbour::Kind::arp ? 4 : 16);
  require((said.claimed_mac == nullptr) == (said.claimed_address == nullptr));
  require(said.kind != Neighbour::Kind::arp || said.mac != nullptr);
  if (said.kind == Neighbour::Kind::none || said.kind == Neighbour::Kind::unclear) require(said.claimed_address == nullptr);
}

// Contents of IP that a router or a DHCP server would send to hosts.
bool is_rogue(uint8_t protocol, const uint8_t* contents, size_t length, uint16_t dhcp_client) {
  if (protocol == 17 && length >= 8) return load_be16(contents + 2) == dhcp_client;
  if (length == 0) return false;
  const uint8_t type = contents[0];
  if (protocol == 1) return type == 5 || type == 9;
  if (protocol == 2) return type == 0x11 || type == 0x30;
  return protocol == 58 && (type == 130 || type == 134 || type == 137 || type == 151);
}

// A frame that was let pass, as its receiver reads it.
void check_honest(const uint8_t* frame, size_t length) {
  require(load_mac(frame + 6) == kMac);
  size_t at = 12;
  while (at + 6 <= length && (load_be16(frame + at) == 0x8100 || load_be16(frame + at) == 0x88a8)) at += 4;
  const uint16_t type = load_be16(frame + at);
  const uint8_t* l3 = frame + at + 2;
  const size_t rest = length - at - 2;
  if (type == 0x0806 && rest >= 28) {
    require(load_mac(l3 + 8) == kMac);
    require(load_be32(l3 + 14) == kIpv4 || load_be32(l3 + 14) == 0);
  } else if (type == 0x0800 && rest >= 20) {
    const uint32_t source = load_be32(l3 + 12);
    const size_t header = (l3[0] & 15) * 4u;
    require(source == kIpv4 || (source == 0 && l3[9] == 17 && load_be16(l3 + header) == 68));
    if ((load_be16(l3 + 6) & 0x1fff) == 0) require(!is_rogue(l3[9], l3 + header, load_be16(l3 + 2) - header, 68));
  } else if (type == 0x86dd && rest >= 40) {
    const bool nowhere = std::all_of(l3 + 8, l3 + 24, [](uint8_t byte) { return byte == 0; });
    require(is_own(l3 + 8) || nowhere);
    size_t offset = 40;
    uint8_t header = l3[6];
    while ((header == 0 || header == 60 || header == 43) && offset + 8 <= rest) {
      header = l3[offset];
      offset += (l3[offset + 1] + 1u) * 8;
    }
    const size_t end = 40u + load_be16(l3 + 4);
    const bool first = header == 44 && offset + 8 <= end && (load_be16(l3 + offset + 2) & 0xfff8) == 0;
    if (first) require(!is_rogue(l3[offset], l3 + offset + 8, end - offset - 8, 546));
    if (offset <= end) require(!is_rogue(header, l3 + offset, end - offset, 546));
    if (header != 58 || offset + 24 > rest) return;
    const uint8_t* message = l3 + offset;
    if (message[0] == 136) require(is_own(message + 8));
    if (message[0] != 135 && message[0] != 136) return;
    for (size_t option = offset + 24; option + 8 <= end && l3[option + 1] != 0; option += l3[option + 1] * 8u) {
      if (l3[option] == 1 || l3[option] == 2) require(load_mac(l3 + option + 2) == kMac);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Guard guard(kMac, {*Endpoint::parse("10.42.0.1", 0), *Endpoint::parse("fd42::1", 0)});
  VnetHeader vnet;
  if (size < sizeof vnet) return 0;
  memcpy(&vnet, data, sizeof vnet);
  const size_t length = size - sizeof vnet;
  // An allocation of exactly this size lets AddressSanitizer see a read beyond the frame.
  auto frame = std::make_unique<uint8_t[]>(length);
  memcpy(frame.get(), data + sizeof vnet, length);
  Packet packet{.data = frame.get(), .length = static_cast<uint32_t>(length)};
  if (parse(packet) != ParseResult::ok) return 0;
  check_bounds(packet);
  if (vnet.is_super_frame() || (vnet.needs_checksum() && !checksum_place_is_valid(packet, vnet))) return 0;
  if (guard.refuse(packet, vnet)) return 0;
  if (vnet.needs_checksum()) finish_checksum(packet, vnet);
  check_honest(frame.get(), length);
  Packet after{.data = frame.get(), .length = packet.length};
  require(parse(after) == ParseResult::ok);
  require(!guard.refuse(after, {}));
  return 0;
}

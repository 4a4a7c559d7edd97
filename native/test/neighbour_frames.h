// Frames of ARP and ND built field by field for the tests of guards and announcements, with a checksum of their own.
#pragma once

#include "test/rig.h"

namespace weft::test {

inline constexpr Mac kAllNodesMac = 0x333300000001;

using Ip4 = uint32_t;
struct Ip6 {
  uint64_t high = 0, low = 0;
};
inline constexpr Ip6 kAllNodes{0xff02000000000000, 1};

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

inline void put_mac(Bytes& to, Mac mac) {
  put16(to, static_cast<uint32_t>(mac >> 32));
  put32(to, static_cast<uint32_t>(mac));
}

inline void put_ip6(Bytes& to, Ip6 address) {
  for (const uint64_t half : {address.high, address.low}) {
    put32(to, static_cast<uint32_t>(half >> 32));
    put32(to, static_cast<uint32_t>(half));
  }
}

inline Bytes header(Mac to, Mac from, const std::vector<uint32_t>& tags, uint16_t type) {
  Bytes out;
  put_mac(out, to);
  put_mac(out, from);
  for (const uint32_t tag : tags) put32(out, tag);
  put16(out, type);
  return out;
}

struct Arp {
  Mac to = kBroadcast;
  Mac from = kMacA;  // of the frame
  std::vector<uint32_t> tags{};
  uint16_t operation = 1;
  Mac sender = kMacA;
  Ip4 sender_ip = 0;
  Mac target = 0;
  Ip4 target_ip = 0;
  uint16_t hardware = 1, protocol = 0x0800, lengths = 0x0604;
};

inline Bytes build(const Arp& arp) {
  Bytes out = header(arp.to, arp.from, arp.tags, 0x0806);
  put16(out, arp.hardware);
  put16(out, arp.protocol);
  put16(out, arp.lengths);
  put16(out, arp.operation);
  put_mac(out, arp.sender);
  put32(out, arp.sender_ip);
  put_mac(out, arp.target);
  put32(out, arp.target_ip);
  return out;
}

// A link-layer address option; kind 1 is the source's, 2 the target's.
inline Bytes link_layer(uint8_t kind, Mac mac) {
  Bytes out = {kind, 1};
  put_mac(out, mac);
  return out;
}

struct Icmpv6 {
  Mac to = kAllNodesMac;
  Mac from = kMacA;
  std::vector<uint32_t> tags{};
  Ip6 source{};
  Ip6 destination = kAllNodes;
  uint8_t hop_limit = 255;
  Bytes extension_headers{};  // each names its next one itself ...
  uint8_t first_header = 58;  // ... and this is the kind of the first
  uint8_t type = 128;
  Bytes body{};  // behind the checksum
};

inline Bytes build(const Icmpv6& f) {
  Bytes out = header(f.to, f.from, f.tags, 0x86dd);
  const size_t l3 = out.size();
  put32(out, 6u << 28);
  put16(out, static_cast<uint32_t>(f.extension_headers.size() + 4 + f.body.size()));
  out.push_back(f.first_header);
  out.push_back(f.hop_limit);
  put_ip6(out, f.source);
  put_ip6(out, f.destination);
  out.insert(out.end(), f.extension_headers.begin(), f.extension_headers.end());
  const size_t l4 = out.size();
  put32(out, static_cast<uint32_t>(f.type) << 24);
  out.insert(out.end(), f.body.begin(), f.body.end());
  set16(out, l4 + 2, ~reference_l4_sum(out, l3, l4, out.size(), true, 58, true) & 0xffff);
  return out;
}

// The body of NS (type 135) and NA (136): flags, target, options.
inline Bytes about(Ip6 target, const Bytes& options = {}, uint32_t flags = 0) {
  Bytes out;
  put32(out, flags);
  put_ip6(out, target);
  out.insert(out.end(), options.begin(), options.end());
  return out;
}

}  // namespace weft::test

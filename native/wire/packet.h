// A parsed view of one Ethernet frame. It points into a buffer that somebody else owns and never copies.
#pragma once

#include <cstdint>

namespace weft {

// Why a frame cannot be parsed far enough to be forwarded at all. Everything that is merely unknown (another ether type, a
// damaged IP header) is forwarded as opaque Ethernet: a switch is not a firewall.
enum class ParseResult : uint8_t {
  ok,
  runt,       // shorter than an Ethernet header
  ip_length,  // the IP header promises more bytes than the frame has
};

// Offsets are in bytes from `data`; 0 means "there is none".
struct Packet {
  uint8_t* data = nullptr;      // the destination MAC address
  uint32_t length = 0;          // bytes of the frame as received, Ethernet padding included
  uint32_t ip_end = 0;          // where the IP datagram ends; payload never reaches beyond it (padding does)
  uint16_t l3_offset = 0;       // the IPv4 or IPv6 header
  uint16_t l4_offset = 0;       // the TCP or UDP header; 0 also for fragments and for a header that is cut off
  uint16_t payload_offset = 0;  // the first byte after the TCP or UDP header
  uint16_t ether_type = 0;      // host byte order, after VLAN tags; < 0x600 is an IEEE 802.3 length
  uint8_t ip_version = 0;       // 4, 6, or 0
  uint8_t protocol = 0;         // the IP protocol, after IPv6 extension headers
  uint8_t traffic_class = 0;    // IPv4 ToS or IPv6 traffic class: DSCP << 2 | ECN
  bool vlan = false;            // at least one 802.1Q or 802.1ad tag
  bool fragment = false;        // an IP fragment, the first one included
  bool ip_options = false;      // IPv4 options or IPv6 extension headers
  bool authenticated = false;   // an IPv6 authentication header is among them: what follows it cannot be changed
  uint32_t flow_hash = 0;       // symmetric: both directions of a flow hash equally; fragments hash on the 3-tuple

  bool is_tcp() const { return l4_offset != 0 && protocol == 6; }
  bool is_udp() const { return l4_offset != 0 && protocol == 17; }
};

// Fills `packet` from its `data` and `length`. Reads no byte outside of them.
ParseResult parse(Packet& packet);

}  // namespace weft

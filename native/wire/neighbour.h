// What frames of ARP (RFC 826) and of IPv6 neighbour discovery (RFC 4861) say about who has an address.
#pragma once

#include <cstdint>

#include "wire/packet.h"

namespace weft {

inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

inline constexpr uint16_t kArpRequest = 1;
inline constexpr uint8_t kMldQuery = 130;     // RFC 2710, RFC 9777
inline constexpr uint8_t kMldReport = 131;    // RFC 2710
inline constexpr uint8_t kMldDone = 132;      // RFC 2710
inline constexpr uint8_t kMldReportV2 = 143;  // RFC 9777
inline constexpr uint8_t kRouterSolicitation = 133;
inline constexpr uint8_t kRouterAdvertisement = 134;
inline constexpr uint8_t kNeighbourSolicitation = 135;
inline constexpr uint8_t kNeighbourAdvertisement = 136;
inline constexpr uint8_t kNdRedirect = 137;

// Where the headers of an IPv6 packet end and its contents begin. Unlike Packet.l4_offset it looks behind every header that any
// receiver may skip, into first fragments too.
struct Ipv6Contents {
  enum class Found : uint8_t {
    yes,
    later_fragment,  // the contents begin in another fragment
    unclear,         // cut off, an endless chain, or extension headers behind a fragment header: receivers may disagree
  };
  Found found = Found::unclear;
  bool fragment = false;
  uint8_t protocol = 0;  // of the contents
  uint32_t offset = 0;   // from packet.data; at most packet.ip_end
};

// Of a parsed packet with ip_version 6.
Ipv6Contents find_contents(const Packet& packet);

// Pointers lie inside of the frame; nullptr says that there is none.
struct Neighbour {
  enum class Kind : uint8_t {
    none,     // neither ARP nor ND
    unclear,  // not as the RFCs have it (other hardware, cut off, broken options, fragmented): nobody should read it
    arp,      // for IPv4 over Ethernet
    nd,       // RS, RA, NS, NA or redirect
  };
  Kind kind = Kind::none;
  uint16_t operation = 0;  // the opcode of ARP, the type of any ICMPv6 message
  const uint8_t* target = nullptr;  // ND: the target of NS, NA and redirect, 16 bytes
  const uint8_t* mac = nullptr;     // ARP: the sender's; ND: the first source or target link-layer address option
  bool several_macs = false;        // another option of the message says otherwise than `mac`

  // "This address is at this MAC", as a receiver's cache would take it: the sender of ARP, the target of NA (at the frame's
  // source if there is no option), the source of NS, RS and RA with an option. Probes claim nothing.
  const uint8_t* claimed_address = nullptr;  // 4 bytes for ARP, 16 for ND
  const uint8_t* claimed_mac = nullptr;      // 6 bytes
};

// Of a frame that parse() found to be ok; behind VLAN tags as well. Reads no byte outside of it.
Neighbour read_neighbour(const Packet& packet);

}  // namespace weft

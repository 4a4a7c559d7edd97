// The only sources that the frames of a port may have: one MAC and the addresses that were assigned to it.
//
// A container that can send in another's name can take its traffic over, so a guarded port's frames are read as far as any
// receiver might read them, and what cannot be read is refused:
//   * The Ethernet source, and every MAC that ARP and ND messages tell their receivers to remember, is the guard's.
//   * The source of IP, the sender of ARP, and the target of NA and of DAD is one of the guard's addresses, or the IPv6
//     link-local address that RFC 4291, appendix A makes of the MAC.
//   * A host that has no address yet may say so: 0.0.0.0 in ARP requests and in DHCP, :: in MLD, RS and DAD (NS).
//   * A tag is no hiding place: up to four are looked behind, and what has more, or one that is cut off, is refused. So are IP
//     headers that do not parse, 802.2 SNAP (another way to write an ether type), ND in fragments or with broken options, and
//     chains of IPv6 extension headers that are cut off, endless, or continue behind a fragment header, where an overlapping
//     fragment could change them. Later fragments are known by their source alone; what they complete was decided on their
//     first.
//   * A guarded port is a host, neither router nor server: hosts obey whoever says that he is one, with his own MAC and address.
//     So router advertisements and redirects are refused, ICMP's too (RFC 6105; types 5 and 9 of RFC 792 and RFC 1256), and
//     answers of DHCP (RFC 7610), which are known by the client's port: many clients do not look at the server's.
//   * It is no multicast router either: a query of IGMP or MLD, or an advertisement of RFC 4286, makes snooping bridges behind
//     other VTEPs stop flooding, and turns the groups of others to the port. Reports are a host's, and pass.
//   * Other errors of ICMP pass: receivers match them to what they have sent, and a host with a tunnel has to tell its MTU. So
//     does what routers tell each other (OSPF, PIM, VRRP), and what any host may answer (mDNS, LLMNR): no host obeys it unasked.
//   * NEEDS_CSUM writes into the frame after the decision, so it may not point at anything that was decided on.
// Other ether types and protocols pass with the right source: a switch is not a firewall. The segments of a super-frame have
// one header, so they need one look. TCP and UDP need a handful of comparisons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/drop.h"
#include "fdb/fdb.h"
#include "io/endpoint.h"
#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

// Why a guard refuses: spoofed_mac, spoofed_address, rogue_service, one behind the other.
inline constexpr size_t kGuardDrops = 3;
inline constexpr size_t guard_drop_index(Drop reason) {
  return static_cast<size_t>(reason) - static_cast<size_t>(Drop::spoofed_mac);
}

class Guard {
 public:
  // The ports of `addresses` mean nothing.
  Guard(Mac mac, std::vector<Endpoint> addresses);

  // Nothing when the frame, which parse() found to be ok, may pass; otherwise spoofed_mac, spoofed_address or
  // rogue_service.
  std::optional<Drop> refuse(const Packet& packet, const VnetHeader& vnet) const;

  Mac mac() const { return mac_; }
  // As they were given, without the link-local one.
  const std::vector<Endpoint>& addresses() const { return addresses_; }

 private:
  struct Ipv6 {
    uint64_t high, low;  // as the bytes lie
    friend bool operator==(const Ipv6&, const Ipv6&) = default;
  };
  bool allows_ipv4(const uint8_t* address) const;
  bool allows_ipv6(const uint8_t* address) const;
  std::optional<Drop> refuse_ipv4(const Packet& packet, const VnetHeader& vnet) const;
  std::optional<Drop> refuse_ipv6(const Packet& packet, const VnetHeader& vnet) const;
  std::optional<Drop> refuse_arp(const Packet& packet, const VnetHeader& vnet) const;

  Mac mac_;
  std::vector<Endpoint> addresses_;
  std::vector<uint32_t> ipv4_;  // as the bytes lie
  std::vector<Ipv6> ipv6_;
};

}  // namespace weft

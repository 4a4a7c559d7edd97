// Links and their addresses, through rtnetlink, in the network namespace of the calling thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/netlink.h"

namespace weft {

struct Link {
  int ifindex = 0;
  std::string ifname;
  std::string mac;  // aa:bb:cc:dd:ee:ff; empty for a link without one (TUN)
  uint32_t mtu = 0;
  bool up = false;
  bool carrier = false;
  std::optional<std::string> alias;
  std::optional<std::string> kind;  // "tun", "veth", "vxlan", ...
  std::optional<std::string> qdisc;
  uint32_t gso_max_size = 0;
  uint32_t gso_max_segs = 0;
  std::vector<std::string> addresses;  // 10.0.0.1/24, fd00::1/64; link-local IPv6 left out
};

// What to change; the rest stays.
struct LinkChange {
  std::optional<uint32_t> mtu;
  std::optional<bool> up;
  std::optional<std::string> mac;
  std::optional<std::string> alias;
  std::optional<uint32_t> gso_max_size;
  std::optional<uint32_t> gso_max_segs;
};

// Throws SysError EINVAL for what the kernel would refuse or expand: empty, over 15 bytes, '/', ':', '%', white space, ".", "..".
void check_ifname(const std::string& ifname);

// Throws SysError EINVAL unless `text` is six octets as aa:bb:cc:dd:ee:ff.
std::array<uint8_t, 6> parse_mac(const std::string& text);

// All links of the namespace, with addresses.
std::vector<Link> list_links(NetlinkSocket& netlink);

// Without addresses; nothing when there is no such link.
std::optional<Link> find_link(NetlinkSocket& netlink, const std::string& ifname);

// As find_link, but throws SysError ENODEV.
Link require_link(NetlinkSocket& netlink, const std::string& ifname);

void change_link(NetlinkSocket& netlink, int ifindex, const LinkChange& change);

// EEXIST when the namespace has a link of that name.
void rename_link(NetlinkSocket& netlink, int ifindex, const std::string& ifname);

void delete_link(NetlinkSocket& netlink, int ifindex);

// Deletes the link if its alias starts with `alias_prefix`, else throws SysError EPERM. False when there is no such link.
bool delete_tagged_link(NetlinkSocket& netlink, const std::string& ifname, const std::string& alias_prefix);

// Replaces the root queueing discipline by `noqueue`.
void set_noqueue(NetlinkSocket& netlink, int ifindex);

// `address` is 10.0.0.1/24 or fd00::1/64, EINVAL otherwise. IPv6 without duplicate address detection.
void add_address(NetlinkSocket& netlink, int ifindex, const std::string& address);
void remove_address(NetlinkSocket& netlink, int ifindex, const std::string& address);

}  // namespace weft

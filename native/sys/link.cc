#include "sys/link.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "sys/sys_error.h"

namespace weft {

namespace {

constexpr uint16_t kIflaGsoIpv4MaxSize = 63;  // IFLA_GSO_IPV4_MAX_SIZE, Linux 6.3; older kernels ignore it
constexpr uint32_t kSkipStats = 1u << 3;      // RTEXT_FILTER_SKIP_STATS
constexpr int kDumpAttempts = 8;

ifinfomsg link_header(int ifindex = 0) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = ifindex;
  return header;
}

std::string format_mac(Bytes octets) {
  if (octets.size() != 6) return {};
  char text[18];
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3], octets[4],
                octets[5]);
  return text;
}

std::optional<Link> parse_link(const NetlinkMessage& message) {
  ifinfomsg header;
  if (message.type != RTM_NEWLINK || !message.read(header)) return std::nullopt;
  Link link;
  link.ifindex = header.ifi_index;
  link.up = (header.ifi_flags & IFF_UP) != 0;
  for_each_attribute(message.attributes<ifinfomsg>(), [&](uint16_t type, Bytes value) {
    switch (type) {
      case IFLA_IFNAME: link.ifname = attribute_text(value); break;
      case IFLA_ADDRESS: link.mac = format_mac(value); break;
      case IFLA_MTU: link.mtu = attribute_u32(value); break;
      case IFLA_CARRIER: link.carrier = !value.empty() && value[0] != 0; break;
      case IFLA_IFALIAS: link.alias = attribute_text(value); break;
      case IFLA_QDISC: link.qdisc = attribute_text(value); break;
      case IFLA_GSO_MAX_SIZE: link.gso_max_size = attribute_u32(value); break;
      case IFLA_GSO_MAX_SEGS: link.gso_max_segs = attribute_u32(value); break;
      case IFLA_LINKINFO:
        for_each_attribute(value, [&](uint16_t inner, Bytes text) {
          if (inner == IFLA_INFO_KIND) link.kind = attribute_text(text);
        });
        break;
      default: break;
    }
  });
  return link;
}

struct LinkAddress {
  int ifindex;
  std::string text;
};

std::optional<LinkAddress> parse_address(const NetlinkMessage& message) {
  ifaddrmsg header;
  if (message.type != RTM_NEWADDR || !message.read(header)) return std::nullopt;
  if (header.ifa_family != AF_INET && header.ifa_family != AF_INET6) return std::nullopt;
  if (header.ifa_family == AF_INET6 && header.ifa_scope == RT_SCOPE_LINK) return std::nullopt;
  const size_t size = header.ifa_family == AF_INET ? 4 : 16;
  Bytes local;
  Bytes prefix;
  for_each_attribute(message.attributes<ifaddrmsg>(), [&](uint16_t type, Bytes value) {
    if (type == IFA_LOCAL) local = value;
    if (type == IFA_ADDRESS) prefix = value;  // on a point-to-point link the other end, else the same as IFA_LOCAL
  });
  if (local.empty()) local = prefix;
  char text[INET6_ADDRSTRLEN];
  if (local.size() != size || inet_ntop(header.ifa_family, local.data(), text, sizeof(text)) == nullptr) return std::nullopt;
  return LinkAddress{static_cast<int>(header.ifa_index), std::string(text) + "/" + std::to_string(header.ifa_prefixlen)};
}

struct Cidr {
  uint8_t family;
  uint8_t prefix_length;
  std::array<uint8_t, 16> address;
  Bytes bytes() const { return {address.data(), family == AF_INET ? 4u : 16u}; }
};

Cidr parse_cidr(const std::string& text) {
  const SysError invalid(EINVAL, "address", text + " is not ADDRESS/LENGTH");
  const size_t slash = text.find('/');
  if (slash == std::string::npos) throw invalid;
  const std::string host = text.substr(0, slash);
  const std::string length = text.substr(slash + 1);
  Cidr cidr{};
  cidr.family = host.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(cidr.family, host.c_str(), cidr.address.data()) != 1) throw invalid;
  if (length.empty() || length.size() > 3 || length.find_first_not_of("0123456789") != std::string::npos) throw invalid;
  const int bits = std::stoi(length);
  if (bits > (cidr.family == AF_INET ? 32 : 128)) throw invalid;
  cidr.prefix_length = static_cast<uint8_t>(bits);
  return cidr;
}

NetlinkRequest address_request(uint16_t type, uint16_t flags, int ifindex, const Cidr& cidr) {
  ifaddrmsg header{};
  header.ifa_family = cidr.family;
  header.ifa_prefixlen = cidr.prefix_length;
  header.ifa_index = static_cast<uint32_t>(ifindex);
  header.ifa_scope = RT_SCOPE_UNIVERSE;
  NetlinkRequest request(type, flags, header);
  request.bytes(IFA_LOCAL, cidr.bytes()).bytes(IFA_ADDRESS, cidr.bytes());
  return request;
}

}  // namespace

void check_ifname(const std::string& ifname) {
  const bool fits = !ifname.empty() && ifname.size() < IFNAMSIZ && ifname != "." && ifname != "..";
  const bool clean = std::none_of(ifname.begin(), ifname.end(), [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '/' || c == ':' || c == '%';
  });
  if (!fits || !clean) throw SysError(EINVAL, "IFNAME", "not a name for a link");
}

std::array<uint8_t, 6> parse_mac(const std::string& text) {
  std::array<uint8_t, 6> octets{};
  bool valid = text.size() == 17;
  for (size_t i = 0; valid && i < text.size(); i++) {
    valid = i % 3 == 2 ? text[i] == ':' : std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
  }
  if (!valid) throw SysError(EINVAL, "MAC", text + " is not aa:bb:cc:dd:ee:ff");
  for (size_t i = 0; i < octets.size(); i++) octets[i] = static_cast<uint8_t>(std::stoi(text.substr(i * 3, 2), nullptr, 16));
  return octets;
}

std::vector<Link> list_links(NetlinkSocket& netlink) {
  std::vector<Link> links;
  for (int attempt = 0; attempt < kDumpAttempts; attempt++) {
    links.clear();
    NetlinkRequest links_request(RTM_GETLINK, 0, link_header());
    links_request.u32(IFLA_EXT_MASK, kSkipStats);
    bool consistent = netlink.dump(links_request, "RTM_GETLINK", [&](const NetlinkMessage& message) {
      if (auto link = parse_link(message)) links.push_back(std::move(*link));
    });
    ifaddrmsg every{};
    NetlinkRequest addresses_request(RTM_GETADDR, 0, every);
    consistent &= netlink.dump(addresses_request, "RTM_GETADDR", [&](const NetlinkMessage& message) {
      const auto address = parse_address(message);
      if (!address) return;
      const auto link = std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.ifindex == address->ifindex; });
      if (link != links.end()) link->addresses.push_back(address->text);
    });
    if (consistent) break;  // in a namespace that never rests the last answer has to do
  }
  return links;
}

std::optional<Link> find_link(NetlinkSocket& netlink, const std::string& ifname) {
  check_ifname(ifname);
  NetlinkRequest request(RTM_GETLINK, 0, link_header());
  request.text(IFLA_IFNAME, ifname).u32(IFLA_EXT_MASK, kSkipStats);
  std::optional<Link> found;
  try {
    netlink.request(request, "RTM_GETLINK", [&](const NetlinkMessage& message) {
      // An alternative name (IFLA_PROP_LIST) finds the link as well; only the real one counts.
      if (auto link = parse_link(message); link && link->ifname == ifname) found = std::move(link);
    });
  } catch (const SysError& error) {
    if (error.error() != ENODEV) throw;
  }
  return found;
}

Link require_link(NetlinkSocket& netlink, const std::string& ifname) {
  auto link = find_link(netlink, ifname);
  if (!link) throw SysError(ENODEV, "RTM_GETLINK", ifname);
  return std::move(*link);
}

void change_link(NetlinkSocket& netlink, int ifindex, const LinkChange& change) {
  ifinfomsg header = link_header(ifindex);
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? static_cast<unsigned>(IFF_UP) : 0;
  }
  NetlinkRequest request(RTM_NEWLINK, 0, header);
  if (change.mac) request.bytes(IFLA_ADDRESS, parse_mac(*change.mac));
  if (change.mtu) request.u32(IFLA_MTU, *change.mtu);
  if (change.alias) request.text(IFLA_IFALIAS, *change.alias);
  if (change.gso_max_size) {
    request.u32(IFLA_GSO_MAX_SIZE, *change.gso_max_size).u32(kIflaGsoIpv4MaxSize, *change.gso_max_size);
  }
  if (change.gso_max_segs) request.u32(IFLA_GSO_MAX_SEGS, *change.gso_max_segs);
  netlink.request(request, "RTM_NEWLINK");
}

void rename_link(NetlinkSocket& netlink, int ifindex, const std::string& ifname) {
  check_ifname(ifname);
  NetlinkRequest request(RTM_NEWLINK, 0, link_header(ifindex));
  request.text(IFLA_IFNAME, ifname);
  netlink.request(request, "RTM_NEWLINK");
}

void delete_link(NetlinkSocket& netlink, int ifindex) {
  NetlinkRequest request(RTM_DELLINK, 0, link_header(ifindex));
  netlink.request(request, "RTM_DELLINK");
}

bool delete_tagged_link(NetlinkSocket& netlink, const std::string& ifname, const std::string& alias_prefix) {
  const auto link = find_link(netlink, ifname);
  if (!link) return false;
  if (!link->alias || !link->alias->starts_with(alias_prefix)) {
    throw SysError(EPERM, "RTM_DELLINK", "the alias of " + ifname + " does not start with " + alias_prefix);
  }
  try {
    delete_link(netlink, link->ifindex);
  } catch (const SysError& error) {
    if (error.error() != ENODEV) throw;
    return false;
  }
  return true;
}

void set_noqueue(NetlinkSocket& netlink, int ifindex) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = ifindex;
  header.tcm_parent = TC_H_ROOT;
  NetlinkRequest request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, header);
  request.text(TCA_KIND, "noqueue");
  netlink.request(request, "RTM_NEWQDISC");
}

void add_address(NetlinkSocket& netlink, int ifindex, const std::string& address) {
  const Cidr cidr = parse_cidr(address);
  NetlinkRequest request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, cidr);
  if (cidr.family == AF_INET6) request.u32(IFA_FLAGS, IFA_F_NODAD);
  netlink.request(request, "RTM_NEWADDR");
}

void remove_address(NetlinkSocket& netlink, int ifindex, const std::string& address) {
  NetlinkRequest request = address_request(RTM_DELADDR, 0, ifindex, parse_cidr(address));
  netlink.request(request, "RTM_DELADDR");
}

}  // namespace weft

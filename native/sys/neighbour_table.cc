#include "sys/neighbour_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>

#include <array>
#include <cstdio>

#include "sys/link.h"
#include "sys/sys_error.h"

namespace weft {

std::optional<NeighbourEntry> find_neighbour(NetlinkSocket& netlink, const std::string& ifname, const std::string& address) {
  std::array<uint8_t, 16> bytes{};
  const bool ipv6 = address.find(':') != std::string::npos;
  if (inet_pton(ipv6 ? AF_INET6 : AF_INET, address.c_str(), bytes.data()) != 1) throw SysError(EINVAL, "address", address);
  ndmsg header{};
  header.ndm_family = ipv6 ? AF_INET6 : AF_INET;
  header.ndm_ifindex = require_link(netlink, ifname).ifindex;
  NetlinkRequest request(RTM_GETNEIGH, 0, header);
  request.bytes(NDA_DST, {bytes.data(), ipv6 ? 16u : 4u});
  std::optional<NeighbourEntry> found;
  try {
    netlink.request(request, "RTM_GETNEIGH", [&](const NetlinkMessage& message) {
      ndmsg entry;
      if (message.type != RTM_NEWNEIGH || !message.read(entry)) return;
      found = NeighbourEntry{.mac = {}, .failed = (entry.ndm_state & NUD_FAILED) != 0};
      if ((entry.ndm_state & (NUD_FAILED | NUD_INCOMPLETE)) != 0) return;
      for_each_attribute(message.attributes<ndmsg>(), [&](uint16_t type, Bytes value) {
        if (type != NDA_LLADDR || value.size() != 6) return;
        char text[18];
        snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", value[0], value[1], value[2], value[3], value[4], value[5]);
        found->mac = text;
      });
    });
  } catch (const SysError& error) {
    // EOPNOTSUPP: Linux before 5.0 tells of all entries or none.
    if (error.error() != ENOENT && error.error() != EOPNOTSUPP) throw;
  }
  return found;
}

}  // namespace weft

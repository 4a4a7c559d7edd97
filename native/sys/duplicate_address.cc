#include "sys/duplicate_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

namespace {

using Clock = std::chrono::steady_clock;
using Mac = std::array<uint8_t, ETH_ALEN>;

Mac mac_of(int fd, const std::string& ifname) {
  ifreq request{};
  std::strncpy(request.ifr_name, ifname.c_str(), IFNAMSIZ - 1);
  check(::ioctl(fd, SIOCGIFHWADDR, &request), "SIOCGIFHWADDR");
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) throw SysError(EINVAL, "probe", ifname + " is no Ethernet link");
  Mac mac;
  std::copy_n(reinterpret_cast<const uint8_t*>(request.ifr_hwaddr.sa_data), mac.size(), mac.begin());
  return mac;
}

std::string to_text(const uint8_t* mac) {
  char text[18];
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
  return text;
}

}  // namespace

std::optional<std::string> find_duplicate_address(const std::string& ifname, const std::string& address,
                                                  std::chrono::milliseconds limit) {
  in_addr target;
  if (inet_pton(AF_INET, address.c_str(), &target) != 1) throw SysError(EINVAL, "probe", address + " is no IPv4 address");
  const unsigned index = if_nametoindex(ifname.c_str());
  if (index == 0) throw_errno("if_nametoindex");
  const UniqueFd fd(check(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket"));
  const Mac own = mac_of(fd.get(), ifname);
  sockaddr_ll link{};
  link.sll_family = AF_PACKET;
  link.sll_protocol = htons(ETH_P_ARP);
  link.sll_ifindex = static_cast<int>(index);
  check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&link), sizeof(link)), "bind");

  ether_arp probe{};
  probe.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
  probe.ea_hdr.ar_pro = htons(ETH_P_IP);
  probe.ea_hdr.ar_hln = ETH_ALEN;
  probe.ea_hdr.ar_pln = sizeof(target);
  probe.ea_hdr.ar_op = htons(ARPOP_REQUEST);
  std::copy(own.begin(), own.end(), probe.arp_sha);
  std::memcpy(probe.arp_tpa, &target, sizeof(target));
  link.sll_halen = ETH_ALEN;
  std::fill_n(link.sll_addr, ETH_ALEN, uint8_t{0xff});
  check(::sendto(fd.get(), &probe, sizeof(probe), 0, reinterpret_cast<const sockaddr*>(&link), sizeof(link)), "send");

  const Clock::time_point deadline = Clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) throw_errno("poll");
    ether_arp heard;
    while (::recv(fd.get(), &heard, sizeof(heard), MSG_DONTWAIT) == static_cast<ssize_t>(sizeof(heard))) {
      const bool claims = std::memcmp(heard.arp_spa, &target, sizeof(target)) == 0;
      if (claims && !std::equal(own.begin(), own.end(), heard.arp_sha)) return to_text(heard.arp_sha);
    }
  }
}

}  // namespace weft

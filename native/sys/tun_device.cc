#include "sys/tun_device.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sys/sys_error.h"

namespace weft {

namespace {

constexpr unsigned long kTunGetDeviceNetns = _IO('T', 227);  // TUNGETDEVNETNS, Linux 5.11

}  // namespace

UniqueFd open_tun() { return UniqueFd(check(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "open /dev/net/tun")); }

std::string set_tun_interface(int fd, const std::string& name, TunKind kind, bool queue) {
  if (name.size() >= IFNAMSIZ) throw SysError(EINVAL, "TUNSETIFF", "the name is too long");
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  int flags = IFF_NO_PI | (kind == TunKind::tap ? IFF_TAP : IFF_TUN);
  if (queue) flags |= IFF_VNET_HDR | IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<short>(flags);
  check(::ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
  return {request.ifr_name, strnlen(request.ifr_name, sizeof(request.ifr_name))};
}

TunOffloads set_tun_offloads(int fd, TunOffloads wanted) {
  constexpr uint32_t tso = kTunTso4 | kTunTso6 | kTunTsoEcn;
  constexpr uint32_t uso = kTunUso4 | kTunUso6;
  uint32_t bits = kTunChecksum;
  // At once if possible: a guest whose device has them already is not to lose them for a moment.
  if (::ioctl(fd, TUNSETOFFLOAD, bits | (wanted.tso ? tso : 0) | (wanted.uso ? uso : 0)) == 0) return wanted;
  check(::ioctl(fd, TUNSETOFFLOAD, bits), "TUNSETOFFLOAD");
  // An unknown bit is refused as a whole, so each step is a trial of its own and what stands stays.
  const auto also = [&](uint32_t more) {
    if (::ioctl(fd, TUNSETOFFLOAD, bits | more) != 0) return false;
    bits |= more;
    return true;
  };
  TunOffloads taken;
  taken.tso = wanted.tso && also(tso);
  taken.uso = wanted.uso && also(uso);
  return taken;
}

void set_tun_vnet_header_size(int fd, int size) { check(::ioctl(fd, TUNSETVNETHDRSZ, &size), "TUNSETVNETHDRSZ"); }

void set_tun_persistent(int fd) { check(::ioctl(fd, TUNSETPERSIST, 1), "TUNSETPERSIST"); }

TunInterface tun_interface(int fd) {
  ifreq request{};
  check(::ioctl(fd, TUNGETIFF, &request), "TUNGETIFF");
  constexpr int made = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  constexpr int kinds = made | IFF_TUN;
  return {{request.ifr_name, strnlen(request.ifr_name, sizeof(request.ifr_name))}, (request.ifr_flags & kinds) == made};
}

int tun_vnet_header_size(int fd) {
  int size = 0;
  check(::ioctl(fd, TUNGETVNETHDRSZ, &size), "TUNGETVNETHDRSZ");
  return size;
}

UniqueFd tun_device_netns(int fd) { return UniqueFd(check(::ioctl(fd, kTunGetDeviceNetns, 0), "TUNGETDEVNETNS")); }
UniqueFd tun_opened_netns(int fd) { return UniqueFd(check(::ioctl(fd, SIOCGSKNS, 0), "SIOCGSKNS")); }

std::string temporary_ifname() {
  uint32_t random = 0;
  check(::getrandom(&random, sizeof(random), 0), "getrandom");
  char name[IFNAMSIZ];
  std::snprintf(name, sizeof(name), "weft%08x", random);
  return name;
}

}  // namespace weft

#include "sys/probe.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <cstdint>

#include "sys/sys_error.h"
#include "sys/tun_device.h"

namespace weft {

namespace {

constexpr int kUdpSegment = 103;  // UDP_SEGMENT, Linux 4.18
constexpr int kUdpGro = 104;      // UDP_GRO, Linux 5.0; getsockopt works from 5.12, before which it is not to be trusted

void probe_tap(Probe& probe) {
  try {
    const UniqueFd tun = open_tun();
    set_tun_interface(tun.get(), temporary_ifname(), TunKind::tap, true);
    const TunOffloads taken = set_tun_offloads(tun.get(), {true, true});
    probe.tso = taken.tso;
    probe.uso = taken.uso;
  } catch (const SysError& error) {
    probe.tun_error = error.error();
  }
}

void probe_udp(Probe& probe) {
  const UniqueFd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  int value = 1400;
  probe.udp_gso = ::setsockopt(socket.get(), IPPROTO_UDP, kUdpSegment, &value, sizeof(value)) == 0;
  value = 1;
  socklen_t size = sizeof(value);
  probe.udp_gro = ::setsockopt(socket.get(), IPPROTO_UDP, kUdpGro, &value, sizeof(value)) == 0 &&
                  ::getsockopt(socket.get(), IPPROTO_UDP, kUdpGro, &value, &size) == 0;
}

void probe_capabilities(Probe& probe) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  check(::syscall(SYS_capget, &header, data), "capget");
  const auto has = [&](unsigned capability) { return (data[capability / 32].effective >> capability % 32 & 1) != 0; };
  probe.cap_net_admin = has(CAP_NET_ADMIN);
  probe.cap_sys_admin = has(CAP_SYS_ADMIN);
}

}  // namespace

Probe probe_system() {
  Probe probe;
  utsname name{};
  check(::uname(&name), "uname");
  probe.kernel = name.release;
  probe_tap(probe);
  probe_udp(probe);
  probe_capabilities(probe);
  return probe;
}

}  // namespace weft

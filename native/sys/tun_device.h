// /dev/net/tun and its ioctls, in the network namespace of the calling thread.
#pragma once

#include <cstdint>
#include <string>

#include "sys/unique_fd.h"

namespace weft {

// Linux's uapi/linux/if_tun.h; defined anew because older headers lack the USO bits.
inline constexpr uint32_t kTunChecksum = 0x01;  // TUN_F_CSUM
inline constexpr uint32_t kTunTso4 = 0x02;
inline constexpr uint32_t kTunTso6 = 0x04;
inline constexpr uint32_t kTunTsoEcn = 0x08;
inline constexpr uint32_t kTunUso4 = 0x20;  // Linux 6.2; both or none
inline constexpr uint32_t kTunUso6 = 0x40;

enum class TunKind { tap, tun };

// A non-blocking, close-on-exec /dev/net/tun. Its device will be looked up in the namespace of the calling thread, and an open
// descriptor keeps that namespace alive.
UniqueFd open_tun();

// TUNSETIFF. Attaches to the device of that name if it exists, and makes it otherwise. `name` may be empty or hold one %d;
// returns the name given.
std::string set_tun_interface(int fd, const std::string& name, TunKind kind, bool queue);

// What a datapath queue negotiates: checksums always, the rest as asked and as far as the kernel has it.
struct TunOffloads {
  bool tso = false;
  bool uso = false;
};
TunOffloads set_tun_offloads(int fd, TunOffloads wanted);

void set_tun_vnet_header_size(int fd, int size);
void set_tun_persistent(int fd);

// Of an open device, as TUNGETIFF has it now.
struct TunInterface {
  std::string name;
  bool queue = false;  // a TAP as set_tun_interface makes them for `queue`
};
// EBADFD when the device is gone or there never was one.
TunInterface tun_interface(int fd);
int tun_vnet_header_size(int fd);
// Namespaces as descriptors: where the device is now, and where the descriptor was opened. The latter lives as long as the descriptor.
UniqueFd tun_device_netns(int fd);
UniqueFd tun_opened_netns(int fd);

// "weft" and eight random hexadecimal digits.
std::string temporary_ifname();

}  // namespace weft

// The TAPs of ports: made inside the port's namespace, and found again after a restart.
//
// Made inside, because to move a device from one namespace to another makes the kernel wait for its RCU callbacks: 8 to 25 ms,
// with all other changes of links held up meanwhile. Made inside, it takes less than one.
//
// A descriptor keeps the namespace alive in which it was opened, and with it everything else in there, silently, until it is
// closed: whoever makes or reattaches a TAP in another namespace has to watch that namespace. A descriptor of a TAP of our own
// namespace that somebody else moved away reports EPOLLERR (and EBADFD) once the namespace where it is now dies.
#pragma once

#include <string>
#include <vector>

#include "sys/netns.h"
#include "sys/unique_fd.h"

namespace weft {

struct TapOptions {
  NetnsPath netns;
  std::string ifname;
  std::string mac;  // aa:bb:cc:dd:ee:ff
  uint32_t mtu = 1500;
  std::vector<std::string> addresses;  // 10.0.0.1/24, fd00::1/64
  std::string alias;
  int queues = 1;
  bool tso = true;
  bool uso = true;
  uint32_t gso_max_size = 65536;
  uint32_t gso_max_segs = 65535;
  // False leaves the link down: until whoever moves it on has brought it up, writes end with EIO and reads find nothing.
  bool up = true;
};

struct TapReattachOptions {
  NetnsPath netns;
  std::string ifname;
  std::string alias;
  int queues = 1;
  bool tso = true;
  bool uso = true;
};

struct Tap {
  std::vector<UniqueFd> queues;  // non-blocking, close-on-exec, with a 10-byte virtio_net_hdr in native byte order
  int ifindex = 0;
  bool tso = false;
  bool uso = false;
};

// Makes a persistent multi-queue TAP with everything set. On any SysError nothing is left: until its last step the device
// lives by its descriptors alone. EEXIST when the namespace has a link of that name.
Tap create_tap(const TapOptions& options);

// ENODEV when there is no such TAP, EPERM when its alias is another.
Tap reattach_tap(const TapReattachOptions& options);

// What a descriptor from elsewhere is, told by the kernel alone.
struct TapIdentity {
  std::string ifname;
  std::string alias;    // empty without one
  uint64_t cookie = 0;  // of the namespace where the device is now
  bool pins = false;    // the descriptor was opened in another namespace than ours, which lives as long as it
};

// Leaves the descriptor non-blocking and close-on-exec. EINVAL when it is no queue of a TAP as create_tap makes them, ENOTTY when it is
// no tun device at all; EBADFD when its device is gone.
TapIdentity identify_tap(int fd);

}  // namespace weft

// What this kernel and this process can do, found by trying.
#pragma once

#include <string>

namespace weft {

struct Probe {
  std::string kernel;  // uname -r
  int tun_error = 0;   // errno; 0 when a TAP could be made
  bool tso = false;
  bool uso = false;
  bool udp_gso = false;
  bool udp_gro = false;
  bool cap_net_admin = false;
  bool cap_sys_admin = false;
};

// Makes a TAP for a moment, in our own namespace.
Probe probe_system();

}  // namespace weft

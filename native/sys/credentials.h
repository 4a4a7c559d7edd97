// Who is at the other end of a unix socket.
#pragma once

#include <sys/types.h>

namespace weft {

struct PeerCredentials {
  pid_t pid;  // as our PID namespace sees it; 0 when it does not
  uid_t uid;
  gid_t gid;
};

// SO_PEERCRED: who connected, at the time of connect(). Throws SysError.
PeerCredentials peer_credentials(int socket);

}  // namespace weft

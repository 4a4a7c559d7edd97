#include "sys/credentials.h"

#include <sys/socket.h>

#include "sys/sys_error.h"

namespace weft {

PeerCredentials peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  check(::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size), "SO_PEERCRED");
  return {credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace weft

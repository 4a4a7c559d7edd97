#include "sys/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

bool notify_service_manager(const std::string& state) {
  const char* variable = secure_getenv("NOTIFY_SOCKET");
  if (variable == nullptr || *variable == '\0') return false;
  const std::string path = variable;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path[0] != '/' && path[0] != '@') throw SysError(EAFNOSUPPORT, "NOTIFY_SOCKET", path);
  if (path.size() >= sizeof(address.sun_path)) throw SysError(ENAMETOOLONG, "NOTIFY_SOCKET", path);
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());

  const UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  check(::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size),
        "sendto NOTIFY_SOCKET");
  return true;
}

}  // namespace weft

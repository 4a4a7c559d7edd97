#include "sys/lock.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

bool take_lock(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, UniqueFd> held;
  const std::lock_guard guard(mutex);
  if (held.contains(name)) return true;

  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "weft/" + name;  // behind the zero byte that makes the address abstract
  if (path.size() > sizeof(address.sun_path) - 1) throw SysError(ENAMETOOLONG, "bind", name);
  std::memcpy(address.sun_path + 1, path.data(), path.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());

  UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    if (errno == EADDRINUSE) return false;
    throw_errno("bind");
  }
  held.emplace(name, std::move(socket));
  return true;
}

bool lock_file(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw_errno("flock");
}

}  // namespace weft

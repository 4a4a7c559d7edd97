#include "sys/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

namespace {

constexpr time_t kPatienceSeconds = 5;
constexpr size_t kMaxDescriptors = 253;  // SCM_MAX_FD (include/net/scm.h)

}  // namespace

bool notify_service_manager(const std::string& state, std::span<const int> fds) {
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

  if (fds.size() > kMaxDescriptors) throw SysError(EINVAL, "sendmsg NOTIFY_SOCKET", "too many descriptors");

  const UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  check(::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), "SO_SNDTIMEO");
  iovec text{.iov_base = const_cast<char*>(state.data()), .iov_len = state.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = size;
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  std::vector<cmsghdr> control(CMSG_SPACE(fds.size_bytes()) / sizeof(cmsghdr) + 1);
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  check(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), "sendmsg NOTIFY_SOCKET");
  return true;
}

}  // namespace weft

#include "sys/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "sys/sys_error.h"

namespace weft {

namespace {

#ifndef SO_NETNS_COOKIE
constexpr int SO_NETNS_COOKIE = 71;
#endif

UniqueFd open_nsfs(const std::string& path) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) throw SysError(errno, "open", path);
  struct statfs fs {};
  check(::fstatfs(place.get(), &fs), "fstatfs");
  if (fs.f_type != NSFS_MAGIC) throw SysError(EINVAL, "setns", path + " is not a network namespace");
  const std::string same = "/proc/self/fd/" + std::to_string(place.get());
  return UniqueFd(check(::open(same.c_str(), O_RDONLY | O_CLOEXEC), "open"));
}

}  // namespace

Netns::Netns(const NetnsPath& path) {
  if (path && !path->empty()) fd_ = open_nsfs(*path);
}

void Netns::run(const std::function<void()>& work) const {
  if (is_own()) {
    work();
    return;
  }
  std::exception_ptr failure;
  std::thread inside([&] {
    try {
      check(::setns(fd(), CLONE_NEWNET), "setns");
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  inside.join();
  if (failure) std::rethrow_exception(failure);
}

std::vector<std::optional<SysError>> in_each_netns(const std::vector<std::string>& paths, const std::function<void(size_t)>& work) {
  std::vector<std::optional<SysError>> refused(paths.size());
  if (paths.empty()) return refused;
  std::exception_ptr failure;
  std::thread inside([&] {
    try {
      for (size_t i = 0; i < paths.size(); ++i) {
        try {
          const Netns netns(paths[i]);
          check(::setns(netns.fd(), CLONE_NEWNET), "setns");
          work(i);
        } catch (const SysError& error) {
          refused[i] = error;
        }
      }
    } catch (...) {
      failure = std::current_exception();
    }
  });
  inside.join();
  if (failure) std::rethrow_exception(failure);
  return refused;
}

NetnsInfo netns_info(const NetnsPath& path) {
  const Netns netns(path);
  return netns.call([&] {
    NetnsInfo info{};
    const UniqueFd socket(check(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    socklen_t length = sizeof(info.cookie);
    check(::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &info.cookie, &length), "SO_NETNS_COOKIE");
    struct stat file {};
    check(::stat("/proc/thread-self/ns/net", &file), "stat");
    info.inode = file.st_ino;
    return info;
  });
}

}  // namespace weft

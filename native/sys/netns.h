// Work inside another network namespace.
//
// setns() changes one thread, so the work runs in a fresh thread that ends with it: Node's own threads never leave their
// namespace, and a failure half-way cannot strand one. No descriptor of the namespace outlives a Netns, for that would keep
// the namespace alive after its last process is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sys/sys_error.h"
#include "sys/unique_fd.h"

namespace weft {

// A path to an nsfs file such as /run/netns/blue or /proc/7/ns/net; nothing is the namespace of this process.
using NetnsPath = std::optional<std::string>;

class Netns {
 public:
  // Throws SysError: what open() says, or EINVAL when `path` is anything but a namespace. Safe on any path: a FIFO does not
  // block, a device is not opened.
  explicit Netns(const NetnsPath& path);

  // Runs `work` inside and waits for it; what it throws is thrown here. EPERM without CAP_SYS_ADMIN. Another thread runs it
  // unless the namespace is our own.
  void run(const std::function<void()>& work) const;

  template <class Work>
  auto call(Work&& work) const {
    using Result = std::invoke_result_t<Work>;
    if constexpr (std::is_void_v<Result>) {
      run(std::forward<Work>(work));
    } else {
      std::optional<Result> result;
      run([&] { result.emplace(work()); });
      return std::move(*result);
    }
  }

  bool is_own() const { return !fd_; }
  // For IFLA_NET_NS_FD; -1 when the namespace is our own.
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

template <class Work>
auto in_netns(const NetnsPath& path, Work&& work) {
  return Netns(path).call(std::forward<Work>(work));
}

// Runs `work` inside each of these in turn, with its index. One thread goes through all of them, which costs half of what a thread for each
// does. What the kernel refuses for one is told in its place, and the others are visited all the same; what else `work` throws is thrown
// here.
std::vector<std::optional<SysError>> in_each_netns(const std::vector<std::string>& paths, const std::function<void(size_t)>& work);

struct NetnsInfo {
  uint64_t cookie;  // SO_NETNS_COOKIE (Linux 5.14): unique until reboot, unlike the inode
  uint64_t inode;   // of the nsfs file
};

NetnsInfo netns_info(const NetnsPath& path);

}  // namespace weft

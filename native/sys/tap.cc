#include "sys/tap.h"

#include <fcntl.h>

#include <cerrno>

#include "sys/link.h"
#include "sys/sys_error.h"
#include "sys/tun_device.h"

namespace weft {

namespace {

constexpr int kVnetHeaderBytes = 10;
constexpr int kMaxQueues = 256;  // MAX_TAP_QUEUES

Tap open_queues(const std::string& ifname, int queues, TunOffloads wanted) {
  if (queues < 1 || queues > kMaxQueues) throw SysError(EINVAL, "TUNSETIFF", "1 to 256 queues");
  Tap tap;
  for (int i = 0; i < queues; i++) {
    tap.queues.push_back(open_tun());
    set_tun_interface(tap.queues.back().get(), ifname, TunKind::tap, true);
  }
  set_tun_vnet_header_size(tap.queues.front().get(), kVnetHeaderBytes);
  const TunOffloads taken = set_tun_offloads(tap.queues.front().get(), wanted);
  tap.tso = taken.tso;
  tap.uso = taken.uso;
  return tap;
}

}  // namespace

Tap create_tap(const TapOptions& options) {
  check_ifname(options.ifname);
  return in_netns(options.netns, [&] {
    const std::string temporary = temporary_ifname();
    Tap tap = open_queues(temporary, options.queues, {options.tso, options.uso});

    NetlinkSocket netlink;
    tap.ifindex = require_link(netlink, temporary).ifindex;
    LinkChange change;
    change.mac = options.mac;
    change.mtu = options.mtu;
    change.alias = options.alias;
    change.gso_max_size = options.gso_max_size;
    change.gso_max_segs = options.gso_max_segs;
    change_link(netlink, tap.ifindex, change);
    // Before the link comes up: a default one would be made for each of its 256 queues.
    set_noqueue(netlink, tap.ifindex);
    rename_link(netlink, tap.ifindex, options.ifname);
    for (const std::string& address : options.addresses) add_address(netlink, tap.ifindex, address);
    if (options.up) {
      LinkChange up;
      up.up = true;
      change_link(netlink, tap.ifindex, up);
    }

    // Last, so that every failure before, a crash included, removes the device with its descriptors.
    set_tun_persistent(tap.queues.front().get());
    return tap;
  });
}

Tap reattach_tap(const TapReattachOptions& options) {
  return in_netns(options.netns, [&] {
    NetlinkSocket netlink;
    const Link link = require_link(netlink, options.ifname);
    if (link.kind != "tun") throw SysError(ENODEV, "TUNSETIFF", options.ifname + " is no TAP");
    if (link.alias != options.alias) throw SysError(EPERM, "TUNSETIFF", "the alias of " + options.ifname + " is another");
    Tap tap = open_queues(options.ifname, options.queues, {options.tso, options.uso});
    // If it vanished since, TUNSETIFF made a new one, which closing its descriptors removes.
    tap.ifindex = require_link(netlink, options.ifname).ifindex;
    if (tap.ifindex != link.ifindex) throw SysError(ENODEV, "TUNSETIFF", options.ifname);
    return tap;
  });
}

TapIdentity identify_tap(int fd) {
  const TunInterface found = tun_interface(fd);
  if (!found.queue) throw SysError(EINVAL, "TUNGETIFF", found.name + " is no multi-queue TAP");
  if (tun_vnet_header_size(fd) != kVnetHeaderBytes) throw SysError(EINVAL, "TUNGETVNETHDRSZ", found.name);
  check(::fcntl(fd, F_SETFD, FD_CLOEXEC), "F_SETFD");
  check(::fcntl(fd, F_SETFL, check(::fcntl(fd, F_GETFL), "F_GETFL") | O_NONBLOCK), "F_SETFL");
  const auto path = [](const UniqueFd& netns) { return "/proc/self/fd/" + std::to_string(netns.get()); };
  const UniqueFd place = tun_device_netns(fd);
  const UniqueFd origin = tun_opened_netns(fd);
  TapIdentity tap{.ifname = found.name, .alias = {}, .cookie = netns_info(path(place)).cookie, .pins = false};
  tap.pins = netns_info(path(origin)).cookie != netns_info(std::nullopt).cookie;
  tap.alias = in_netns(path(place), [&] {
    NetlinkSocket netlink;
    return require_link(netlink, found.name).alias.value_or("");
  });
  return tap;
}

}  // namespace weft

// native/sys against the real kernel: needs root. It runs in a network namespace of its own, so that what others do on this
// machine neither disturbs it nor counts; every other namespace dies with its Lab.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "sys/credentials.h"
#include "sys/end_process.h"
#include "sys/link.h"
#include "sys/lock.h"
#include "sys/neighbour_table.h"
#include "sys/netns.h"
#include "sys/notify.h"
#include "sys/path.h"
#include "sys/probe.h"
#include "sys/sys_error.h"
#include "sys/tap.h"
#include "sys/tun_device.h"

using namespace weft;

namespace {

const std::string kAlias = "weft:test-host:port-1";

// A network namespace held by one descriptor of ours and named by its path in /proc.
class Lab {
 public:
  Lab() {
    std::thread([this] {
      REQUIRE(::unshare(CLONE_NEWNET) == 0);
      fd_ = UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    REQUIRE(fd_);
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }
  void destroy() { fd_.reset(); }

  std::vector<Link> links() const {
    return in_netns(path(), [] {
      NetlinkSocket netlink;
      return list_links(netlink);
    });
  }
  std::optional<Link> link(const std::string& ifname) const {
    for (const Link& link : links()) {
      if (link.ifname == ifname) return link;
    }
    return std::nullopt;
  }

 private:
  UniqueFd fd_;
};

TapOptions options_for(const Lab& lab) {
  TapOptions options;
  options.netns = lab.path();
  options.ifname = "eth0";
  options.mac = "02:11:22:33:44:55";
  options.mtu = 1430;
  options.addresses = {"10.42.0.2/24", "fd42::2/64"};
  options.alias = kAlias;
  options.queues = 2;
  options.gso_max_size = 61000;
  options.gso_max_segs = 128;
  return options;
}

// Of a link in our own namespace, to be moved.
TapOptions home_options() {
  TapOptions options;
  options.ifname = "wsystest0";
  options.mac = "02:11:22:33:44:56";
  options.alias = kAlias;
  options.up = false;
  return options;
}

TapReattachOptions reattach_options_for(const Lab& lab) {
  TapReattachOptions options;
  options.netns = lab.path();
  options.ifname = "eth0";
  options.alias = kAlias;
  options.queues = 2;
  return options;
}

template <class Work>
int error_of(Work&& work) {
  try {
    work();
  } catch (const SysError& error) {
    return error.error();
  }
  return 0;
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
  return count;
}

size_t own_links() {
  NetlinkSocket netlink;
  return list_links(netlink).size();
}

// What an engine does with an endpoint: moves the link to a namespace and renames it, in one request.
void move_link(int ifindex, const std::string& path, const std::string& ifname) {
  ifinfomsg header{};
  header.ifi_index = ifindex;
  const Netns netns(path);
  NetlinkRequest request(RTM_NEWLINK, 0, header);
  request.u32(IFLA_NET_NS_FD, static_cast<uint32_t>(netns.fd())).text(IFLA_IFNAME, ifname);
  NetlinkSocket netlink;
  netlink.request(request, "RTM_NEWLINK");
}

bool wait_for(int fd, short events, int timeout_ms) {
  pollfd poll_fd{fd, events, 0};
  return ::poll(&poll_fd, 1, timeout_ms) == 1;
}

// Until the descriptor of a TAP reports an error alone. Looked for again and again: the kernel wakes those who wait to read, and
// whoever waits for nothing but errors sleeps on (drivers/net/tun.c, tun_detach_all).
bool wait_for_death(int fd, int timeout_ms) {
  constexpr int kStep = 20;
  for (int waited = 0; waited < timeout_ms; waited += kStep) {
    if (wait_for(fd, 0, kStep)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a TAP is made in another namespace with everything that was asked for") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  REQUIRE(tap.queues.size() == 2);
  CHECK(tap.tso);

  const auto link = lab.link("eth0");
  REQUIRE(link);
  CHECK(link->ifindex == tap.ifindex);
  CHECK(link->mac == "02:11:22:33:44:55");
  CHECK(link->mtu == 1430);
  CHECK(link->up);
  CHECK(link->carrier);
  CHECK(link->alias == kAlias);
  CHECK(link->kind == "tun");
  CHECK(link->qdisc == "noqueue");
  CHECK(link->gso_max_size == 61000);
  CHECK(link->gso_max_segs == 128);
  CHECK(link->addresses == std::vector<std::string>{"10.42.0.2/24", "fd42::2/64"});

  for (const UniqueFd& queue : tap.queues) {
    CHECK((::fcntl(queue.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(queue.get(), F_GETFD) & FD_CLOEXEC) != 0);
    ifreq request{};
    REQUIRE(::ioctl(queue.get(), TUNGETIFF, &request) == 0);
    CHECK(std::string(request.ifr_name) == "eth0");
    CHECK((request.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_PERSIST)) ==
          (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_PERSIST));
    int header = 0;
    REQUIRE(::ioctl(queue.get(), TUNGETVNETHDRSZ, &header) == 0);
    CHECK(header == 10);
    int send_buffer = 0;
    REQUIRE(::ioctl(queue.get(), TUNGETSNDBUF, &send_buffer) == 0);
    CHECK(send_buffer == INT_MAX);  // or the kernel leaves its fast path for writes
  }
}

TEST_CASE("frames of the namespace are read from a queue, with the header") {
  const Lab lab;
  TapOptions options = options_for(lab);
  options.queues = 1;
  const Tap tap = create_tap(options);
  // IPv6 announces itself on a new link (MLD, router solicitation): there is something to read soon.
  REQUIRE(wait_for(tap.queues[0].get(), POLLIN, 30'000));
  uint8_t frame[2048];
  const ssize_t size = ::read(tap.queues[0].get(), frame, sizeof(frame));
  REQUIRE(size > 10 + 14);
  CHECK(std::equal(frame + 16, frame + 22, parse_mac("02:11:22:33:44:55").begin()));
}

TEST_CASE("an IPv6 address is usable at once") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [] {
    const UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 own{};
    own.sin6_family = AF_INET6;
    own.sin6_addr = {{{0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}};
    CHECK(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0);
  });
}

TEST_CASE("a TAP can be made in our own namespace") {
  TapOptions options;
  options.ifname = "wsystest0";
  options.mac = "02:11:22:33:44:55";
  options.alias = kAlias;
  const Tap tap = create_tap(options);
  NetlinkSocket netlink;
  const auto link = find_link(netlink, "wsystest0");
  REQUIRE(link);
  CHECK(link->ifindex == tap.ifindex);
  CHECK(link->qdisc == "noqueue");
  CHECK(link->up);
  CHECK(delete_tagged_link(netlink, "wsystest0", "weft:"));
  CHECK_FALSE(find_link(netlink, "wsystest0"));
}

TEST_CASE("a TAP made down is silent until whoever took it to a namespace brings it up there") {
  TapOptions options;
  options.ifname = "wsystest0";
  options.mac = "02:11:22:33:44:55";
  options.mtu = 1430;
  options.alias = kAlias;
  options.gso_max_size = 61000;
  options.up = false;
  const Tap tap = create_tap(options);
  const int queue = tap.queues[0].get();
  NetlinkSocket netlink;
  const Link made = require_link(netlink, "wsystest0");
  CHECK_FALSE(made.up);
  CHECK(made.mac == options.mac);
  CHECK(made.mtu == 1430);
  CHECK(made.alias == kAlias);
  CHECK(made.qdisc == "noqueue");
  CHECK(made.gso_max_size == 61000);
  CHECK(made.addresses.empty());

  // "Who has 10.42.0.2?" from a host behind the engine, with an empty virtio header.
  uint8_t request[10 + 60] = {};
  const uint8_t question[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
                              2, 0, 0, 0, 0, 9, 10, 42, 0, 9, 0, 0, 0, 0, 0, 0, 10, 42, 0, 2};
  std::copy(std::begin(question), std::end(question), request + 10);
  CHECK(::write(queue, request, sizeof request) == -1);
  CHECK(errno == EIO);  // what the engine counts as port_down
  uint8_t frame[2048];
  CHECK(::read(queue, frame, sizeof frame) == -1);
  CHECK(errno == EAGAIN);

  const Lab sandbox;
  move_link(made.ifindex, sandbox.path(), "eth0");
  in_netns(sandbox.path(), [] {
    NetlinkSocket inside;
    const int ifindex = require_link(inside, "eth0").ifindex;
    add_address(inside, ifindex, "10.42.0.2/24");
    LinkChange up;
    up.up = true;
    change_link(inside, ifindex, up);
    CHECK(require_link(inside, "eth0").qdisc != "noqueue");  // the move lost it
    set_noqueue(inside, ifindex);
    CHECK(require_link(inside, "eth0").qdisc == "noqueue");
  });
  const auto moved = sandbox.link("eth0");
  REQUIRE(moved);
  CHECK(moved->alias == kAlias);
  CHECK(moved->mtu == 1430);
  CHECK(moved->gso_max_size == 61000);

  // In by the write, out by the read: the guest's kernel answers. Its other frames (MLD, router solicitations) are passed over.
  REQUIRE(::write(queue, request, sizeof request) == sizeof request);
  for (bool answered = false; !answered;) {
    const ssize_t size = ::read(queue, frame, sizeof frame);
    if (size < 0) REQUIRE(wait_for(queue, POLLIN, 30'000));
    const uint8_t* arp = frame + 10 + 14;
    answered = size >= 10 + 42 && frame[10 + 12] == 8 && frame[10 + 13] == 6 && arp[7] == 2;
    if (answered) CHECK(std::equal(arp + 8, arp + 14, parse_mac("02:11:22:33:44:55").begin()));
  }
}

TEST_CASE("a name that is taken gives EEXIST and leaves nothing behind") {
  const Lab lab;
  const Tap first = create_tap(options_for(lab));
  const size_t descriptors = open_descriptors();
  const size_t links = own_links();
  TapOptions options = options_for(lab);
  options.alias = "weft:test-host:port-2";
  CHECK(error_of([&] { create_tap(options); }) == EEXIST);
  CHECK(open_descriptors() == descriptors);
  CHECK(own_links() == links);
  CHECK(lab.links().size() == 2);  // lo, eth0
  CHECK(lab.link("eth0")->alias == kAlias);
}

TEST_CASE("whatever fails leaves neither link nor descriptor") {
  const Lab lab;
  const size_t descriptors = open_descriptors();
  const size_t links = own_links();
  const auto fails_with = [&](int error, auto change) {
    TapOptions options = options_for(lab);
    change(options);
    CHECK(error_of([&] { create_tap(options); }) == error);
    CHECK(open_descriptors() == descriptors);
    CHECK(own_links() == links);
    CHECK(lab.links().size() == 1);
  };
  fails_with(EINVAL, [](TapOptions& o) { o.ifname = "sixteen-bytes-xx"; });
  fails_with(EINVAL, [](TapOptions& o) { o.ifname = ""; });
  fails_with(EINVAL, [](TapOptions& o) { o.ifname = "eth%d"; });
  fails_with(EINVAL, [](TapOptions& o) { o.ifname = "a/b"; });
  fails_with(EINVAL, [](TapOptions& o) { o.mac = "02:11:22:33:44"; });
  fails_with(EINVAL, [](TapOptions& o) { o.mac = "02:11:22:33:44:5g"; });
  fails_with(EADDRNOTAVAIL, [](TapOptions& o) { o.mac = "01:00:5e:00:00:01"; });
  fails_with(EINVAL, [](TapOptions& o) { o.mtu = 70000; });
  fails_with(EINVAL, [](TapOptions& o) { o.queues = 0; });
  fails_with(EINVAL, [](TapOptions& o) { o.queues = 257; });
  fails_with(EINVAL, [](TapOptions& o) { o.addresses = {"10.0.0.1"}; });
  fails_with(EINVAL, [](TapOptions& o) { o.addresses = {"10.0.0.1/33"}; });
  fails_with(EINVAL, [](TapOptions& o) { o.addresses = {"10.0.0.1/1x"}; });
  fails_with(EEXIST, [](TapOptions& o) { o.addresses = {"10.0.0.1/24", "10.0.0.1/24"}; });
}

TEST_CASE("what is no network namespace is refused") {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("weft-sys-test-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string fifo = folder / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(error_of([&] { netns_info(fifo); }) == EINVAL);  // and does not block
  CHECK(error_of([&] { netns_info(folder.string()); }) == EINVAL);
  CHECK(error_of([&] { netns_info("/etc/passwd"); }) == EINVAL);
  CHECK(error_of([&] { netns_info("/proc/self/ns/uts"); }) == EINVAL);
  CHECK(error_of([&] { netns_info((folder / "none").string()); }) == ENOENT);
  std::filesystem::remove_all(folder);
}

TEST_CASE("namespaces have cookies of their own, and work inside leaves us where we were") {
  const Lab first;
  const Lab second;
  const NetnsInfo own = netns_info(std::nullopt);
  CHECK(netns_info(first.path()).cookie != netns_info(second.path()).cookie);
  CHECK(netns_info(first.path()).cookie != own.cookie);
  CHECK(netns_info(first.path()).inode != own.inode);
  CHECK(netns_info(first.path()).cookie == netns_info(first.path()).cookie);
  CHECK(netns_info("/proc/self/ns/net").cookie == own.cookie);
  CHECK(netns_info(std::nullopt).inode == own.inode);
}

TEST_CASE("several namespaces are visited in turn, and one that is not there keeps none of the others") {
  const Lab first;
  const Lab second;
  const NetnsInfo own = netns_info(std::nullopt);
  std::vector<uint64_t> inodes(4);
  const auto refused = in_each_netns({first.path(), "/run/netns/weft-none", second.path(), first.path()}, [&](size_t i) {
    struct stat file {};
    REQUIRE(::stat("/proc/thread-self/ns/net", &file) == 0);
    inodes[i] = file.st_ino;
    if (i == 2) throw SysError(EBUSY, "work");
  });
  const uint64_t one = netns_info(first.path()).inode;
  CHECK(inodes == std::vector<uint64_t>{one, 0, netns_info(second.path()).inode, one});
  CHECK(!refused[0]);
  CHECK(refused[1]->error() == ENOENT);
  CHECK(refused[2]->error() == EBUSY);
  CHECK(!refused[3]);
  CHECK(netns_info(std::nullopt).inode == own.inode);
  CHECK(in_each_netns({}, [](size_t) {}).empty());
  CHECK_THROWS_AS(in_each_netns({first.path()}, [](size_t) { throw std::logic_error("no"); }), std::logic_error);
}

TEST_CASE("a persistent TAP is reattached with its name, MAC and addresses") {
  const Lab lab;
  const int ifindex = create_tap(options_for(lab)).ifindex;  // and closed
  const auto left = lab.link("eth0");
  REQUIRE(left);
  CHECK_FALSE(left->carrier);
  CHECK(left->addresses.size() == 2);

  TapReattachOptions options = reattach_options_for(lab);
  const Tap tap = reattach_tap(options);
  CHECK(tap.ifindex == ifindex);
  CHECK(tap.tso);
  CHECK(tap.queues.size() == 2);
  const auto link = lab.link("eth0");
  REQUIRE(link);
  CHECK(link->carrier);
  CHECK(link->mac == "02:11:22:33:44:55");
  CHECK(link->addresses.size() == 2);
  CHECK(link->qdisc == "noqueue");
  int header = 0;
  REQUIRE(::ioctl(tap.queues[0].get(), TUNGETVNETHDRSZ, &header) == 0);
  CHECK(header == 10);
}

TEST_CASE("a reattached TAP works with another number of queues and other offloads") {
  const Lab lab;
  create_tap(options_for(lab));
  TapReattachOptions options = reattach_options_for(lab);
  options.queues = 1;
  options.tso = false;
  options.uso = false;
  const Tap tap = reattach_tap(options);
  CHECK(tap.queues.size() == 1);
  CHECK_FALSE(tap.tso);
  CHECK_FALSE(tap.uso);
}

TEST_CASE("reattaching refuses what is not ours and makes nothing that is gone") {
  const Lab lab;
  CHECK(error_of([&] { reattach_tap(reattach_options_for(lab)); }) == ENODEV);
  CHECK(lab.links().size() == 1);

  create_tap(options_for(lab));
  TapReattachOptions options = reattach_options_for(lab);
  options.alias = "weft:other-host:port-1";
  CHECK(error_of([&] { reattach_tap(options); }) == EPERM);
  CHECK_FALSE(lab.link("eth0")->carrier);

  options = reattach_options_for(lab);
  options.ifname = "lo";
  CHECK(error_of([&] { reattach_tap(options); }) == ENODEV);
}

TEST_CASE("a TAP keeps the namespace alive in which it was made, until it is closed") {
  Lab lab;
  std::optional<Tap> tap = create_tap(options_for(lab));
  const Tap witness = create_tap(home_options());
  move_link(witness.ifindex, lab.path(), "eth1");
  lab.destroy();
  ifreq request{};
  CHECK(::ioctl(witness.queues[0].get(), TUNGETIFF, &request) == 0);
  tap.reset();
  CHECK(wait_for_death(witness.queues[0].get(), 60'000));
}

TEST_CASE("a TAP that was moved to a namespace reports on its descriptor that it died") {
  Lab lab;
  const Tap tap = create_tap(home_options());
  move_link(tap.ifindex, lab.path(), "eth0");
  lab.destroy();
  REQUIRE(wait_for_death(tap.queues[0].get(), 60'000));  // POLLERR alone; the kernel takes namespaces down in its own time
  ifreq request{};
  CHECK(::ioctl(tap.queues[0].get(), TUNGETIFF, &request) == -1);
  CHECK(errno == EBADFD);
  CHECK(::write(tap.queues[0].get(), "", 1) == -1);
  CHECK(errno == EBADFD);
}

TEST_CASE("a descriptor tells which TAP it is of, where that is, and what it keeps alive") {
  const Lab lab;
  const Tap inside = create_tap(options_for(lab));
  const TapIdentity one = identify_tap(inside.queues[1].get());
  CHECK(one.ifname == "eth0");
  CHECK(one.alias == kAlias);
  CHECK(one.cookie == netns_info(lab.path()).cookie);
  CHECK(one.pins);

  const Tap moved = create_tap(home_options());
  CHECK(identify_tap(moved.queues[0].get()).cookie == netns_info(std::nullopt).cookie);
  const Lab other;
  move_link(moved.ifindex, other.path(), "inside0");
  // Neither flag is lost on purpose: a descriptor that came from elsewhere may have none of them.
  REQUIRE(::fcntl(moved.queues[0].get(), F_SETFD, 0) == 0);
  REQUIRE(::fcntl(moved.queues[0].get(), F_SETFL, 0) == 0);
  const TapIdentity two = identify_tap(moved.queues[0].get());
  CHECK(two.ifname == "inside0");
  CHECK(two.alias == kAlias);
  CHECK(two.cookie == netns_info(other.path()).cookie);
  CHECK_FALSE(two.pins);
  CHECK((::fcntl(moved.queues[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(moved.queues[0].get(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("a descriptor that is no queue of a TAP of ours, or whose device is gone, is told apart") {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK(error_of([&] { identify_tap(null.get()); }) == ENOTTY);
  const UniqueFd unused = open_tun();
  CHECK(error_of([&] { identify_tap(unused.get()); }) == EBADFD);
  const UniqueFd tun = open_tun();
  set_tun_interface(tun.get(), "wsystest1", TunKind::tun, true);
  CHECK(error_of([&] { identify_tap(tun.get()); }) == EINVAL);
  const UniqueFd plain = open_tun();
  set_tun_interface(plain.get(), "wsystest2", TunKind::tap, false);
  CHECK(error_of([&] { identify_tap(plain.get()); }) == EINVAL);
  const UniqueFd wide = open_tun();
  set_tun_interface(wide.get(), "wsystest3", TunKind::tap, true);
  set_tun_vnet_header_size(wide.get(), 12);
  CHECK(error_of([&] { identify_tap(wide.get()); }) == EINVAL);

  const Tap doomed = create_tap(home_options());
  NetlinkSocket netlink;
  delete_link(netlink, doomed.ifindex);
  CHECK(error_of([&] { identify_tap(doomed.queues[0].get()); }) == EBADFD);
}

TEST_CASE("200 TAPs made and removed leave neither links nor descriptors") {
  const Lab lab;
  const size_t descriptors = open_descriptors();
  const size_t links = own_links();
  for (int i = 0; i < 200; i++) {
    const Tap tap = create_tap(options_for(lab));
    const bool deleted = in_netns(lab.path(), [] {
      NetlinkSocket netlink;
      return delete_tagged_link(netlink, "eth0", kAlias);
    });
    REQUIRE(deleted);
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(own_links() == links);
  CHECK(lab.links().size() == 1);
}

TEST_CASE("a link is deleted only by its tag") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [] {
    NetlinkSocket netlink;
    CHECK(error_of([&] { delete_tagged_link(netlink, "eth0", "weft:other"); }) == EPERM);
    CHECK(error_of([&] { delete_tagged_link(netlink, "lo", "weft:"); }) == EPERM);
    CHECK_FALSE(delete_tagged_link(netlink, "eth1", "weft:"));
    CHECK(delete_tagged_link(netlink, "eth0", "weft:test-host"));
    CHECK_FALSE(delete_tagged_link(netlink, "eth0", "weft:test-host"));
  });
}

TEST_CASE("a link changes while it is up") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [&] {
    NetlinkSocket netlink;
    LinkChange change;
    change.mtu = 1280;
    change.mac = "02:aa:bb:cc:dd:ee";
    change.gso_max_size = 30000;
    change_link(netlink, tap.ifindex, change);
    const Link link = require_link(netlink, "eth0");
    CHECK(link.up);
    CHECK(link.mtu == 1280);
    CHECK(link.mac == "02:aa:bb:cc:dd:ee");
    CHECK(link.gso_max_size == 30000);
    CHECK(link.alias == kAlias);

    LinkChange down;
    down.up = false;
    change_link(netlink, tap.ifindex, down);
    CHECK_FALSE(require_link(netlink, "eth0").up);
    CHECK(error_of([&] { require_link(netlink, "eth9"); }) == ENODEV);
  });
}

TEST_CASE("addresses come and go") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [&] {
    NetlinkSocket netlink;
    add_address(netlink, tap.ifindex, "10.43.0.1/16");
    add_address(netlink, tap.ifindex, "fd43::1/48");
    CHECK(error_of([&] { add_address(netlink, tap.ifindex, "10.43.0.1/16"); }) == EEXIST);
    remove_address(netlink, tap.ifindex, "10.42.0.2/24");
    remove_address(netlink, tap.ifindex, "fd42::2/64");
    CHECK(error_of([&] { remove_address(netlink, tap.ifindex, "10.42.0.2/24"); }) == EADDRNOTAVAIL);
    for (const std::string wrong : {"", "/", "10.0.0/8", "10.0.0.1/", "10.0.0.1/-1", "fe80::1%eth0/64", "::/129"}) {
      CHECK(error_of([&] { add_address(netlink, tap.ifindex, wrong); }) == EINVAL);
    }
  });
  CHECK(lab.link("eth0")->addresses == std::vector<std::string>{"10.43.0.1/16", "fd43::1/48"});
}

TEST_CASE("the kernel tells what it knows of a neighbour") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [&] {
    NetlinkSocket netlink;
    CHECK_FALSE(find_neighbour(netlink, "eth0", "10.42.0.9"));
    CHECK_FALSE(find_neighbour(netlink, "eth0", "fd42::9"));
    REQUIRE(system("ip neigh add 10.42.0.9 lladdr 02:00:00:00:00:09 dev eth0 &&"
                   "ip neigh add fd42::9 lladdr 02:00:00:00:00:0a dev eth0 &&"
                   "ip neigh add 10.42.0.8 dev eth0 nud failed") == 0);
    CHECK(find_neighbour(netlink, "eth0", "10.42.0.9")->mac == "02:00:00:00:00:09");
    CHECK(find_neighbour(netlink, "eth0", "fd42::9")->mac == "02:00:00:00:00:0a");
    CHECK_FALSE(find_neighbour(netlink, "eth0", "10.42.0.9")->failed);
    CHECK(find_neighbour(netlink, "eth0", "10.42.0.8")->failed);
    CHECK(find_neighbour(netlink, "eth0", "10.42.0.8")->mac.empty());
    CHECK(error_of([&] { find_neighbour(netlink, "eth1", "10.42.0.9"); }) == ENODEV);
    for (const std::string wrong : {"", "10.42.0", "fd42::9/64", "x"}) {
      CHECK(error_of([&] { find_neighbour(netlink, "eth0", wrong); }) == EINVAL);
    }
  });
}

TEST_CASE("a refusal carries the kernel's own words") {
  const Lab lab;
  const Tap tap = create_tap(options_for(lab));
  in_netns(lab.path(), [&] {
    NetlinkSocket netlink;
    LinkChange change;
    change.mtu = 70000;
    std::string words;
    try {
      change_link(netlink, tap.ifindex, change);
    } catch (const SysError& error) {
      words = error.what();
      CHECK(error.operation() == "RTM_NEWLINK");
      CHECK(errno_name(error.error()) == "EINVAL");
    }
    CHECK(words.find("mtu greater than device maximum") != std::string::npos);
  });
}

TEST_CASE("attributes that do not fit end the parsing") {
  const auto count = [](std::vector<uint8_t> bytes) {
    int seen = 0;
    for_each_attribute(bytes, [&](uint16_t, Bytes) { seen++; });
    return seen;
  };
  CHECK(count({}) == 0);
  CHECK(count({8, 0, 1}) == 0);                                 // shorter than a header
  CHECK(count({3, 0, 1, 0}) == 0);                              // a length below the header's
  CHECK(count({8, 0, 1, 0, 9, 9, 9}) == 0);                     // one byte short
  CHECK(count({8, 0, 1, 0, 9, 9, 9, 9}) == 1);
  CHECK(count({5, 0, 1, 0, 9}) == 1);                           // the last one may lack its padding
  CHECK(count({5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0}) == 2);
  CHECK(count({4, 0, 1, 0, 0xff, 0xff, 2, 0}) == 1);
  CHECK(attribute_u32(Bytes{}) == 0);
  const uint8_t unterminated[] = {'a', 'b'};
  CHECK(attribute_text(unterminated) == "ab");
}

TEST_CASE("path MTU and source address come from the routing table") {
  const Lab lab;
  TapOptions options = options_for(lab);
  const Tap tap = create_tap(options);
  in_netns(lab.path(), [] {
    CHECK(path_mtu("10.42.0.9") == 1430);
    CHECK(path_mtu("fd42::9") == 1430);
    CHECK(source_address("10.42.0.9") == "10.42.0.2");
    CHECK(source_address("fd42::9") == "fd42::2");
    CHECK(error_of([] { path_mtu("192.0.2.1"); }) == ENETUNREACH);
    CHECK(error_of([] { source_address("2001:db8::1"); }) == ENETUNREACH);
    CHECK(error_of([] { path_mtu("host.example"); }) == EINVAL);
  });
}

TEST_CASE("a lock excludes other processes in the same namespace only, and ends with its holder") {
  const std::string name = "sys-test-" + std::to_string(::getpid());
  const auto in_child = [&](auto attempt) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(attempt() ? 0 : 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  CHECK(in_child([&] { return take_lock(name); }));  // free again when the child is gone
  CHECK(take_lock(name));
  CHECK(take_lock(name));  // ours already
  CHECK(error_of([] { take_lock(std::string(200, 'x')); }) == ENAMETOOLONG);
  // Another program, which inherits nothing: it may not have the address.
  const UniqueFd rival(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "weft/" + name;
  std::copy(path.begin(), path.end(), address.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  CHECK(::bind(rival.get(), reinterpret_cast<const sockaddr*>(&address), size) == -1);
  CHECK(errno == EADDRINUSE);
  // A rival that holds the address keeps us out.
  const std::string other = "weft/" + name + "b";
  std::copy(other.begin(), other.end(), address.sun_path + 1);
  REQUIRE(::bind(rival.get(), reinterpret_cast<const sockaddr*>(&address), size + 1) == 0);
  CHECK_FALSE(take_lock(name + "b"));
  const Lab lab;
  CHECK(in_netns(lab.path(), [&] { return take_lock(name + "b"); }));
}

TEST_CASE("a directory is locked for one open file of it, until that is closed") {
  const std::string directory = std::filesystem::temp_directory_path() / ("weft-lock-" + std::to_string(::getpid()));
  std::filesystem::create_directory(directory);
  const auto opened = [&] { return UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); };
  const UniqueFd second = opened();
  {
    const UniqueFd first = opened();
    CHECK(lock_file(first.get()));
    CHECK(lock_file(first.get()));  // ours already
    CHECK_FALSE(lock_file(second.get()));
  }
  CHECK(lock_file(second.get()));
  CHECK(std::filesystem::is_empty(directory));
  std::filesystem::remove(directory);
  CHECK(error_of([] { lock_file(-1); }) == EBADF);
}

TEST_CASE("the service manager is told over a path or an abstract address") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(notify_service_manager("READY=1"));
  ::setenv("NOTIFY_SOCKET", "relative", 1);
  CHECK(error_of([] { notify_service_manager("READY=1"); }) == EAFNOSUPPORT);
  ::setenv("NOTIFY_SOCKET", ("@" + std::string(120, 'x')).c_str(), 1);
  CHECK(error_of([] { notify_service_manager("READY=1"); }) == ENAMETOOLONG);

  const std::string file = std::filesystem::temp_directory_path() / ("weft-notify-" + std::to_string(::getpid()));
  for (const std::string& name : {file, "@" + file}) {
    const UniqueFd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(name.begin(), name.end(), address.sun_path);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    CHECK(notify_service_manager("READY=1\nSTATUS=up"));
    char state[64];
    const ssize_t received = ::recv(manager.get(), state, sizeof(state), 0);
    REQUIRE(received > 0);
    CHECK(std::string(state, static_cast<size_t>(received)) == "READY=1\nSTATUS=up");

    int pipe_ends[2];
    REQUIRE(::pipe2(pipe_ends, O_CLOEXEC) == 0);
    const UniqueFd reader(pipe_ends[0]);
    const UniqueFd writer(pipe_ends[1]);
    const int fds[] = {reader.get(), writer.get()};
    CHECK(notify_service_manager("FDSTORE=1", fds));
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)];
    iovec text{.iov_base = state, .iov_len = sizeof state};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    REQUIRE(::recvmsg(manager.get(), &message, MSG_CMSG_CLOEXEC) == 9);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    REQUIRE(header != nullptr);
    CHECK(header->cmsg_type == SCM_RIGHTS);
    REQUIRE(header->cmsg_len == CMSG_LEN(sizeof fds));
    int copies[2];
    std::memcpy(copies, CMSG_DATA(header), sizeof copies);
    const UniqueFd reader_copy(copies[0]);
    const UniqueFd writer_copy(copies[1]);
    REQUIRE(::write(writer_copy.get(), "x", 1) == 1);
    char byte = 0;
    CHECK(::read(reader.get(), &byte, 1) == 1);
    CHECK(byte == 'x');
  }
  std::filesystem::remove(file);
  CHECK(error_of([&] {
          ::setenv("NOTIFY_SOCKET", file.c_str(), 1);
          notify_service_manager("READY=1");
        }) == ENOENT);
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("a unix socket tells who connected") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  const PeerCredentials peer = peer_credentials(first.get());
  CHECK(peer.pid == ::getpid());
  CHECK(peer.uid == ::getuid());
  CHECK(peer.gid == ::getgid());
  CHECK(error_of([] { peer_credentials(-1); }) == EBADF);
}

TEST_CASE("a process that ends at once keeps directories open, and nothing else") {
  const pid_t holder = ::fork();
  if (holder == 0) {
    const int directory = ::open("/", O_RDONLY | O_DIRECTORY);
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    // Shares the descriptors, as a thread does that does not end.
    const long ending = ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (ending == 0) end_process(7);
    int status = 0;
    ::waitpid(static_cast<pid_t>(ending), &status, 0);
    const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 7;
    const bool kept = ::fcntl(directory, F_GETFD) >= 0 && ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
    const bool closed = ::fcntl(socket, F_GETFD) < 0;
    ::_exit(ended && kept && closed ? 0 : 1);
  }
  int status = -1;
  CHECK(::waitpid(holder, &status, 0) == holder);
  CHECK(status == 0);
}

TEST_CASE("the probe tries, and leaves nothing") {
  const size_t descriptors = open_descriptors();
  const size_t links = own_links();
  const Probe probe = probe_system();
  CHECK(probe.tun_error == 0);
  CHECK(probe.tso);
  CHECK(probe.cap_net_admin);
  CHECK(probe.cap_sys_admin);
  CHECK(probe.udp_gso);
  CHECK(probe.udp_gro);
  CHECK_FALSE(probe.kernel.empty());
  CHECK(open_descriptors() == descriptors);
  CHECK(own_links() == links);
}

int main(int argc, char** argv) {
  if (::unshare(CLONE_NEWNET) != 0) {
    std::perror("unshare(CLONE_NEWNET)");
    return 1;
  }
  return doctest::Context(argc, argv).run();
}

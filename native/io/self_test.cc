#include "io/self_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "io/underlay.h"
#include "sys/link.h"
#include "sys/sys_error.h"
#include "sys/tun_device.h"
#include "wire/bytes.h"
#include "wire/virtio.h"

namespace weft {
namespace {

constexpr uint32_t kSegment = 1000;
constexpr uint32_t kTail = 300;
constexpr uint32_t kSegments = 5;
constexpr uint32_t kSuperFramePayload = kSegment * (kSegments - 1) + kTail;
// 192.0.2.1, a documentation prefix (RFC 5737), in a namespace that nobody else sees.
constexpr uint32_t kOurAddress = 0xc0000201;
constexpr uint32_t kGuestAddress = 0xc0000202;
constexpr uint32_t kEthernet = 14;
constexpr uint32_t kIp = 20;
constexpr int kReceiveBufferBytes = 1 << 20;

std::vector<uint8_t> pattern(size_t bytes) {
  std::vector<uint8_t> out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(i * 7 + i / 251);
  return out;
}

// The loopback device delivers by way of a queue, so its socket may be behind what was sent by it. Throws when the time is over,
// because then nothing is known.
void wait_readable(int fd, SelfTestDeadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  pollfd poll_fd{fd, POLLIN, 0};
  if (left <= 0 || ::poll(&poll_fd, 1, static_cast<int>(left)) != 1) throw SysError(ETIMEDOUT, "poll");
}

void bring_up_loopback() {
  NetlinkSocket netlink;
  LinkChange up;
  up.up = true;
  change_link(netlink, require_link(netlink, "lo").ifindex, up);
}

UniqueFd udp_socket() { return UniqueFd(check(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")); }

sockaddr_in address_of(uint32_t address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(address);
  return out;
}

// Binds to a port that the kernel chooses, and returns it.
uint16_t bind_to(int fd, uint32_t address) {
  sockaddr_in local = address_of(address, 0);
  socklen_t size = sizeof local;
  check(::bind(fd, reinterpret_cast<sockaddr*>(&local), size), "bind");
  check(::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size), "getsockname");
  return ntohs(local.sin_port);
}

// A burst of `payload` in datagrams of `size`. 0 or errno.
int send_burst(int fd, const std::vector<uint8_t>& payload, uint16_t size) {
  iovec iov{const_cast<uint8_t*>(payload.data()), payload.size()};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof size)] = {};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* item = CMSG_FIRSTHDR(&message);
  item->cmsg_level = IPPROTO_UDP;
  item->cmsg_type = UDP_SEGMENT;
  item->cmsg_len = CMSG_LEN(sizeof size);
  memcpy(CMSG_DATA(item), &size, sizeof size);
  return ::sendmsg(fd, &message, 0) >= 0 ? 0 : errno;
}

std::string count_fault(size_t arrived, size_t wanted) {
  return std::to_string(arrived) + " of " + std::to_string(wanted) + " datagrams arrived";
}

// Whether the datagrams that the socket has are `payload` cut by `size`. `next` gives them, an empty one at the end.
template <typename Next>
std::string compare_datagrams(const std::vector<uint8_t>& payload, size_t size, Next next) {
  const size_t wanted = (payload.size() + size - 1) / size;
  size_t arrived = 0;
  std::string fault;
  for (std::vector<uint8_t> datagram = next(); !datagram.empty(); datagram = next(), ++arrived) {
    const size_t at = arrived * size;
    if (!fault.empty() || at >= payload.size()) continue;
    const size_t length = std::min(size, payload.size() - at);
    if (datagram.size() != length) {
      fault = "one of " + std::to_string(length) + " bytes arrived with " + std::to_string(datagram.size());
    } else if (memcmp(datagram.data(), payload.data() + at, length) != 0) {
      fault = "a datagram arrived with other bytes";
    }
  }
  return arrived == wanted ? fault : count_fault(arrived, wanted);
}

// A plain datagram by the same way as the burst before it: once it is there, what is not there yet will not come.
constexpr size_t kSentinelBytes = 4001;
void send_sentinel(int fd) {
  const std::vector<uint8_t> sentinel(kSentinelBytes, 0xee);
  check(::send(fd, sentinel.data(), sentinel.size(), 0), "send");
}

// ---- frames as a guest's other end would send them -----------------------------------------------------------------------

uint16_t folded(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint32_t words_sum(const uint8_t* data, size_t bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes; i += 2) sum += load_be16(data + i);
  return sum;
}

// Ethernet, IPv4 and the pseudo-header's sum in the place of the L4 checksum; the L4 header and the payload are given.
std::vector<uint8_t> frame_to(const uint8_t* mac, uint8_t protocol, std::vector<uint8_t> l4, size_t checksum_at,
                              const std::vector<uint8_t>& payload) {
  std::vector<uint8_t> frame(kEthernet + kIp);
  memcpy(frame.data(), mac, 6);
  frame[6] = 2;
  frame[11] = 2;
  store_be16(frame.data() + 12, 0x0800);
  uint8_t* ip = frame.data() + kEthernet;
  ip[0] = 0x45;
  store_be16(ip + 2, static_cast<uint16_t>(kIp + l4.size() + payload.size()));
  store_be16(ip + 6, 0x4000);
  ip[8] = 64;
  ip[9] = protocol;
  store_be32(ip + 12, kGuestAddress);
  store_be32(ip + 16, kOurAddress);
  store_be16(ip + 10, static_cast<uint16_t>(~folded(words_sum(ip, kIp))));
  const uint32_t pseudo = words_sum(ip + 12, 8) + protocol + static_cast<uint32_t>(l4.size() + payload.size());
  store_be16(l4.data() + checksum_at, folded(pseudo));
  frame.insert(frame.end(), l4.begin(), l4.end());
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

// 0 or errno.
int write_frame(int tap, const std::vector<uint8_t>& frame, uint8_t gso_type, uint16_t checksum_at, uint16_t header_bytes) {
  VnetHeader vnet{.flags = kVnetNeedsChecksum,
                  .gso_type = gso_type,
                  .header_length = header_bytes,
                  .gso_size = gso_type == kGsoNone ? uint16_t{0} : static_cast<uint16_t>(kSegment),
                  .checksum_start = kEthernet + kIp,
                  .checksum_offset = checksum_at};
  const iovec iov[] = {{&vnet, sizeof vnet}, {const_cast<uint8_t*>(frame.data()), frame.size()}};
  return ::writev(tap, iov, 2) >= 0 ? 0 : errno;
}

std::vector<uint8_t> udp_header(uint16_t to, size_t payload) {
  std::vector<uint8_t> header(8);
  store_be16(header.data(), 40000);
  store_be16(header.data() + 2, to);
  store_be16(header.data() + 4, static_cast<uint16_t>(8 + payload));
  return header;
}

constexpr uint16_t kTcpPort = 40000;
constexpr uint8_t kSyn = 0x02;
constexpr uint8_t kAck = 0x10;

std::vector<uint8_t> tcp_header(uint16_t to, uint32_t sequence, uint32_t acknowledgement, uint8_t flags) {
  std::vector<uint8_t> header(20);
  store_be16(header.data(), kTcpPort);
  store_be16(header.data() + 2, to);
  store_be32(header.data() + 4, sequence);
  store_be32(header.data() + 8, acknowledgement);
  header[12] = 5 << 4;
  header[13] = flags;
  store_be16(header.data() + 14, 65535);
  return header;
}

// The sequence number of the SYN-ACK that the guest's kernel sends; false when none comes.
bool read_syn_ack(int tap, uint32_t& sequence) {
  uint8_t frame[65536];
  constexpr size_t headers = sizeof(VnetHeader) + kEthernet + kIp + 20;
  while (true) {
    const ssize_t got = ::read(tap, frame, sizeof frame);
    if (got < 0) return false;
    const uint8_t* ip = frame + sizeof(VnetHeader) + kEthernet;
    if (static_cast<size_t>(got) < headers || ip[0] != 0x45 || ip[9] != IPPROTO_TCP) continue;
    const uint8_t* tcp = ip + kIp;
    if (load_be16(tcp + 2) != kTcpPort || tcp[13] != (kSyn | kAck)) continue;
    sequence = load_be32(tcp + 4);
    return true;
  }
  return false;
}

// What is lacking for a test is no fault of the offload.
template <typename Test>
std::string tried(std::string& not_tested, Test test) {
  try {
    return test();
  } catch (const SysError& error) {
    not_tested = error.operation() + ": " + errno_name(error.error());
    return {};
  }
}

OffloadFaults test_in_this_namespace(SelfTestDeadline deadline) {
  bring_up_loopback();
  OffloadFaults faults;
  std::string& lacking = faults.not_tested;
  faults.udp_segment = tried(lacking, [&] { return test_udp_segment(open_udp_pair(false), deadline); });
  // What is sent for the next test is a burst too.
  if (faults.udp_segment.empty()) faults.udp_gro = tried(lacking, [&] { return test_udp_gro(open_udp_pair(true), deadline); });
  std::optional<TapSelfTest> tap;
  tried(lacking, [&] { return tap.emplace(), std::string(); });
  if (!tap) return faults;
  faults.tcp_super_frames = tried(lacking, [&] { return tap->test_tcp(); });
  faults.udp_super_frames = tried(lacking, [&] { return tap->test_udp(); });
  return faults;
}

// Frames through the loopback device keep their order on one CPU.
void stay_on_this_cpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
}

}  // namespace

UdpPair open_udp_pair(bool gro) {
  UdpPair pair{udp_socket(), udp_socket()};
  const int one = 1;
  if (gro) check(::setsockopt(pair.receiver.get(), IPPROTO_UDP, UDP_GRO, &one, sizeof one), "UDP_GRO");
  const int bytes = kReceiveBufferBytes;
  ::setsockopt(pair.receiver.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  const sockaddr_in to = address_of(INADDR_LOOPBACK, bind_to(pair.receiver.get(), INADDR_LOOPBACK));
  check(::connect(pair.sender.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  return pair;
}

std::string test_udp_segment(const UdpPair& pair, SelfTestDeadline deadline) {
  const uint32_t most = kernel_max_segments();
  struct Case {
    const char* what;
    size_t bytes;
    uint16_t size;
  };
  const Case cases[] = {{"equal datagrams", size_t{kSegment} * kSegments, kSegment},
                        {"a short last datagram", kSuperFramePayload, kSegment},
                        {"two datagrams", size_t{kSegment} * 2, kSegment},
                        {"the longest burst", size_t{most} * 400, 400}};
  for (const auto& [what, bytes, size] : cases) {
    const std::vector<uint8_t> payload = pattern(bytes);
    if (const int error = send_burst(pair.sender.get(), payload, size)) return std::string(what) + ": " + errno_name(error);
    send_sentinel(pair.sender.get());
    const std::string fault = compare_datagrams(payload, size, [&] {
      wait_readable(pair.receiver.get(), deadline);
      std::vector<uint8_t> datagram(65536);
      datagram.resize(static_cast<size_t>(check(::recv(pair.receiver.get(), datagram.data(), datagram.size(), 0), "recv")));
      if (datagram.size() == kSentinelBytes) datagram.clear();
      return datagram;
    });
    if (!fault.empty()) return std::string(what) + ": " + fault;
  }
  return {};
}

std::string test_udp_gro(const UdpPair& pair, SelfTestDeadline deadline) {
  const std::vector<uint8_t> payload = pattern(kSuperFramePayload);
  if (const int error = send_burst(pair.sender.get(), payload, kSegment)) return errno_name(error);
  send_sentinel(pair.sender.get());
  std::vector<uint8_t> buffer(65536);
  size_t at = 0;
  // The kernel may join all or some, but what it says must fit what it gives.
  while (true) {
    wait_readable(pair.receiver.get(), deadline);
    iovec iov{buffer.data(), buffer.size()};
    alignas(cmsghdr) uint8_t control[128];
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const size_t bytes = static_cast<size_t>(check(::recvmsg(pair.receiver.get(), &message, 0), "recvmsg"));
    if (bytes == kSentinelBytes) break;
    int size = 0;
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
      if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_GRO) memcpy(&size, CMSG_DATA(item), sizeof size);
    }
    if (bytes > payload.size() - at || memcmp(buffer.data(), payload.data() + at, bytes) != 0) return "other bytes arrived";
    at += bytes;
    const bool one = bytes == kSegment || bytes == kTail;
    if (size != static_cast<int>(kSegment) && !(one && (size == 0 || size == static_cast<int>(bytes)))) {
      return std::to_string(bytes) + " bytes were said to be datagrams of " + std::to_string(size);
    }
  }
  if (at < payload.size()) return std::to_string(at) + " of " + std::to_string(payload.size()) + " bytes arrived";
  return {};
}

TapSelfTest::TapSelfTest() : tap_(open_tun()) {
  const std::string ifname = set_tun_interface(tap_.get(), temporary_ifname(), TunKind::tap, true);
  set_tun_vnet_header_size(tap_.get(), sizeof(VnetHeader));
  set_tun_offloads(tap_.get(), {true, true});
  NetlinkSocket netlink;
  const Link link = require_link(netlink, ifname);
  ifindex_ = link.ifindex;
  const auto mac = parse_mac(link.mac);
  memcpy(mac_, mac.data(), sizeof mac_);
  set_noqueue(netlink, ifindex_);
  add_address(netlink, ifindex_, "192.0.2.1/24");
  // Without ARP the guest's kernel answers us at once.
  const UniqueFd control = udp_socket();
  ifreq request{};
  memcpy(request.ifr_name, ifname.data(), ifname.size());
  check(::ioctl(control.get(), SIOCGIFFLAGS, &request), "SIOCGIFFLAGS");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_NOARP);
  check(::ioctl(control.get(), SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

// A write to a TAP returns when the guest's kernel has done with the frame (drivers/net/tun.c, netif_receive_skb), so nothing has
// to be waited for here.
std::string TapSelfTest::test_udp() {
  const UniqueFd guest = udp_socket();
  const uint16_t port = bind_to(guest.get(), kOurAddress);
  const std::vector<uint8_t> payload = pattern(kSuperFramePayload);
  const auto frame = frame_to(mac_, IPPROTO_UDP, udp_header(port, payload.size()), 6, payload);
  if (const int error = write_frame(tap_.get(), frame, kGsoUdpL4, 6, kEthernet + kIp + 8)) return errno_name(error);
  return compare_datagrams(payload, kSegment, [&] {
    std::vector<uint8_t> datagram(65536);
    const ssize_t got = ::recv(guest.get(), datagram.data(), datagram.size(), 0);
    datagram.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return datagram;
  });
}

std::string TapSelfTest::test_tcp() {
  const UniqueFd listener(check(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
  const uint16_t port = bind_to(listener.get(), kOurAddress);
  check(::listen(listener.get(), 1), "listen");

  constexpr uint16_t headers = kEthernet + kIp + 20;
  const std::vector<uint8_t> payload = pattern(kSuperFramePayload);
  uint32_t sequence = 1;
  uint32_t theirs = 0;
  const auto syn = frame_to(mac_, IPPROTO_TCP, tcp_header(port, sequence, 0, kSyn), 16, {});
  if (const int error = write_frame(tap_.get(), syn, kGsoNone, 16, headers)) {
    return errno_name(error);
  }
  if (!read_syn_ack(tap_.get(), theirs)) throw SysError(ETIMEDOUT, "connect");
  ++sequence;
  const auto ack = frame_to(mac_, IPPROTO_TCP, tcp_header(port, sequence, theirs + 1, kAck), 16, {});
  if (const int error = write_frame(tap_.get(), ack, kGsoNone, 16, headers)) return errno_name(error);
  const auto data = frame_to(mac_, IPPROTO_TCP, tcp_header(port, sequence, theirs + 1, kAck), 16, payload);
  if (const int error = write_frame(tap_.get(), data, kGsoTcp4, 16, headers)) return errno_name(error);

  const UniqueFd guest(check(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept"));
  std::vector<uint8_t> arrived(payload.size());
  size_t at = 0;
  while (at < payload.size()) {
    const ssize_t got = ::recv(guest.get(), arrived.data() + at, arrived.size() - at, 0);
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  if (at < payload.size()) return std::to_string(at) + " of " + std::to_string(payload.size()) + " bytes arrived";
  return arrived == payload ? "" : "other bytes arrived";
}

OffloadFaults test_offloads(std::chrono::milliseconds limit) {
  const SelfTestDeadline deadline = std::chrono::steady_clock::now() + limit;
  // The thread ends by itself; it is waited for no longer than this, because making a namespace may take long on a busy host.
  const auto promise = std::make_shared<std::promise<OffloadFaults>>();
  std::future<OffloadFaults> result = promise->get_future();
  std::thread([promise, deadline] {
    OffloadFaults faults;
    try {
      stay_on_this_cpu();
      check(::unshare(CLONE_NEWNET), "unshare");
      faults = test_in_this_namespace(deadline);
    } catch (const SysError& error) {
      faults.not_tested = error.operation() + ": " + errno_name(error.error());
    }
    promise->set_value(faults);
  }).detach();
  if (result.wait_until(deadline) == std::future_status::ready) return result.get();
  OffloadFaults faults;
  faults.not_tested = "it took too long";
  return faults;
}

}  // namespace weft

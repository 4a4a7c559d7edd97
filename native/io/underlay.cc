#include "io/underlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "sys/sys_error.h"

namespace weft {
namespace {

constexpr int kReceiveBufferBytes = 16 << 20;
constexpr int kSendBufferBytes = 8 << 20;
// RFC 7348, section 5: the recommended range for source ports (RFC 6335, dynamic ports).
constexpr uint32_t kFirstSourcePort = 49152;
constexpr uint32_t kSourcePortRange = 65536 - kFirstSourcePort;
constexpr int kBindAttempts = 32;
constexpr int kSoNetnsCookie = 71;  // SO_NETNS_COOKIE, Linux 5.14

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

bool set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

// The forced variants pass the host's limits but need CAP_NET_ADMIN; without it the ordinary ones give what the limits allow.
void set_buffer(int fd, int forced, int ordinary, int bytes) {
  if (!set(fd, SOL_SOCKET, forced, bytes)) set(fd, SOL_SOCKET, ordinary, bytes);
}

// VXLAN packets are never fragmented (RFC 7348, 4.3): with DO the kernel sets DF and answers EMSGSIZE to what is too large.
void never_fragment(int fd, Family family) {
  if (family == Family::ipv4) {
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  } else {
    set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
  }
}

class KernelReceiver final : public VtepReceiver {
 public:
  explicit KernelReceiver(int fd, bool used = false) : fd_(fd), used_(used), buffers_(new uint8_t[size_t{kMaxBursts} * kSlotBytes]) {
    for (unsigned i = 0; i < kMaxBursts; ++i) {
      iov_[i] = {buffers_.get() + size_t{i} * kSlotBytes, kMaxDatagramBytes};
    }
  }

  int fd() const override { return fd_.get(); }
  uint64_t overflow() const override { return overflow_.load(std::memory_order_relaxed); }

  unsigned receive(std::span<Burst> bursts) override {
    const unsigned wanted = static_cast<unsigned>(bursts.size() < kMaxBursts ? bursts.size() : kMaxBursts);
    for (unsigned i = 0; i < wanted; ++i) {
      msghdr& header = messages_[i].msg_hdr;
      header.msg_name = bursts[i].source.address();
      header.msg_namelen = Endpoint::capacity();
      header.msg_iov = &iov_[i];
      header.msg_iovlen = 1;
      header.msg_control = control_[i];
      header.msg_controllen = sizeof control_[i];
      header.msg_flags = 0;
    }
    const int got = recvmmsg(fd_.get(), messages_, wanted, MSG_DONTWAIT, nullptr);
    if (got <= 0) return 0;
    for (int i = 0; i < got; ++i) describe(messages_[i], static_cast<uint8_t*>(iov_[i].iov_base), bursts[i]);
    return static_cast<unsigned>(got);
  }

 private:
  // Room before each datagram is not needed: a decapsulated frame has the 8 bytes of its own VXLAN header before it.
  static constexpr size_t kSlotBytes = 65536 + 64;

  void describe(mmsghdr& message, uint8_t* data, Burst& burst) {
    burst.data = data;
    burst.length = message.msg_len;
    burst.segment_size = 0;
    burst.traffic_class = 0;
    for (cmsghdr* item = CMSG_FIRSTHDR(&message.msg_hdr); item != nullptr; item = CMSG_NXTHDR(&message.msg_hdr, item)) {
      int value = 0;
      if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_GRO) {
        memcpy(&value, CMSG_DATA(item), sizeof value);
        if (value > 0 && static_cast<uint32_t>(value) < burst.length) burst.segment_size = static_cast<uint32_t>(value);
      } else if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS) {
        burst.traffic_class = *CMSG_DATA(item);
      } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS) {
        memcpy(&value, CMSG_DATA(item), sizeof value);
        burst.traffic_class = static_cast<uint8_t>(value);
      } else if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SO_RXQ_OVFL) {
        uint32_t dropped = 0;
        memcpy(&dropped, CMSG_DATA(item), sizeof dropped);
        if (!used_) overflow_.fetch_add(dropped - last_overflow_, std::memory_order_relaxed);  // the kernel's counter has 32 bits
        last_overflow_ = dropped;
      }
    }
    used_ = false;
  }

  FileDescriptor fd_;
  bool used_;  // by a former process, which has counted what was lost before the first datagram that is read here
  std::unique_ptr<uint8_t[]> buffers_;
  iovec iov_[kMaxBursts];
  mmsghdr messages_[kMaxBursts];
  alignas(cmsghdr) uint8_t control_[kMaxBursts][128];
  std::atomic<uint64_t> overflow_{0};  // read by the control thread
  uint32_t last_overflow_ = 0;
};

class KernelSender final : public VtepSender {
 public:
  explicit KernelSender(int fd) : fd_(fd) {}

  int send(mmsghdr* messages, unsigned count) override {
    // A count is of whole messages: udp_sendmsg takes all of a datagram, or of a burst, or answers with an error; there is no
    // short send (net/ipv4/udp.c). The error of a message behind the first is told by the call that begins with it.
    const int sent = sendmmsg(fd_.get(), messages, count, MSG_DONTWAIT);
    return sent >= 0 ? sent : -errno;
  }

 private:
  FileDescriptor fd_;
};

int new_socket(Family family) {
  const int fd = socket(family == Family::ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd >= 0 && family == Family::ipv6) set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

void set_up_receiver(int fd, Family family, bool udp_gro) {
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBufferBytes);
  set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  set(fd, SOL_UDP, UDP_GRO, udp_gro ? 1 : 0);
  if (family == Family::ipv4) {
    set(fd, IPPROTO_IP, IP_RECVTOS, 1);
  } else {
    set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    // RFC 7348, section 5: a datagram with UDP checksum zero must be accepted; IPv6 needs to be told (RFC 6935).
    set(fd, SOL_UDP, UDP_NO_CHECK6_RX, 1);
  }
}

std::shared_ptr<VtepReceiver> open_receiver(Family family, uint16_t port, bool udp_gro, SocketError& error) {
  const int fd = new_socket(family);
  if (fd < 0) {
    error = {"socket", errno, ""};
    return nullptr;
  }
  auto receiver = std::make_shared<KernelReceiver>(fd);
  set_up_receiver(fd, family, udp_gro);
  const Endpoint local = Endpoint::any(family, port);
  if (bind(fd, local.address(), local.length()) != 0) {
    error = {"bind", errno, (family == Family::ipv6 ? "[::]:" : "0.0.0.0:") + std::to_string(port)};
    return nullptr;
  }
  return receiver;
}

int option_of(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

bool in_our_netns(int fd) {
  uint64_t theirs = 0;
  uint64_t ours = 1;
  socklen_t length = sizeof theirs;
  const FileDescriptor own(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return getsockopt(fd, SOL_SOCKET, kSoNetnsCookie, &theirs, &length) == 0 &&
         getsockopt(own.get(), SOL_SOCKET, kSoNetnsCookie, &ours, &length) == 0 && theirs == ours;
}

// The wildcard address and port that a socket is bound to; nothing when it is bound otherwise, connected, or no UDP socket.
std::optional<ReceiverKey> receiver_key(int fd) {
  if (option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM || option_of(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP) return std::nullopt;
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 || !in_our_netns(fd)) return std::nullopt;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    sockaddr_storage local{};
    length = sizeof local;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length) != 0) return std::nullopt;
    if (local.ss_family != (family == Family::ipv6 ? AF_INET6 : AF_INET)) continue;
    if (family == Family::ipv6 && option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1) return std::nullopt;
    const uint16_t port = ntohs(reinterpret_cast<sockaddr_in*>(&local)->sin_port);  // at the same place in sockaddr_in6
    const Endpoint wanted = Endpoint::any(family, port);
    if (port == 0 || length != wanted.length()) return std::nullopt;
    // sin6_scope_id and sin6_flowinfo of the wildcard are zero.
    if (memcmp(&local, wanted.address(), length) != 0) return std::nullopt;
    return ReceiverKey{family, port};
  }
  return std::nullopt;
}

// Nobody has to send to a source port; without this filter a stranger could fill its buffer with memory that is never read.
void refuse_all_input(int fd) {
  sock_filter drop_all = {BPF_RET | BPF_K, 0, 0, 0};
  sock_fprog program = {1, &drop_all};
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

bool bind_source_port(int fd, const Endpoint& address, SocketError& error) {
  for (int attempt = 0; attempt < kBindAttempts; ++attempt) {
    uint16_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<uint16_t>(attempt * 257);
    const uint16_t port = static_cast<uint16_t>(kFirstSourcePort + random % kSourcePortRange);
    Endpoint local = address;
    reinterpret_cast<sockaddr_in*>(local.address())->sin_port = htons(port);
    if (bind(fd, local.address(), local.length()) == 0) return true;
    error = {"bind", errno, address.text()};
    if (errno != EADDRINUSE) return false;
  }
  return false;
}

std::shared_ptr<VtepSender> open_sender(Family family, const std::optional<Endpoint>& address, bool zero_checksum,
                                         SocketError& error) {
  const int fd = new_socket(family);
  if (fd < 0) {
    error = {"socket", errno, ""};
    return nullptr;
  }
  auto sender = std::make_shared<KernelSender>(fd);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferBytes);
  never_fragment(fd, family);
  refuse_all_input(fd);
  if (zero_checksum) {
    if (family == Family::ipv4) {
      set(fd, SOL_SOCKET, SO_NO_CHECK, 1);
    } else {
      set(fd, SOL_UDP, UDP_NO_CHECK6_TX, 1);
    }
  }
  const Endpoint local = address ? *address : Endpoint::any(family, 0);
  if (!bind_source_port(fd, local, error)) return nullptr;
  return sender;
}

bool same_address(const std::optional<Endpoint>& a, const std::optional<Endpoint>& b) {
  return a.has_value() == b.has_value() && (!a || a->key() == b->key());
}

}  // namespace

uint32_t kernel_max_segments() {
  const int fd = new_socket(Family::ipv4);
  if (fd < 0) return 1;
  const bool has_gso = set(fd, SOL_UDP, UDP_SEGMENT, 0);
  ::close(fd);
  if (!has_gso) return 1;
  utsname name;
  int major = 0, minor = 0;
  if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return 63;
  return major > 6 || (major == 6 && minor >= 9) ? 127 : 63;
}

ReceiverKey OfferedReceivers::add(int fd) {
  auto receiver = std::make_shared<KernelReceiver>(fd, true);
  const auto key = receiver_key(fd);
  if (!key) throw SysError(EINVAL, "getsockname", "no UDP socket that is bound to a port of every address");
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  receivers_[*key] = std::move(receiver);
  return *key;
}

std::shared_ptr<VtepReceiver> OfferedReceivers::find(ReceiverKey key) const {
  const auto found = receivers_.find(key);
  return found == receivers_.end() ? nullptr : found->second;
}

std::shared_ptr<const Underlay> Underlay::open(const UnderlayOptions& options, const Underlay* former,
                                               const OfferedReceivers& offered, SocketError& error) {
  auto underlay = std::make_shared<Underlay>();
  underlay->options_ = options;
  underlay->max_segments_ = options.udp_gso ? kernel_max_segments() : 1;

  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const uint16_t port : options.ports) {
      const ReceiverKey key{family, port};
      if (underlay->receiver_by_key_.contains(key)) continue;
      std::shared_ptr<VtepReceiver> receiver;
      if (former != nullptr && former->receiver_by_key_.contains(key)) {
        receiver = former->receiver_by_key_.at(key);
        if (former->options_.udp_gro != options.udp_gro) set(receiver->fd(), SOL_UDP, UDP_GRO, options.udp_gro ? 1 : 0);
      } else if (receiver = offered.find(key); receiver != nullptr) {
        set_up_receiver(receiver->fd(), family, options.udp_gro);
      } else {
        receiver = open_receiver(family, port, options.udp_gro, error);
      }
      if (receiver == nullptr) {
        if (family == Family::ipv6 && error.error == EAFNOSUPPORT) continue;  // a host without IPv6
        return nullptr;
      }
      underlay->receiver_by_key_[key] = receiver;
      underlay->receivers_.push_back(std::move(receiver));
    }

    const std::optional<Endpoint>& address = family == Family::ipv4 ? options.ipv4 : options.ipv6;
    FamilySenders& mine = underlay->by_family_[static_cast<size_t>(family)];
    const FamilySenders* theirs = former != nullptr ? &former->by_family_[static_cast<size_t>(family)] : nullptr;
    const bool reuse = theirs != nullptr && theirs->count == options.source_ports &&
                       same_address(address, family == Family::ipv4 ? former->options_.ipv4 : former->options_.ipv6);
    mine.first = static_cast<uint32_t>(underlay->senders_.size());
    for (uint32_t i = 0; i <= options.source_ports; ++i) {
      const bool zero_checksum = i == options.source_ports;
      std::shared_ptr<VtepSender> sender =
          reuse ? former->senders_[theirs->first + i] : open_sender(family, address, zero_checksum, error);
      if (sender == nullptr) {
        if (family == Family::ipv6 && error.error == EAFNOSUPPORT) break;
        return nullptr;
      }
      if (zero_checksum) {
        mine.zero_checksum = static_cast<uint32_t>(underlay->senders_.size());
      } else {
        ++mine.count;
      }
      underlay->senders_.push_back(std::move(sender));
    }
  }
  error = {};
  return underlay;
}

std::shared_ptr<const Underlay> Underlay::of(std::vector<std::shared_ptr<VtepReceiver>> receivers,
                                             std::vector<std::shared_ptr<VtepSender>> senders, const UnderlayOptions& options) {
  auto underlay = std::make_shared<Underlay>();
  underlay->options_ = options;
  underlay->receivers_ = std::move(receivers);
  underlay->senders_ = std::move(senders);
  underlay->max_segments_ = options.udp_gso ? 64 : 1;
  const uint32_t count = static_cast<uint32_t>(underlay->senders_.size());
  for (FamilySenders& family : underlay->by_family_) family = {0, count > 1 ? count - 1 : count, count - 1};
  return underlay;
}

uint32_t Underlay::sender_for(Family family, uint32_t flow_hash) const {
  const FamilySenders& senders = by_family_[static_cast<size_t>(family)];
  return senders.count == 0 ? kNoSender : senders.first + flow_hash % senders.count;
}

uint32_t Underlay::zero_checksum_sender_for(Family family) const { return by_family_[static_cast<size_t>(family)].zero_checksum; }

}  // namespace weft

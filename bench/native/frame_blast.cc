// Sends UDP frames as fast as an AF_PACKET socket takes them, past the stack of its guest.
//
//   frame_blast --interface IFNAME --to ADDRESS@MAC[,...] [--sizes BYTES[,...]] [--flows F] [--port P]
//               [--seconds T] [--count N] [--rate FRAMES_A_SECOND]
//
// Destinations and sizes take turns, frame by frame, and so do the F flows, whose source ports are 10000 and up; the rest of all
// frames is the same. A size is that of an Ethernet frame as a TAP or veth carries it, without frame check sequence. On an
// interface without Ethernet header the same packet is sent without one, and the MAC is not looked at.
//
// Frames look like those of a guest's own sockets: from its addresses, with DF, their checksum left to the interface (a virtio
// header asks for it), so that whoever finishes it for a socket finishes it here.
//
// A frame that a full queue of the interface refuses is lost and counted, and the sender then sleeps for a moment: offering more
// would only take CPU time from whoever empties the queue. Ends after T seconds or N frames with a line of JSON: sent, refused,
// seconds, framesPerSecond, cpuSeconds.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <thread>
#include <vector>

#include "measuring.h"

namespace {

using namespace bench;

constexpr size_t kBatch = 64;
constexpr size_t kMaxFrame = 9018;
constexpr size_t kEthernet = 14;
constexpr size_t kIp = 20;
constexpr size_t kUdp = 8;
constexpr size_t kHeaders = kEthernet + kIp + kUdp;
constexpr size_t kMinFrame = kHeaders + 1;
constexpr uint16_t kFirstSourcePort = 10000;
constexpr size_t kMaxFlows = 50000;
// A second, with a rate: the frames of a millisecond leave at once, as far as they are a batch.
constexpr double kWakeUps = 1000;
// Less than what a queue of 500 frames lasts at two million a second.
constexpr auto kFullQueuePause = std::chrono::microseconds(100);

struct Destination {
  in_addr address{};
  Mac mac{};
};

struct Options {
  std::string interface;
  std::vector<Destination> destinations;
  std::vector<size_t> sizes{64};
  size_t flows = 1;
  uint16_t port = 5300;
  double seconds = std::numeric_limits<double>::infinity();
  uint64_t count = std::numeric_limits<uint64_t>::max();
  double rate = 0;  // frames a second; 0 is as fast as it goes
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

Destination destination(const std::string& text) {
  Destination out;
  const size_t at = text.find('@');
  if (at == std::string::npos || inet_pton(AF_INET, text.substr(0, at).c_str(), &out.address) != 1) {
    misused("--to: not ADDRESS@MAC: " + text);
  }
  out.mac = mac_address("--to", text.c_str() + at + 1);
  return out;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) misused(name + " needs a value");
    const char* value = argv[i + 1];
    if (name == "--interface") {
      options.interface = value;
    } else if (name == "--to") {
      for (const std::string& part : split(value)) options.destinations.push_back(destination(part));
    } else if (name == "--sizes") {
      options.sizes.clear();
      for (const std::string& part : split(value)) {
        options.sizes.push_back(static_cast<size_t>(number(name, part.c_str(), kMinFrame, kMaxFrame)));
      }
    } else if (name == "--flows") {
      options.flows = static_cast<size_t>(number(name, value, 1, kMaxFlows));
    } else if (name == "--port") {
      options.port = static_cast<uint16_t>(number(name, value, 1, 65535));
    } else if (name == "--seconds") {
      options.seconds = number(name, value, 0.01, 86400);
    } else if (name == "--count") {
      options.count = static_cast<uint64_t>(number(name, value, 1, 1e15));
    } else if (name == "--rate") {
      options.rate = number(name, value, 0, 1e9);
    } else {
      misused("unknown option " + name);
    }
  }
  if (options.interface.empty() || options.destinations.empty()) misused("--interface and --to are needed");
  return options;
}

struct Interface {
  int index = 0;
  bool ethernet = true;
  Mac mac{};
  in_addr address{};
};

Interface interface_of(const std::string& name) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) misused("--interface: too long: " + name);
  std::memcpy(request.ifr_name, name.data(), name.size());
  Interface out;
  if (ioctl(fd, SIOCGIFINDEX, &request) < 0) fail("SIOCGIFINDEX");
  out.index = request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) fail("SIOCGIFHWADDR");
  out.ethernet = request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
  std::memcpy(out.mac.data(), request.ifr_hwaddr.sa_data, out.mac.size());
  if (ioctl(fd, SIOCGIFADDR, &request) < 0) fail("SIOCGIFADDR");
  sockaddr_in address;
  std::memcpy(&address, &request.ifr_addr, sizeof address);
  out.address = address.sin_addr;
  close(fd);
  return out;
}

int packet_socket(const Interface& interface) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) fail("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0) fail("PACKET_QDISC_BYPASS");
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_IP);
  at.sll_ifindex = interface.index;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) fail("bind");
  return fd;
}

// The virtio header (10 bytes, native byte order) that asks the interface for the checksum.
struct Vnet {
  uint8_t flags = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
  uint8_t gso_type = 0;
  uint16_t header_length = 0;
  uint16_t gso_size = 0;
  uint16_t checksum_start = kEthernet + kIp;
  uint16_t checksum_offset = 6;
};
static_assert(sizeof(Vnet) == 10);

uint16_t folded(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

uint32_t sum_of(const uint8_t* from, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; i += 2) sum += static_cast<uint32_t>(from[i] << 8 | from[i + 1]);
  return sum;
}

void put16(uint8_t* at, size_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

using Headers = std::array<uint8_t, kHeaders>;

// All headers of a frame but its source port.
Headers headers_of(const Interface& from, const Destination& to, size_t size, uint16_t port) {
  Headers out{};
  std::copy(to.mac.begin(), to.mac.end(), out.begin());
  std::copy(from.mac.begin(), from.mac.end(), out.begin() + 6);
  put16(&out[12], ETH_P_IP);
  uint8_t* ip = &out[kEthernet];
  const size_t udp_length = size - kEthernet - kIp;
  ip[0] = 0x45;
  put16(ip + 2, size - kEthernet);
  ip[6] = 0x40;  // DF
  ip[8] = 64;    // TTL
  ip[9] = IPPROTO_UDP;
  std::memcpy(ip + 12, &from.address, 4);
  std::memcpy(ip + 16, &to.address, 4);
  put16(ip + 10, static_cast<uint16_t>(~folded(sum_of(ip, kIp))));
  uint8_t* udp = ip + kIp;
  put16(udp + 2, port);
  put16(udp + 4, udp_length);
  put16(udp + 6, folded(sum_of(ip + 12, 8) + IPPROTO_UDP + static_cast<uint32_t>(udp_length)));
  return out;
}

// Frames in their order, a batch at a time.
class Sender {
 public:
  Sender(const Options& options, const Interface& interface)
      : fd_(packet_socket(interface)), flows_(options.flows), skip_(interface.ethernet ? 0 : kEthernet) {
    vnet_.checksum_start = static_cast<uint16_t>(vnet_.checksum_start - skip_);
    sizes_ = options.sizes;
    destinations_ = options.destinations.size();
    for (const Destination& to : options.destinations) {
      for (const size_t size : sizes_) headers_.push_back(headers_of(interface, to, size, options.port));
    }
    for (size_t i = 0; i < kBatch; ++i) {
      frames_[i].fill('w');
      parts_[i][0] = {&vnet_, sizeof vnet_};
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = parts_[i].data();
      messages_[i].msg_hdr.msg_iovlen = 2;
    }
  }

  // Sends the next `count` frames, at most kBatch; those that the interface refuses are lost.
  void send(size_t count) {
    for (size_t i = 0; i < count; ++i) prepare(i);
    for (size_t at = 0; at < count;) {
      const int taken = sendmmsg(fd_, &messages_[at], static_cast<unsigned>(count - at), 0);
      if (taken > 0) {
        sent_ += static_cast<uint64_t>(taken);
        at += static_cast<size_t>(taken);
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != ENOBUFS && errno != EAGAIN) fail("sendmmsg");
      ++refused_;
      ++at;
      std::this_thread::sleep_for(kFullQueuePause);
    }
  }

  uint64_t sent() const { return sent_; }
  uint64_t refused() const { return refused_; }

 private:
  void prepare(size_t slot) {
    const size_t size_index = size_at_;
    uint8_t* frame = frames_[slot].data();
    std::memcpy(frame, headers_[destination_at_ * sizes_.size() + size_index].data(), kHeaders);
    put16(frame + kEthernet + kIp, kFirstSourcePort + flow_at_);
    parts_[slot][1] = {frame + skip_, sizes_[size_index] - skip_};
    destination_at_ = destination_at_ + 1 == destinations_ ? 0 : destination_at_ + 1;
    size_at_ = size_at_ + 1 == sizes_.size() ? 0 : size_at_ + 1;
    flow_at_ = flow_at_ + 1 == flows_ ? 0 : flow_at_ + 1;
  }

  int fd_;
  size_t flows_;
  size_t skip_;
  size_t destinations_ = 0;
  std::vector<size_t> sizes_;
  std::vector<Headers> headers_;
  Vnet vnet_;
  std::array<std::array<uint8_t, kMaxFrame>, kBatch> frames_;
  std::array<std::array<iovec, 2>, kBatch> parts_;
  std::array<mmsghdr, kBatch> messages_;
  size_t destination_at_ = 0;
  size_t size_at_ = 0;
  size_t flow_at_ = 0;
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  // Pauses of the length that was asked for, where the default is 50 us longer.
  prctl(PR_SET_TIMERSLACK, 1UL);
  Sender sender(options, interface_of(options.interface));
  const size_t batch = options.rate > 0 ? std::clamp<size_t>(static_cast<size_t>(options.rate / kWakeUps), 1, kBatch) : kBatch;
  const Clock::time_point start = Clock::now();
  uint64_t offered = 0;
  while (offered < options.count && Seconds(Clock::now() - start).count() < options.seconds) {
    if (options.rate > 0) std::this_thread::sleep_until(start + clock_time(static_cast<double>(offered) / options.rate));
    const size_t now = std::min<uint64_t>(batch, options.count - offered);
    sender.send(now);
    offered += now;
  }
  const double seconds = Seconds(Clock::now() - start).count();
  std::printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.6f,\"framesPerSecond\":%.1f,\"cpuSeconds\":%.3f}\n",
              static_cast<unsigned long long>(sender.sent()), static_cast<unsigned long long>(sender.refused()), seconds,
              static_cast<double>(sender.sent()) / seconds, cpu_seconds());
  return 0;
}

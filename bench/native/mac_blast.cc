// Sends minimal frames from and to many MACs, to make a switch learn and look up.
//
//   mac_blast --interface IFNAME --from MAC[+N] --to MAC[+N] [--random 1] [--count C] [--seconds T] [--rate FRAMES_A_SECOND]
//
// MAC+N are N addresses that count up from MAC. Frame i has source number i and destination number i, each round and round, or
// with
// --random any of them. 60 bytes with an EtherType that no host speaks, so nothing answers, and nothing joins them.
//
// A frame that a full queue of the interface refuses is sent again after a moment: which addresses were sent is never in doubt,
// as long as the interface itself tells (a veth does not). Ends after C frames or T seconds with a line of JSON: sent, seconds,
// framesPerSecond, cpuSeconds.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <limits>
#include <thread>

#include "measuring.h"

namespace {

using namespace bench;

constexpr size_t kBatch = 32;
constexpr size_t kFrame = 60;
constexpr uint16_t kExperimentalEtherType = 0x88b5;  // IEEE 802, local experimental
constexpr auto kFullQueuePause = std::chrono::microseconds(50);

struct Addresses {
  uint64_t first = 0;
  uint64_t count = 1;

  void write(uint8_t* at, uint64_t number) const {
    const uint64_t mac = first + number % count;
    for (int i = 0; i < 6; ++i) at[i] = static_cast<uint8_t>(mac >> (40 - 8 * i));
  }
};

struct Options {
  std::string interface;
  Addresses from, to;
  bool random = false;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  double seconds = std::numeric_limits<double>::infinity();
  double rate = 0;  // frames a second; 0 is as fast as it goes
};

Addresses addresses(const std::string& name, const std::string& text) {
  Addresses out;
  const size_t plus = text.find('+');
  for (const uint8_t octet : mac_address(name, text.substr(0, plus).c_str())) out.first = out.first << 8 | octet;
  if (plus != std::string::npos) out.count = static_cast<uint64_t>(number(name, text.c_str() + plus + 1, 1, 1e8));
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
    } else if (name == "--from") {
      options.from = addresses(name, value);
    } else if (name == "--to") {
      options.to = addresses(name, value);
    } else if (name == "--random") {
      options.random = number(name, value, 0, 1) == 1;
    } else if (name == "--count") {
      options.count = static_cast<uint64_t>(number(name, value, 1, 1e15));
    } else if (name == "--seconds") {
      options.seconds = number(name, value, 0.01, 86400);
    } else if (name == "--rate") {
      options.rate = number(name, value, 0, 1e9);
    } else {
      misused("unknown option " + name);
    }
  }
  if (options.interface.empty() || options.from.first == 0 || options.to.first == 0) misused("--interface, --from or --to is missing");
  return options;
}

uint64_t splitmix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

int open_socket(const std::string& interface) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (to.sll_ifindex == 0) fail(interface.c_str());
  if (bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("bind");
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const int fd = open_socket(options.interface);
  std::array<std::array<uint8_t, kFrame>, kBatch> frames{};
  std::array<iovec, kBatch> parts{};
  std::array<mmsghdr, kBatch> messages{};
  for (size_t i = 0; i < kBatch; ++i) {
    frames[i][12] = kExperimentalEtherType >> 8;
    frames[i][13] = kExperimentalEtherType & 0xff;
    parts[i] = {frames[i].data(), frames[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }

  const Clock::time_point start = Clock::now();
  uint64_t random = 1;
  uint64_t sent = 0;
  double seconds = 0;
  while (sent < options.count && seconds < options.seconds) {
    const size_t batch = static_cast<size_t>(std::min<uint64_t>(kBatch, options.count - sent));
    for (size_t i = 0; i < batch; ++i) {
      const uint64_t at = options.random ? splitmix(random) : sent + i;
      options.to.write(frames[i].data(), at);
      options.from.write(frames[i].data() + 6, options.random ? splitmix(random) : at);
    }
    for (size_t done = 0; done < batch;) {
      const int count = sendmmsg(fd, &messages[done], static_cast<unsigned>(batch - done), 0);
      if (count > 0) done += static_cast<size_t>(count);
      if (count < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("sendmmsg");
      if (count < 0) std::this_thread::sleep_for(kFullQueuePause);
    }
    sent += batch;
    if (options.rate > 0) std::this_thread::sleep_until(start + clock_time(static_cast<double>(sent) / options.rate));
    seconds = Seconds(Clock::now() - start).count();
  }
  std::printf("{\"sent\":%llu,\"seconds\":%.6f,\"framesPerSecond\":%.1f,\"cpuSeconds\":%.3f}\n",
              static_cast<unsigned long long>(sent), seconds, static_cast<double>(sent) / seconds, cpu_seconds());
  return 0;
}

// Counts the frames that reach a guest's interface and no socket.
//
//   port_count --interface IFNAME --mac MAC --size BYTES [--warmup W] [--seconds T]
//
// MAC is one that the guest does not have: whatever switch is behind the interface learns from a frame that bears it that it is
// here, and the guest's kernel throws frames for it away at the first look. So nothing but the way to the port is measured.
//
// The interface's counters tell packets and bytes. A super-frame of UDP is one packet, has the headers of one frame and the
// payload of many; since all frames have one size, packets and bytes together tell how many they were. Whatever else arrives is
// an error of the figure, so the network has to be quiet.
//
// Prints "ready" once the MAC was announced, starts its clock with the first hundred frames, leaves W seconds out, and ends with
// a line of JSON: received, packets (what the guest's kernel was handed), seconds, framesPerSecond, cpuSeconds.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "measuring.h"

namespace {

using namespace bench;

constexpr size_t kHeaders = 14 + 20 + 8;  // Ethernet, IPv4, UDP
constexpr size_t kAnnouncement = 60;
constexpr uint16_t kExperimentalEtherType = 0x88b5;  // IEEE 802, local experimental
constexpr double kPatience = 30;
constexpr uint64_t kTrafficFrames = 100;

struct Options {
  std::string interface;
  Mac mac{};
  size_t size = 0;
  double warmup = 0;
  double seconds = 5;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) misused(name + " needs a value");
    const char* value = argv[i + 1];
    if (name == "--interface") {
      options.interface = value;
    } else if (name == "--mac") {
      options.mac = mac_address(name, value);
    } else if (name == "--size") {
      options.size = static_cast<size_t>(number(name, value, kHeaders + 1, 9018));
    } else if (name == "--warmup") {
      options.warmup = number(name, value, 0, 86400);
    } else if (name == "--seconds") {
      options.seconds = number(name, value, 0.01, 86400);
    } else {
      misused("unknown option " + name);
    }
  }
  if (options.interface.empty() || options.size == 0) misused("--interface, --mac and --size are needed");
  return options;
}

// Broadcasts a frame that bears the MAC.
void announce(const Options& options) {
  std::array<uint8_t, kAnnouncement> frame{};
  std::fill_n(frame.begin(), 6, uint8_t{0xff});
  std::copy(options.mac.begin(), options.mac.end(), frame.begin() + 6);
  frame[12] = kExperimentalEtherType >> 8;
  frame[13] = kExperimentalEtherType & 0xff;
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(options.interface.c_str()));
  if (to.sll_ifindex == 0) fail(options.interface.c_str());
  if (sendto(fd, frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("sendto");
  close(fd);
}

struct Sample {
  uint64_t packets;
  uint64_t bytes;
};

// What an interface received since it was made. Both counters come from one line of /proc/net/dev: of the two files below
// /sys/class/net a frame that arrives between two readings would count in one and not in the other.
Sample sample_of(const std::string& interface) {
  std::ifstream devices("/proc/net/dev");
  for (std::string line; std::getline(devices, line);) {
    std::array<char, IFNAMSIZ + 1> name{};
    unsigned long long bytes = 0;
    unsigned long long packets = 0;
    if (std::sscanf(line.c_str(), " %16[^:]: %llu %llu", name.data(), &bytes, &packets) == 3 && interface == name.data()) {
      return {packets, bytes};
    }
  }
  misused(interface + " is not there");
}

// How many frames of `size` came between two samples.
uint64_t frames_between(const Sample& from, const Sample& to, size_t size) {
  const uint64_t packets = to.packets - from.packets;
  const uint64_t bytes = to.bytes - from.bytes;
  return bytes < packets * kHeaders ? 0 : (bytes - packets * kHeaders) / (size - kHeaders);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  announce(options);
  announce_ready();
  const Sample idle = sample_of(options.interface);
  const auto has_traffic = [&] {
    return frames_between(idle, sample_of(options.interface), options.size) >= kTrafficFrames;
  };
  for (const Clock::time_point begin = Clock::now(); !has_traffic();) {
    if (Seconds(Clock::now() - begin).count() > kPatience) misused("no traffic came");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::this_thread::sleep_for(clock_time(options.warmup));
  const Clock::time_point start = Clock::now();
  // What the clock was started by counts where nothing is left out.
  const Sample before = options.warmup > 0 ? sample_of(options.interface) : idle;
  std::this_thread::sleep_for(clock_time(options.seconds));
  const Sample after = sample_of(options.interface);
  const double seconds = Seconds(Clock::now() - start).count();
  const uint64_t frames = frames_between(before, after, options.size);
  std::printf("{\"received\":%llu,\"packets\":%llu,\"seconds\":%.6f,\"framesPerSecond\":%.1f,\"cpuSeconds\":%.3f}\n",
              static_cast<unsigned long long>(frames), static_cast<unsigned long long>(after.packets - before.packets), seconds,
              static_cast<double>(frames) / seconds, cpu_seconds());
  return 0;
}

// Traffic for the benchmark: small UDP frames as fast as one process sends and counts them, and request/response round trips.
//
//   udp_blast send    --to ADDRESS [--port P] [--size BYTES] [--flows F] [--seconds T] [--rate FRAMES_A_SECOND]
//   udp_blast receive [--bind ADDRESS] [--port P] [--warmup W] [--seconds T]
//   udp_blast echo    [--bind ADDRESS] [--port P] [--tcp]
//   udp_blast ping    --to ADDRESS [--port P] [--size BYTES] [--tcp] [--warmup W] [--seconds T]
//   udp_blast hold    [--bind ADDRESS] [--port P]
//
// `--size` is the UDP or TCP payload. 22 bytes of UDP over IPv4 make a frame of 64 bytes as a TAP or veth carries it
// (14 Ethernet + 20 IPv4 + 8 UDP + 22), which is 68 on a wire with its frame check sequence.
//
// `send` uses one connected socket a flow, so that flows differ in their source port only. One flow is sent by sendmmsg
// in batches; several are interleaved frame by frame, the hardest order for whoever wants to join them.
// `receive` starts its clock with the first datagram, which counts, and leaves the first W seconds out.
// `ping` has one request under way at a time.
// `hold` binds a socket that it never reads: a receiver that takes nothing once its buffer is full.
// `receive`, `echo` and `hold` print "ready" once they are bound. The last two run until they are killed; the others end with a
// line of JSON. Its cpuSeconds is what this process used meanwhile, in user space and in the kernel on its behalf.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include "measuring.h"

namespace {

using namespace bench;

constexpr size_t kBatch = 64;
constexpr size_t kMaxPayload = 65507;
constexpr size_t kMaxFlows = 4096;
// What arrives in some ten milliseconds in which the receiver does not run.
constexpr int kReceiveBuffer = 16 << 20;

struct Options {
  std::string mode;
  std::string address;
  uint16_t port = 5300;
  size_t size = 22;
  size_t flows = 1;
  double seconds = 5;
  double warmup = 0;
  double rate = 0;  // frames a second; 0 is as fast as it goes
  bool tcp = false;
};

[[noreturn]] void usage(const std::string& reason) {
  std::fprintf(stderr,
               "udp_blast: %s\n"
               "udp_blast send|receive|echo|ping|hold [--to ADDRESS] [--bind ADDRESS] [--port P] [--size BYTES]\n"
               "  [--flows F] [--seconds T] [--warmup W] [--rate FRAMES_A_SECOND] [--tcp]\n",
               reason.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  if (argc < 2) usage("a mode is missing");
  options.mode = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--tcp") {
      options.tcp = true;
      continue;
    }
    if (i + 1 == argc) usage(name + " needs a value");
    const char* value = argv[++i];
    if (name == "--to" || name == "--bind") options.address = value;
    else if (name == "--port") options.port = static_cast<uint16_t>(number(name, value, 1, 65535));
    else if (name == "--size") options.size = static_cast<size_t>(number(name, value, 1, kMaxPayload));
    else if (name == "--flows") options.flows = static_cast<size_t>(number(name, value, 1, kMaxFlows));
    else if (name == "--seconds") options.seconds = number(name, value, 0.01, 86400);
    else if (name == "--warmup") options.warmup = number(name, value, 0, 86400);
    else if (name == "--rate") options.rate = number(name, value, 0, 1e9);
    else usage("unknown option " + name);
  }
  if ((options.mode == "send" || options.mode == "ping") && options.address.empty()) usage("--to is missing");
  return options;
}

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Endpoint endpoint(const std::string& text, uint16_t port) {
  Endpoint out;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.length = sizeof *v4;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.length = sizeof *v6;
  } else {
    usage("not a numeric address: " + text);
  }
  return out;
}

int open_socket(const Endpoint& at, int type) {
  const int fd = socket(at.storage.ss_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

int connected_socket(const Options& options, int type) {
  const Endpoint to = endpoint(options.address, options.port);
  const int fd = open_socket(to, type);
  if (connect(fd, to.address(), to.length) < 0) fail("connect");
  return fd;
}

int bound_socket(const Options& options, int type) {
  const Endpoint at = endpoint(options.address.empty() ? "0.0.0.0" : options.address, options.port);
  const int fd = open_socket(at, type);
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) fail("SO_REUSEADDR");
  if (bind(fd, at.address(), at.length) < 0) fail("bind");
  return fd;
}

void set_receive_timeout(int fd, double seconds) {
  const auto microseconds = static_cast<int64_t>(seconds * 1e6);
  const timeval timeout{microseconds / 1000000, microseconds % 1000000};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0) fail("SO_RCVTIMEO");
}

void set_no_delay(int fd) {
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("TCP_NODELAY");
}

// Errors that a full queue or a receiver that is not there yet give back; the frame is lost, the sender goes on.
bool is_loss(int error) { return error == ENOBUFS || error == ECONNREFUSED || error == EAGAIN || error == EINTR; }

// Sends one batch: by sendmmsg for one flow, else one frame from each flow in turn. Returns how many the kernel took.
class Sender {
 public:
  explicit Sender(const Options& options) : payload_(options.size, 'w') {
    for (size_t i = 0; i < options.flows; ++i) sockets_.push_back(connected_socket(options, SOCK_DGRAM));
    vector_ = {payload_.data(), payload_.size()};
    for (mmsghdr& message : messages_) {
      message = {};
      message.msg_hdr.msg_iov = &vector_;
      message.msg_hdr.msg_iovlen = 1;
    }
  }

  size_t send_batch(size_t count) { return sockets_.size() == 1 ? send_one_flow(count) : send_interleaved(count); }

 private:
  size_t send_one_flow(size_t count) {
    const int sent = sendmmsg(sockets_[0], messages_.data(), static_cast<unsigned>(count), 0);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (!is_loss(errno)) fail("sendmmsg");
    return 0;
  }

  size_t send_interleaved(size_t count) {
    size_t sent = 0;
    for (size_t i = 0; i < count; ++i) {
      if (send(sockets_[next_], payload_.data(), payload_.size(), 0) >= 0) ++sent;
      else if (!is_loss(errno)) fail("send");
      next_ = (next_ + 1) % sockets_.size();
    }
    return sent;
  }

  std::vector<int> sockets_;
  std::vector<char> payload_;
  iovec vector_{};
  std::array<mmsghdr, kBatch> messages_{};
  size_t next_ = 0;
};

int run_send(const Options& options) {
  Sender sender(options);
  const size_t batch = options.rate > 0 ? std::clamp<size_t>(static_cast<size_t>(options.rate / 1000), 1, kBatch) : kBatch;
  const Clock::time_point start = Clock::now();
  const Clock::time_point end = start + clock_time(options.seconds);
  uint64_t sent = 0;
  uint64_t offered = 0;
  for (Clock::time_point now = start; now < end; now = Clock::now()) {
    if (options.rate > 0) {
      std::this_thread::sleep_until(start + Seconds(static_cast<double>(offered) / options.rate));
    }
    sent += sender.send_batch(batch);
    offered += batch;
  }
  const double seconds = Seconds(Clock::now() - start).count();
  std::printf("{\"sent\":%llu,\"seconds\":%.6f,\"framesPerSecond\":%.1f,\"cpuSeconds\":%.3f}\n",
              static_cast<unsigned long long>(sent), seconds, static_cast<double>(sent) / seconds, cpu_seconds());
  return 0;
}

// Receives batches; datagrams are cut to the buffers, since only their number matters.
class Receiver {
 public:
  explicit Receiver(const Options& options) : socket_(bound_socket(options, SOCK_DGRAM)) {
    const int on = 1;
    if (setsockopt(socket_, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0) fail("SO_RXQ_OVFL");
    if (setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0 &&
        setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
      fail("SO_RCVBUF");
    }
    for (size_t i = 0; i < kBatch; ++i) vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
  }

  void set_timeout(double seconds) { set_receive_timeout(socket_, seconds); }

  // Blocks for one datagram at least and takes what else is there; 0 after the timeout.
  size_t receive() {
    for (size_t i = 0; i < kBatch; ++i) {
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = &vectors_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
    messages_[0].msg_hdr.msg_control = control_.data();
    messages_[0].msg_hdr.msg_controllen = control_.size();
    const int count = recvmmsg(socket_, messages_.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) return 0;
      fail("recvmmsg");
    }
    note_overflow();
    return static_cast<size_t>(count);
  }

  // Datagrams that arrived while the socket's buffer was full, since it was opened.
  uint32_t overflow() const { return overflow_; }

 private:
  void note_overflow() {
    for (cmsghdr* item = CMSG_FIRSTHDR(&messages_[0].msg_hdr); item; item = CMSG_NXTHDR(&messages_[0].msg_hdr, item)) {
      if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SO_RXQ_OVFL) continue;
      std::memcpy(&overflow_, CMSG_DATA(item), sizeof overflow_);
    }
  }

  int socket_;
  std::array<std::array<char, 64>, kBatch> buffers_{};
  std::array<iovec, kBatch> vectors_{};
  std::array<mmsghdr, kBatch> messages_{};
  alignas(cmsghdr) std::array<char, 64> control_{};
  uint32_t overflow_ = 0;
};

int run_receive(const Options& options) {
  constexpr double kPatience = 30;
  Receiver receiver(options);
  receiver.set_timeout(kPatience);
  announce_ready();
  const size_t first = receiver.receive();
  if (first == 0) {
    std::fprintf(stderr, "udp_blast: no datagram within %.0f s\n", kPatience);
    return 1;
  }
  receiver.set_timeout(0.05);
  const auto run_until = [&receiver](Clock::time_point end) {
    uint64_t count = 0;
    while (Clock::now() < end) count += receiver.receive();
    return count;
  };
  const auto after = [](double seconds) { return Clock::now() + clock_time(seconds); };
  run_until(after(options.warmup));
  const uint32_t overflow_before = receiver.overflow();
  const double cpu_before = cpu_seconds();
  const Clock::time_point start = Clock::now();
  const uint64_t count = (options.warmup > 0 ? 0 : first) + run_until(after(options.seconds));
  const double seconds = Seconds(Clock::now() - start).count();
  std::printf("{\"received\":%llu,\"seconds\":%.6f,\"framesPerSecond\":%.1f,\"overflow\":%u,\"cpuSeconds\":%.3f}\n",
              static_cast<unsigned long long>(count), seconds, static_cast<double>(count) / seconds,
              receiver.overflow() - overflow_before, cpu_seconds() - cpu_before);
  return 0;
}

void echo_stream(int fd) {
  std::vector<char> buffer(kMaxPayload);
  set_no_delay(fd);
  for (ssize_t length; (length = recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
    for (ssize_t sent = 0; sent < length;) {
      const ssize_t step = send(fd, buffer.data() + sent, static_cast<size_t>(length - sent), MSG_NOSIGNAL);
      if (step < 0) return;
      sent += step;
    }
  }
}

int run_echo(const Options& options) {
  const int fd = bound_socket(options, options.tcp ? SOCK_STREAM : SOCK_DGRAM);
  if (options.tcp && listen(fd, 16) < 0) fail("listen");
  announce_ready();
  std::vector<char> buffer(kMaxPayload);
  while (true) {
    if (options.tcp) {
      const int client = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) fail("accept");
      echo_stream(client);
      close(client);
      continue;
    }
    Endpoint from;
    from.length = sizeof from.storage;
    const ssize_t length =
        recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from.storage), &from.length);
    if (length >= 0) sendto(fd, buffer.data(), static_cast<size_t>(length), 0, from.address(), from.length);
  }
}

int run_hold(const Options& options) {
  bound_socket(options, SOCK_DGRAM);
  announce_ready();
  while (true) pause();
}

// One request and its reply; false when the reply did not come in time (UDP only).
bool round_trip(int fd, std::vector<char>& buffer, bool tcp) {
  if (send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) < 0) {
    if (tcp || !is_loss(errno)) fail("send");
    return false;
  }
  for (size_t have = 0; have < buffer.size();) {
    const ssize_t length = recv(fd, buffer.data() + have, buffer.size() - have, 0);
    if (length <= 0) {
      if (!tcp && length < 0 && is_loss(errno)) return false;
      fail("recv");
    }
    have += static_cast<size_t>(length);
  }
  return true;
}

int run_ping(const Options& options) {
  const int fd = connected_socket(options, options.tcp ? SOCK_STREAM : SOCK_DGRAM);
  if (options.tcp) set_no_delay(fd);
  set_receive_timeout(fd, options.tcp ? 10 : 0.5);
  std::vector<char> buffer(options.size, 'w');
  std::vector<double> microseconds;
  microseconds.reserve(static_cast<size_t>(options.seconds * 100000) + 1);
  uint64_t lost = 0;
  const Clock::time_point begin = Clock::now();
  const double total = options.warmup + options.seconds;
  for (Clock::time_point before = begin; Seconds(before - begin).count() < total;) {
    const bool answered = round_trip(fd, buffer, options.tcp);
    const Clock::time_point after = Clock::now();
    if (Seconds(before - begin).count() >= options.warmup) {
      if (answered) microseconds.push_back(Seconds(after - before).count() * 1e6);
      else ++lost;
    }
    before = after;
  }
  if (microseconds.empty()) {
    std::fprintf(stderr, "udp_blast: no request was answered\n");
    return 1;
  }
  std::sort(microseconds.begin(), microseconds.end());
  double sum = 0;
  for (const double value : microseconds) sum += value;
  std::printf("{\"requests\":%zu,\"lost\":%llu,\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,"
              "\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}\n",
              microseconds.size(), static_cast<unsigned long long>(lost), sum / static_cast<double>(microseconds.size()),
              percentile(microseconds, 0.5), percentile(microseconds, 0.9), percentile(microseconds, 0.99),
              percentile(microseconds, 0.999), microseconds.back());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.mode == "send") return run_send(options);
  if (options.mode == "receive") return run_receive(options);
  if (options.mode == "echo") return run_echo(options);
  if (options.mode == "ping") return run_ping(options);
  if (options.mode == "hold") return run_hold(options);
  usage("unknown mode " + options.mode);
}

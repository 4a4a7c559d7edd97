// What a frame costs the data plane by itself: a worker between TAPs and sockets that hand out frames and swallow them, without a
// kernel.
//
//   frame_cost WAY FRAMES     (port-port, port-peer, peer-port, port-peer-bulk, peer-port-bulk)
//
// Prints nanoseconds of CPU time a wire frame. Under `valgrind --tool=callgrind` its instructions are counted; the difference
// between two runs of different length, divided by the difference of their frames, has nothing of the start in it. Small frames
// are of 64 bytes, UDP, one flow, 64 a visit. Bulk is TCP by 1388 bytes a segment, in super-frames of 42 segments towards a peer
// and in bursts of as many from one, with unfinished checksums as between weft hosts. The copy of the payload is the kernel's
// work: only headers are copied here.
#include <ctime>

#include <cinttypes>
#include <memory>
#include <string_view>

#include "engine/engine.h"
#include "frames.h"
#include "measuring.h"
#include "wire/vxlan.h"

namespace {

using namespace weft;

constexpr uint32_t kVni = 42;
constexpr uint32_t kHeaderBytes = 128;  // of a frame, and what may be changed of it
constexpr uint32_t kSmallPayload = 22;
constexpr uint32_t kSmallFrames = 64;  // a visit
constexpr uint32_t kSegmentPayload = 1388;
constexpr uint32_t kSegments = 42;  // a super-frame, or a burst
constexpr uint32_t kSuperFrames = 4;  // a visit

// Hands out one frame again and again, `a_visit` times between two ends of the queue.
class RepeatingTap final : public TapQueue {
 public:
  std::vector<uint8_t> frame;
  VnetHeader vnet;
  uint32_t a_visit = 0;
  uint64_t written = 0;

  int fd() const override { return -1; }
  void destroy_on_close() override {}
  TunOffloads set_offloads(TunOffloads wanted) override { return wanted; }

  ssize_t read(uint8_t* buffer, size_t) override {
    if (given_ == a_visit) {
      given_ = 0;
      return -EAGAIN;
    }
    ++given_;
    std::memcpy(buffer, &vnet, sizeof vnet);
    std::memcpy(buffer + sizeof vnet, frame.data(), std::min<size_t>(frame.size(), kHeaderBytes));
    return static_cast<ssize_t>(sizeof vnet + frame.size());
  }

  int write(const iovec*, size_t) override {
    ++written;
    return 0;
  }

 private:
  uint32_t given_ = 0;
};

class SwallowingSender final : public VtepSender {
 public:
  uint64_t messages = 0;

  int send(mmsghdr*, unsigned count) override {
    messages += count;
    return static_cast<int>(count);
  }
};

// Hands out one burst again and again, `a_visit` times at once.
class RepeatingReceiver final : public VtepReceiver {
 public:
  std::vector<uint8_t> burst;
  uint32_t segment_size = 0;
  uint32_t a_visit = 0;
  Endpoint source;

  int fd() const override { return -1; }
  uint64_t overflow() const override { return 0; }

  unsigned receive(std::span<Burst> bursts) override {
    buffers_.resize(a_visit, burst);
    for (uint32_t i = 0; i < a_visit; ++i) {
      for (size_t at = 0; at < burst.size(); at += segment_size) {
        std::memcpy(buffers_[i].data() + at, burst.data() + at, std::min<size_t>(burst.size() - at, kHeaderBytes));
      }
      bursts[i].data = buffers_[i].data();
      bursts[i].length = static_cast<uint32_t>(burst.size());
      bursts[i].segment_size = segment_size;
      bursts[i].source = source;
    }
    return a_visit;
  }

 private:
  std::vector<std::vector<uint8_t>> buffers_;
};

// One network with two ports and a peer, and the worker between them.
class Host {
 public:
  Host() : events_([] {}), fdb_({0x243f6a8885a308d3, 0x13198a2e03707344}, 1u << 16), worker(fdb_, events_, {}) {
    UnderlayOptions options;
    options.source_ports = 1;
    // The last one is for peers without outer checksums.
    tables_.underlay = Underlay::of({receiver}, {sender, sender}, options);
    tables_.networks.push_back({.index = 0, .used = true, .options = {.vni = kVni}, .ports = {}});
    fdb_.set_limits(0, {});
    add_port(a, near);
    add_port(b, far);
    peer_.options.endpoint = *Endpoint::parse("10.0.0.2", 4789);
    peer_.state->unfinished_until = UINT32_MAX;
    receiver->source = *Endpoint::parse("10.0.0.2", 50000);
    tables_.peers = tables_.flood_peers = {&peer_};
    tables_.version = 1;
    tables_.peer_index.build(tables_.peers);
    tables_.vni_index.build(tables_.networks);
    tables_.guarded.build(tables_.ports);
    worker.publish(std::make_shared<Tables>(tables_));
  }

  // Afterwards the frames' destination is behind that port.
  void answer_from(Port& port, RepeatingTap& tap) {
    tap.frame = swapped(bench::make_frame(false, 1, kSmallPayload));
    tap.a_visit = 1;
    worker.serve_port(port);
    worker.flush();
    tap.a_visit = 0;
  }

  // Afterwards the frames' destination is behind the peer.
  void answer_from_peer() {
    receive({swapped(bench::make_frame(false, 1, kSmallPayload))}, 1);
    worker.serve_receiver(*receiver);
    worker.flush();
  }

  // What serve_receiver() gets from now on.
  void receive(const std::vector<std::vector<uint8_t>>& frames, uint32_t a_visit) {
    receiver->burst.clear();
    for (const auto& frame : frames) {
      uint8_t header[kVxlanHeaderBytes];
      write_vxlan_header(header, kVni);
      receiver->burst.insert(receiver->burst.end(), header, header + sizeof header);
      receiver->burst.insert(receiver->burst.end(), frame.begin(), frame.end());
    }
    receiver->segment_size = static_cast<uint32_t>(kVxlanHeaderBytes + frames[0].size());
    receiver->a_visit = a_visit;
  }

  std::shared_ptr<RepeatingReceiver> receiver = std::make_shared<RepeatingReceiver>();
  std::shared_ptr<SwallowingSender> sender = std::make_shared<SwallowingSender>();
  RepeatingTap* near = nullptr;
  RepeatingTap* far = nullptr;
  Port a, b;

 private:
  static std::vector<uint8_t> swapped(std::vector<uint8_t> frame) {
    std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
    return frame;
  }

  void add_port(Port& port, RepeatingTap*& tap) {
    auto queue = std::make_unique<RepeatingTap>();
    tap = queue.get();
    port.index = static_cast<uint16_t>(tables_.ports.size());
    port.queue = std::move(queue);
    tables_.ports.push_back(&port);
    tables_.networks[0].ports.push_back(&port);
  }

  EventRing events_;
  Fdb fdb_;
  Peer peer_;
  Tables tables_;

 public:
  Worker worker;  // ends before what it works on
};

double cpu_nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Way {
  bool from_port;
  uint32_t frames;  // a visit
};

// Prepares the host for a way.
Way prepare(Host& host, std::string_view name) {
  if (name == "port-port") {
    host.answer_from(host.b, *host.far);
  } else if (name == "port-peer" || name == "port-peer-bulk") {
    host.answer_from_peer();
  } else if (name == "peer-port" || name == "peer-port-bulk") {
    host.answer_from(host.a, *host.near);
  } else {
    bench::misused("no such way: " + std::string(name));
  }

  const bool bulk = name.ends_with("-bulk");
  const bool from_port = name.starts_with("port");
  const uint32_t payload = bulk ? kSegments * kSegmentPayload : kSmallPayload;
  if (from_port) {
    std::vector<uint8_t> frame = bench::make_frame(bulk, 1, payload);
    bench::leave_checksum_unfinished(frame);
    host.near->vnet.flags = kVnetNeedsChecksum;
    host.near->vnet.checksum_start = 34;
    host.near->vnet.checksum_offset = bulk ? 16 : 6;
    if (bulk) {
      host.near->vnet.gso_type = kGsoTcp4;
      host.near->vnet.gso_size = kSegmentPayload;
    }
    host.near->frame = std::move(frame);
    host.near->a_visit = bulk ? kSuperFrames : kSmallFrames;
    return {true, bulk ? kSuperFrames * kSegments : kSmallFrames};
  }
  const uint32_t count = bulk ? kSegments : kSmallFrames;
  const uint32_t bursts = bulk ? kSuperFrames : 1;
  const uint32_t segment = bulk ? kSegmentPayload : kSmallPayload;
  host.receive(bench::wire_frames(bulk, 1, count * segment, segment, true), bursts);
  return {false, count * bursts};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) bench::misused("usage: frame_cost WAY FRAMES");
  const auto frames = static_cast<uint64_t>(bench::number("FRAMES", argv[2], 1, 1e12));
  Host host;
  const Way way = prepare(host, argv[1]);
  const uint64_t before = host.worker.counters().unicast.get();

  const double start = cpu_nanoseconds();
  uint64_t done = 0;
  for (; done < frames; done += way.frames) {
    if (way.from_port) {
      host.worker.serve_port(host.a);
    } else {
      host.worker.serve_receiver(*host.receiver);
    }
    host.worker.flush();
  }
  const double elapsed = cpu_nanoseconds() - start;

  if (host.worker.counters().unicast.get() - before != done) {
    std::fprintf(stderr, "frame_cost: of %" PRIu64 " frames %" PRIu64 " were forwarded\n", done,
                 host.worker.counters().unicast.get() - before);
    return 1;
  }
  std::printf("{\"ns\": %.2f, \"frames\": %" PRIu64 "}\n", elapsed / static_cast<double>(done), done);
  return 0;
}

// A worker with fake TAPs and a fake underlay: whole meshes of one host, without root, sockets or threads.
#pragma once

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "test/frame_builder.h"
#include "wire/vxlan.h"

namespace weft::test {

// A frame as it stands on a TAP: virtio header and bytes.
struct TapFrame {
  VnetHeader vnet;
  Bytes bytes;
};

class FakeTap final : public TapQueue {
 public:
  std::deque<TapFrame> to_read;
  std::vector<TapFrame> written;
  int read_error = EAGAIN;
  int write_error = 0;
  // Asked before each write; an errno refuses it.
  std::function<int(const TapFrame&)> refuse = [](const TapFrame&) { return 0; };
  TunOffloads has{.tso = true, .uso = true};  // what the kernel would take ...
  TunOffloads taken;                          // ... and took
  bool destroyed = false;
  int descriptor = -1;          // readable when there is something to read, for tests of whole rounds
  std::function<void()> asked;  // before each read, if there is one

  int fd() const override { return descriptor; }
  void destroy_on_close() override { destroyed = true; }
  TunOffloads set_offloads(TunOffloads wanted) override {
    taken = {.tso = wanted.tso && has.tso, .uso = wanted.uso && has.uso};
    return taken;
  }

  ssize_t read(uint8_t* buffer, size_t size) override {
    if (asked) asked();
    if (to_read.empty()) return -read_error;
    const TapFrame frame = to_read.front();
    to_read.pop_front();
    const size_t bytes = sizeof(VnetHeader) + frame.bytes.size();
    if (bytes > size) throw std::runtime_error("the frame does not fit the read");
    memcpy(buffer, &frame.vnet, sizeof frame.vnet);
    std::copy(frame.bytes.begin(), frame.bytes.end(), buffer + sizeof frame.vnet);
    return static_cast<ssize_t>(bytes);
  }

  int write(const iovec* iov, size_t count) override {
    if (write_error != 0) return -write_error;
    Bytes all;
    for (size_t i = 0; i < count; ++i) {
      const auto* piece = static_cast<const uint8_t*>(iov[i].iov_base);
      all.insert(all.end(), piece, piece + iov[i].iov_len);
    }
    TapFrame frame;
    memcpy(&frame.vnet, all.data(), sizeof frame.vnet);
    frame.bytes.assign(all.begin() + sizeof frame.vnet, all.end());
    if (const int error = refuse(frame)) return -error;
    written.push_back(std::move(frame));
    return 0;
  }
};

// A datagram, or with segment_size several of them, as the socket calls carry it.
struct Sent {
  std::string to;
  uint16_t port = 0;
  uint32_t segment_size = 0;
  uint8_t traffic_class = 0;
  Bytes bytes;

  std::vector<Bytes> datagrams() const {
    std::vector<Bytes> out;
    const size_t step = segment_size == 0 ? bytes.size() : segment_size;
    for (size_t at = 0; at < bytes.size(); at += step) {
      out.emplace_back(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(std::min(at + step, bytes.size())));
    }
    return out;
  }
};

class FakeSender final : public VtepSender {
 public:
  std::vector<Sent> sent;
  // Asked before each message; an errno refuses it.
  std::function<int(const Sent&)> refuse = [](const Sent&) { return 0; };

  int send(mmsghdr* messages, unsigned count) override {
    for (unsigned i = 0; i < count; ++i) {
      Sent message = read(messages[i].msg_hdr);
      if (const int error = refuse(message)) return i == 0 ? -error : static_cast<int>(i);
      sent.push_back(std::move(message));
    }
    return static_cast<int>(count);
  }

 private:
  static Sent read(msghdr& header) {
    Sent message;
    Endpoint to;
    memcpy(to.address(), header.msg_name, header.msg_namelen);
    message.to = to.text();
    message.port = to.port();
    for (size_t i = 0; i < header.msg_iovlen; ++i) {
      const auto* piece = static_cast<const uint8_t*>(header.msg_iov[i].iov_base);
      message.bytes.insert(message.bytes.end(), piece, piece + header.msg_iov[i].iov_len);
    }
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
      if (item->cmsg_level == SOL_UDP && item->cmsg_type == UDP_SEGMENT) {
        uint16_t size;
        memcpy(&size, CMSG_DATA(item), sizeof size);
        message.segment_size = size;
      } else {
        int value;
        memcpy(&value, CMSG_DATA(item), sizeof value);
        message.traffic_class = static_cast<uint8_t>(value);
      }
    }
    return message;
  }
};

class FakeReceiver final : public VtepReceiver {
 public:
  struct Arrival {
    std::string from;
    Bytes bytes;
    uint32_t segment_size = 0;
    uint8_t traffic_class = 0;
  };
  std::deque<Arrival> arrivals;
  int descriptor = -1;          // as that of FakeTap
  std::function<void()> asked;

  int fd() const override { return descriptor; }
  uint64_t overflow() const override { return 0; }

  unsigned receive(std::span<Burst> bursts) override {
    held_.clear();
    if (asked) asked();
    while (!arrivals.empty() && held_.size() < bursts.size()) {
      held_.push_back(arrivals.front());
      arrivals.pop_front();
    }
    for (size_t i = 0; i < held_.size(); ++i) {
      bursts[i].data = held_[i].bytes.data();
      bursts[i].length = static_cast<uint32_t>(held_[i].bytes.size());
      bursts[i].segment_size = held_[i].segment_size;
      bursts[i].traffic_class = held_[i].traffic_class;
      bursts[i].source = *Endpoint::parse(held_[i].from, 50000);
    }
    return static_cast<unsigned>(held_.size());
  }

 private:
  std::vector<Arrival> held_;
};

inline Bytes ethernet(Mac to, Mac from, size_t payload = 46, uint16_t type = 0x88b5) {
  Bytes out;
  for (const Mac mac : {to, from}) {
    for (int shift = 40; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(mac >> shift));
  }
  put16(out, type);
  out.resize(out.size() + payload, 0x5a);
  return out;
}

inline Bytes with_macs(Bytes frame, Mac to, Mac from) {
  const Bytes header = ethernet(to, from, 0);
  std::copy(header.begin(), header.begin() + 12, frame.begin());
  return frame;
}

inline Bytes vxlan(uint32_t vni, const Bytes& frame) {
  Bytes out(kVxlanHeaderBytes);
  write_vxlan_header(out.data(), vni);
  out.insert(out.end(), frame.begin(), frame.end());
  return out;
}

inline constexpr Mac kBroadcast = 0xffffffffffff;
inline constexpr Mac kMacA = 0x020000000001;
inline constexpr Mac kMacB = 0x020000000002;
inline constexpr Mac kMacC = 0x020000000003;

// The tables and the worker; by default with one sender, so that the order of everything sent can be seen.
class Rig {
 public:
  // The seed is digits of pi: small numbers would fill some buckets of the FDB and leave others empty.
  explicit Rig(uint32_t source_ports = 1)
      : events([this] { ++wakes; }), fdb({0x243f6a8885a308d3, 0x13198a2e03707344}, 1u << 16), worker(fdb, events, {}) {
    options.source_ports = source_ports;
    set_underlay();
  }

  void set_underlay() {
    std::vector<std::shared_ptr<VtepSender>> senders(options.source_ports, sender);
    senders.push_back(zero_sender);
    tables.underlay = Underlay::of({receiver}, senders, options);
    publish();
  }

  NetworkIndex add_network(uint32_t vni, NetworkOptions network = {}) {
    network.vni = vni;
    const auto index = static_cast<NetworkIndex>(tables.networks.size());
    tables.networks.push_back({.index = index, .used = true, .options = network, .ports = {}});
    fdb.set_limits(index, network.fdb);
    publish();
    return index;
  }

  struct PortHandle {
    Port* port;
    FakeTap* tap;
  };
  PortHandle add_port(NetworkIndex network, uint32_t group = 0, std::shared_ptr<const Guard> guard = nullptr) {
    auto tap = std::make_unique<FakeTap>();
    auto port = std::make_unique<Port>();
    const PortHandle handle{port.get(), tap.get()};
    port->index = static_cast<uint16_t>(tables.ports.size());
    port->options = {.network = network, .group = group, .guard = std::move(guard)};
    port->queue = std::move(tap);
    tables.ports.push_back(port.get());
    tables.networks[network].ports.push_back(port.get());
    ports.push_back(std::move(port));
    publish();
    return handle;
  }

  Peer* add_peer(const std::string& address, bool offload = true, bool zero_checksum = false) {
    auto peer = std::make_unique<Peer>();
    Peer* raw = peer.get();
    peer->index = static_cast<uint16_t>(tables.peers.size());
    peer->options = {.endpoint = *Endpoint::parse(address, 4789), .zero_checksum = zero_checksum, .offload = offload};
    tables.peers.push_back(raw);
    tables.flood_peers.push_back(raw);
    peers.push_back(std::move(peer));
    publish();
    return raw;
  }

  void publish() {
    ++tables.version;
    tables.peer_index.build(tables.peers);
    tables.vni_index.build(tables.networks);
    tables.guarded.build(tables.ports);
    worker.publish(std::make_shared<Tables>(tables));
  }

  // The guest behind the port sends a frame; everything it leads to is done on return.
  void from_guest(const PortHandle& from, const Bytes& frame, const VnetHeader& vnet = {}) {
    from.tap->to_read.push_back({vnet, frame});
    run(from);
  }
  void run(const PortHandle& from) {
    worker.serve_port(*from.port);
    worker.flush();
  }

  void from_underlay(const std::string& address, const Bytes& bytes, uint32_t segment_size = 0, uint8_t traffic_class = 0) {
    receiver->arrivals.push_back({address, bytes, segment_size, traffic_class});
    run_underlay();
  }
  void run_underlay() {
    worker.serve_receiver(*receiver);
    worker.flush();
  }

  uint64_t dropped(Drop reason) const { return worker.counters().dropped[static_cast<size_t>(reason)].get(); }

  // The two equations of counters.h.
  bool balanced() const {
    const WorkerCounters& c = worker.counters();
    uint64_t ingress = 0, egress = 0;
    for (size_t i = 0; i < kDropCount; ++i) (is_egress(static_cast<Drop>(i)) ? egress : ingress) += c.dropped[i].get();
    return c.received.get() == c.unicast.get() + c.flooded.get() + c.consumed.get() + ingress && c.queued.get() == c.sent.get() + egress;
  }

  std::vector<Event> take_events() {
    uint64_t lost;
    return events.take(lost);
  }

  int wakes = 0;
  std::shared_ptr<FakeReceiver> receiver = std::make_shared<FakeReceiver>();
  std::shared_ptr<FakeSender> sender = std::make_shared<FakeSender>();
  std::shared_ptr<FakeSender> zero_sender = std::make_shared<FakeSender>();
  UnderlayOptions options;
  EventRing events;
  Fdb fdb;
  Tables tables;
  std::vector<std::unique_ptr<Port>> ports;
  std::vector<std::unique_ptr<Peer>> peers;
  Worker worker;
};

}  // namespace weft::test

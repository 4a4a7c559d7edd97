// What is written to TAPs when the kernel refuses super-frames, or a port may not get them.
#include <doctest/doctest.h>

#include <map>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

const char* const kPeer = "10.0.0.2";

Spec spec_of(bool udp, bool v6, uint16_t flow, uint32_t offset, size_t size) {
  Spec spec;
  spec.udp = udp;
  spec.v6 = v6;
  spec.source_port = flow;
  spec.id = static_cast<uint16_t>(1 + offset);
  spec.sequence = 1000 + offset * 1000;
  Random random(offset * 131 + flow);
  spec.payload = random_bytes(random, size);
  return spec;
}

// Frame number `index` of a flow whose frames are 1000 bytes of payload each, the last one shorter.
Bytes piece(bool udp, bool v6, uint16_t flow, uint32_t index, size_t size = 1000) {
  return with_macs(build(spec_of(udp, v6, flow, index, size)), kMacB, kMacA);
}

struct DeliverRig : Rig {
  NetworkIndex network = add_network(42);
  PortHandle guest = add_port(network);
  Peer* peer = add_peer(kPeer);

  DeliverRig() {
    from_guest(guest, ethernet(kBroadcast, kMacB));
    guest.tap->written.clear();
    (void)take_events();
  }

  void arrive(const Bytes& frame) { receiver->arrivals.push_back({kPeer, vxlan(42, frame)}); }
  void arrive_flow(bool udp, bool v6, uint16_t flow, uint32_t first, uint32_t count, size_t last = 300) {
    for (uint32_t i = 0; i < count; ++i) arrive(piece(udp, v6, flow, first + i, i + 1 == count ? last : 1000));
  }
  std::vector<Bytes> take_written() {
    std::vector<Bytes> out;
    for (TapFrame& frame : guest.tap->written) out.push_back(std::move(frame.bytes));
    guest.tap->written.clear();
    return out;
  }
  std::vector<Event> offload_events() {
    auto taken = take_events();
    std::erase_if(taken, [](const Event& event) { return event.type != EventType::port_offload_disabled; });
    return taken;
  }
};

const auto no_super_frame = [](const TapFrame& frame) { return frame.vnet.is_super_frame() ? EINVAL : 0; };

VnetHeader super_frame_header(bool udp, bool v6, uint16_t segment) {
  return {.flags = kVnetNeedsChecksum,
          .gso_type = udp ? kGsoUdpL4 : v6 ? kGsoTcp6 : kGsoTcp4,
          .gso_size = segment,
          .checksum_start = static_cast<uint16_t>(v6 ? 54 : 34),
          .checksum_offset = static_cast<uint16_t>(udp ? 6 : 16)};
}

Bytes super_frame(bool udp, bool v6, size_t payload) {
  Spec spec = spec_of(udp, v6, 9, 0, payload);
  spec.unfinished = true;
  return with_macs(build(spec), kMacB, kMacA);
}

// The payloads one behind the other; every frame is plain, right in its checksums, and in TCP's order.
Bytes joined_payload(const std::vector<TapFrame>& frames, size_t segment) {
  Bytes all;
  uint32_t sequence = 1000;
  for (const TapFrame& written : frames) {
    CHECK(!written.vnet.is_super_frame());
    CHECK(!written.vnet.needs_checksum());
    Bytes bytes = written.bytes;
    const Packet packet = parsed(bytes);
    CHECK(ipv4_checksum_holds(bytes, packet));
    CHECK(l4_checksum_holds(bytes, packet));
    if (packet.is_tcp()) CHECK(get32(bytes, packet.l4_offset + 4) == sequence);
    sequence += packet.ip_end - packet.payload_offset;
    CHECK(packet.ip_end - packet.payload_offset <= segment);
    all.insert(all.end(), bytes.begin() + packet.payload_offset, bytes.begin() + packet.ip_end);
  }
  return all;
}

}  // namespace

TEST_CASE("a super-frame that the kernel refuses is written frame by frame: each as it came, once, in order") {
  for (const bool udp : {false, true}) {
    for (const bool v6 : {false, true}) {
      CAPTURE(udp);
      CAPTURE(v6);
      DeliverRig rig;
      rig.guest.tap->refuse = no_super_frame;
      rig.arrive_flow(udp, v6, 1, 0, 5);
      rig.arrive(piece(udp, v6, 2, 0));
      rig.run_underlay();
      std::vector<Bytes> expected;
      for (uint32_t i = 0; i < 5; ++i) expected.push_back(piece(udp, v6, 1, i, i == 4 ? 300 : 1000));
      expected.push_back(piece(udp, v6, 2, 0));
      CHECK(rig.take_written() == expected);
      CHECK(rig.balanced());
      CHECK(rig.guest.port->counters.tx_super_frames.get() == 0);
      CHECK(rig.guest.port->counters.tx_frames.get() == 6);

      const OffloadSwitch& refused = udp ? rig.guest.port->udp_super_frames : rig.guest.port->tcp_super_frames;
      const OffloadSwitch& other = udp ? rig.guest.port->tcp_super_frames : rig.guest.port->udp_super_frames;
      CHECK(refused.get().state == OffloadState::refused);
      CHECK(refused.get().error == EINVAL);
      CHECK(other.get().state == OffloadState::in_use);
      const auto events = rig.offload_events();
      REQUIRE(events.size() == 1);
      CHECK(events[0].where == Destination{DestinationKind::port, rig.guest.port->index});
      CHECK(events[0].offload == (udp ? Offload::udp_super_frames : Offload::tcp_super_frames));
      CHECK(events[0].off.error == EINVAL);
    }
  }
}

TEST_CASE("a port that refused super-frames of one kind gets none of that kind until the pause is over, and the pause grows") {
  DeliverRig rig;
  unsigned refusals = 0;
  bool broken = true;
  rig.guest.tap->refuse = [&](const TapFrame& frame) {
    if (!broken || !frame.vnet.is_super_frame() || frame.vnet.gso_type == kGsoUdpL4) return 0;
    ++refusals;
    return EINVAL;
  };
  uint32_t at = 0;
  const auto writes_at = [&](Seconds now, bool udp) {
    rig.worker.set_time(now);
    rig.arrive_flow(udp, false, 1, at += 10, 8);
    rig.run_underlay();
    return rig.take_written().size();
  };
  CHECK(writes_at(100, false) == 8);
  CHECK(refusals == 1);
  CHECK(writes_at(100, true) == 1);
  CHECK(writes_at(159, false) == 8);
  CHECK(refusals == 1);
  CHECK(writes_at(160, false) == 8);
  CHECK(refusals == 2);
  CHECK(rig.offload_events().size() == 2);
  CHECK(writes_at(279, false) == 8);
  CHECK(refusals == 2);
  broken = false;
  CHECK(writes_at(280, false) == 1);
  CHECK(rig.guest.port->tcp_super_frames.get().state == OffloadState::in_use);
  CHECK(rig.balanced());
}

TEST_CASE("only a short last segment is refused, as by Linux 6.6.44: the others pass whole until then") {
  DeliverRig rig;
  rig.guest.tap->refuse = [](const TapFrame& frame) {
    if (!frame.vnet.is_super_frame()) return 0;
    return (frame.bytes.size() - 54) % frame.vnet.gso_size == 0 ? 0 : EINVAL;
  };
  rig.arrive_flow(false, false, 1, 0, 4, 1000);
  rig.run_underlay();
  CHECK(rig.take_written().size() == 1);
  rig.arrive_flow(false, false, 1, 4, 4, 999);
  rig.run_underlay();
  const auto written = rig.take_written();
  REQUIRE(written.size() == 4);
  for (uint32_t i = 0; i < 4; ++i) CHECK(written[i] == piece(false, false, 1, 4 + i, i == 3 ? 999 : 1000));
  CHECK(rig.offload_events().size() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a port that refuses everything keeps its offload: the super-frame was not to blame") {
  DeliverRig rig;
  rig.guest.tap->write_error = EINVAL;
  rig.arrive_flow(false, false, 1, 0, 5);
  rig.run_underlay();
  CHECK(rig.dropped(Drop::port_error) == 5);
  CHECK(rig.guest.port->tcp_super_frames.get().state == OffloadState::in_use);
  CHECK(rig.balanced());
}

TEST_CASE("a super-frame for a link that is down or a queue that is full is dropped whole, and tried once") {
  for (const auto& [error, reason] : std::map<int, Drop>{{EIO, Drop::port_down}, {EAGAIN, Drop::port_full}, {ENOMEM, Drop::port_full}}) {
    CAPTURE(error);
    DeliverRig rig;
    unsigned writes = 0;
    const int errno_value = error;
    rig.guest.tap->refuse = [&](const TapFrame&) { return ++writes, errno_value; };
    rig.arrive_flow(false, false, 1, 0, 5);
    rig.run_underlay();
    CHECK(writes == 1);
    CHECK(rig.dropped(reason) == 5);
    CHECK(rig.guest.port->tcp_super_frames.get().state == OffloadState::in_use);
    CHECK(rig.balanced());
  }
}

TEST_CASE("EINTR is no refusal") {
  DeliverRig rig;
  int interruptions = 3;
  rig.guest.tap->refuse = [&](const TapFrame&) { return interruptions-- > 0 ? EINTR : 0; };
  rig.arrive_flow(false, false, 1, 0, 5);
  rig.run_underlay();
  CHECK(rig.take_written().size() == 1);
  CHECK(rig.balanced());
}

TEST_CASE("a super-frame from port to port is cut where the destination may not have it, and passes whole where it may") {
  for (const bool udp : {false, true}) {
    for (const bool v6 : {false, true}) {
      CAPTURE(udp);
      CAPTURE(v6);
      DeliverRig rig;
      const auto other = rig.add_port(rig.network);
      const VnetHeader vnet = super_frame_header(udp, v6, 1000);
      const Bytes frame = super_frame(udp, v6, 7300);
      rig.from_guest(other, frame, vnet);
      REQUIRE(rig.guest.tap->written.size() == 1);
      CHECK(rig.guest.tap->written[0].vnet.is_super_frame());
      CHECK(rig.guest.tap->written[0].bytes == frame);

      rig.guest.tap->written.clear();
      (udp ? rig.guest.port->udp_super_frames : rig.guest.port->tcp_super_frames).set(OffloadState::unwanted);
      rig.from_guest(other, frame, vnet);
      CHECK(rig.guest.tap->written.size() == 8);
      const size_t headers = frame.size() - 7300;
      CHECK(joined_payload(rig.guest.tap->written, 1000) == Bytes(frame.begin() + static_cast<long>(headers), frame.end()));
      CHECK(rig.offload_events().empty());
      CHECK(rig.balanced());
    }
  }
}

TEST_CASE("a super-frame that only a hostile guest makes costs no other guest its offload") {
  // Whatever the guest says of it, the kernel is told what the frame is.
  for (const uint16_t lie : {uint16_t{0}, uint16_t{20}, uint16_t{60000}}) {
    CAPTURE(lie);
    DeliverRig rig;
    const auto hostile = rig.add_port(rig.network);
    rig.guest.tap->refuse = [](const TapFrame& frame) { return frame.vnet.checksum_start == 34 && frame.vnet.checksum_offset == 16 ? 0 : EINVAL; };
    VnetHeader vnet = super_frame_header(false, false, 1000);
    vnet.checksum_start = vnet.checksum_offset = vnet.header_length = lie;
    rig.from_guest(hostile, super_frame(false, false, 7300), vnet);
    CHECK(rig.guest.tap->written.size() == 1);
    CHECK(rig.guest.port->tcp_super_frames.get().state == OffloadState::in_use);
  }
  // Headers that the kernel may refuse for reasons of its own.
  DeliverRig rig;
  const auto hostile = rig.add_port(rig.network);
  rig.guest.tap->refuse = no_super_frame;
  Spec spec = spec_of(false, false, 9, 0, 7300);
  spec.unfinished = true;
  spec.ip_options = {1, 1, 1, 1};
  VnetHeader vnet = super_frame_header(false, false, 1000);
  vnet.checksum_start = 38;
  rig.from_guest(hostile, with_macs(build(spec), kMacB, kMacA), vnet);
  CHECK(rig.guest.tap->written.size() == 8);
  CHECK(rig.guest.port->tcp_super_frames.get().state == OffloadState::in_use);
  CHECK(rig.balanced());
}

TEST_CASE("whatever a TAP refuses, every frame is written or counted as dropped, once, in the order of its flow") {
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    DeliverRig rig;
    std::map<uint32_t, uint32_t> next;  // index of each flow's next frame
    std::map<uint32_t, uint32_t> seen;  // ... and of the next one that may be written
    uint64_t arrived = 0, written = 0;
    const std::vector<int> errors = {EINVAL, EINVAL, EINVAL, EMSGSIZE, EOPNOTSUPP, ENOMEM, EAGAIN, EIO, EINTR};
    const unsigned refused_of_8 = random() % 5;
    rig.guest.tap->refuse = [&](const TapFrame&) { return random() % 8 < refused_of_8 ? errors[random() % errors.size()] : 0; };
    for (unsigned round = 0; round < 6; ++round) {
      rig.worker.set_time(100 + random() % 400);
      for (unsigned i = random() % 16; i > 0; --i) {
        const uint16_t flow = static_cast<uint16_t>(1 + random() % 4);
        const bool udp = flow % 2 == 0;
        rig.arrive(piece(udp, flow > 2, flow, next[flow]++, random() % 4 == 0 ? 16 + random() % 900 : 1000));
        ++arrived;
      }
      rig.run_underlay();
      for (TapFrame& frame : rig.guest.tap->written) {
        Bytes bytes = std::move(frame.bytes);
        const Packet packet = parsed(bytes);
        const uint16_t flow = static_cast<uint16_t>(get16(bytes, packet.l4_offset));
        // Each of the pieces that the write stands for, told by the beginning of its payload.
        size_t at = packet.payload_offset;
        while (at < packet.ip_end) {
          bool found = false;
          for (uint32_t index = seen[flow]; index < next[flow] && !found; ++index) {
            const bool udp = flow % 2 == 0;
            Random payload(index * 131 + flow);
            const Bytes whole = random_bytes(payload, 1000);
            const size_t step = frame.vnet.is_super_frame() ? std::min<size_t>(frame.vnet.gso_size, packet.ip_end - at) : packet.ip_end - at;
            found = std::equal(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(at + step), whole.begin());
            if (!found) continue;
            if (!frame.vnet.is_super_frame()) CHECK(bytes == piece(udp, flow > 2, flow, index, step));
            at += step;
            seen[flow] = index + 1;
            ++written;
          }
          REQUIRE(found);
        }
      }
      rig.guest.tap->written.clear();
    }
    const uint64_t dropped = rig.dropped(Drop::port_error) + rig.dropped(Drop::port_full) + rig.dropped(Drop::port_down);
    CHECK(written + dropped == arrived);
    CHECK(rig.balanced());
  }
}

TEST_CASE("a port gets super-frames of the kinds that its TAP took and that are switched on, at any time") {
  Engine engine({.wake = [] {}});
  NetworkOptions options;
  options.vni = 42;
  const NetworkIndex network = engine.add_network(options);
  const auto add = [&](TunOffloads has) {
    auto tap = std::make_unique<FakeTap>();
    tap->has = has;
    FakeTap* raw = tap.get();
    const uint16_t index = engine.add_port({.network = network}, std::move(tap));
    return std::pair{raw, engine.tables().ports[index]};
  };
  const auto [full, full_port] = add({.tso = true, .uso = true});
  const auto [old, old_port] = add({.tso = true, .uso = false});
  const auto states = [&](const Port& port) { return std::pair{port.tcp_super_frames.get().state, port.udp_super_frames.get().state}; };
  using enum OffloadState;
  CHECK(states(*full_port) == std::pair{in_use, in_use});
  CHECK(states(*old_port) == std::pair{in_use, unwanted});

  engine.set_port_offloads({.tso = false});
  CHECK(!full->taken.tso);
  CHECK(full->taken.uso);
  CHECK(states(*full_port) == std::pair{unwanted, in_use});
  const auto [late, late_port] = add({.tso = true, .uso = true});
  CHECK(!late->taken.tso);
  CHECK(states(*late_port) == std::pair{unwanted, in_use});

  engine.set_port_offloads({.coalesce_udp = false});
  CHECK(full->taken.tso);
  CHECK(full->taken.uso);
  CHECK(states(*full_port) == std::pair{in_use, unwanted});

  // What the kernel refused stays refused when something else is switched.
  engine.set_port_offloads({});
  CHECK(full_port->tcp_super_frames.refuse(EINVAL, 100));
  engine.set_port_offloads({.uso = false});
  CHECK(states(*full_port) == std::pair{refused, unwanted});
  CHECK(!old->destroyed);
}

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "test/coalesce_round.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint8_t kAck = 0x10;
constexpr uint8_t kPsh = 0x08;

// Padding is Ethernet's, not the frame's; merging drops it.
Bytes without_padding(Bytes frame) {
  const Packet packet = parsed(frame);
  if (packet.ip_version != 0) frame.resize(packet.ip_end);
  return frame;
}

// One checksum in 65,536 is equal to the sum of the pseudo-header by chance. Such a frame is taken for one whose checksum
// somebody left to be finished, and damage to it is mended; nothing on the wire tells the two apart.
bool seems_unfinished(const Bytes& frame, Frame spec) {
  spec.unfinished = true;
  return get16(frame, spec.checksum_at()) == get16(build(spec), spec.checksum_at());
}

// One flow of a hostile sender (or of a network that reorders and doubles), and what a guest must get of it.
struct HostileFlow {
  Frame next;
  size_t size = 0;
  uint32_t port = 0;
  // Whether the IPv4 ID of all its datagrams is one, which does not come back (RFC 6864).
  bool one_id = false;
};

HostileFlow hostile_flow(Random& random, uint32_t host) {
  HostileFlow flow{.next = {.v6 = random() % 2 == 0, .udp = random() % 2 == 0, .source_host = host}, .size = 1 + random() % 1400};
  Frame& f = flow.next;
  for (uint32_t tag = random() % 4; tag > 1; --tag) f.vlan_tags.push_back(tag == 3 ? 0x88a80007 : 0x81000005);
  if (f.v6 && random() % 2 == 0) {
    // Hop-by-hop options, destination options, an authentication header.
    const uint32_t kind = random() % 3;
    f.first_extension = kind == 2 ? 51 : kind == 1 ? 60 : 0;
    f.extension_headers = {f.protocol(), uint8_t{1}};
    if (kind == 2) f.extension_headers[1] = 2;
    const Bytes contents = random_bytes(random, 14);
    f.extension_headers.insert(f.extension_headers.end(), contents.begin(), contents.end());
  }
  if (!f.v6 && random() % 8 == 0) f.ip_options = Bytes(4, 1);
  f.tcp_options = random_bytes(random, random() % 4 * 4);
  f.sequence = random();
  f.id = static_cast<uint16_t>(random());
  f.dont_fragment = random() % 2 == 0;
  f.traffic_class = static_cast<uint8_t>(random() % 4);
  flow.one_id = f.dont_fragment && random() % 2 == 0;
  flow.port = random() % 2;
  return flow;
}

struct Arrival {
  uint32_t port;
  Bytes in;   // as it is received
  Bytes out;  // as a guest must get it
};

// The next frame of the flow, often with something about it that is not as it was in the one before.
Arrival next_arrival(Random& random, HostileFlow& flow) {
  Frame& f = flow.next;
  f.payload = random_bytes(random, random() % 10 == 0 ? random() % (flow.size + 10) : flow.size);
  f.padding = random() % 4 == 0 ? random() % 20 : 0;
  Frame now = f;
  bool damaged = false;
  switch (random() % 60) {
    case 0: f.acknowledgement++; break;
    case 1: f.window++; break;
    case 2: f.traffic_class ^= static_cast<uint8_t>(1 + random() % 3); break;
    case 3: f.ttl--; break;
    case 4: f.flow_label++; break;
    case 5: f.sequence += 13; break;
    case 6: f.id++; break;
    case 7: now.tcp_flags ^= static_cast<uint8_t>(1 << random() % 8); break;
    case 8: now.tcp_flags ^= kPsh; break;
    case 9: f.tcp_flags ^= 0x40; break;
    case 10: now.no_checksum = f.udp; break;
    case 11: now.payload.clear(); break;
    case 12: now.fragment_bits = f.v6 ? 0 : 0x2000; break;
    case 13: damaged = true; break;
    case 14: f.dont_fragment ^= !flow.one_id; break;
    case 15: f.tcp_flags ^= 0x80; break;
    case 16: now.vlan_tags.push_back(0x81000009); break;
    case 17:
      if (!f.extension_headers.empty()) f.extension_headers.back() ^= 1;
      break;
    case 18:
      if (!f.tcp_options.empty()) f.tcp_options.back() ^= 1;
      break;
    default: break;
  }
  const bool finished = damaged || now.no_checksum || now.fragment_bits != 0 || random() % 8 != 0;
  Arrival arrival{.port = flow.port, .in = {}, .out = build(now)};
  now.unfinished = !finished;
  // A sum that a kernel finishes for us is never 0, which some senders make of TCP.
  if (get16(arrival.out, now.checksum_at()) == 0) now.unfinished = false;
  arrival.in = build(now);
  if (damaged) {
    // The payload, the urgent pointer (with a checksum that is right for it, or not), or the header checksum of IPv4.
    const size_t urgent = now.l4() + 18, checksum = now.l4() + 16;
    const uint32_t what = random() % 3;
    if (what == 0 || f.udp) arrival.in[arrival.in.size() - now.padding - 1] ^= 1;
    if (what == 1 && !f.udp) {
      set16(arrival.in, urgent, 5);
      const uint32_t sum = get16(arrival.in, checksum);
      if (random() % 2 == 0 && sum > 5) set16(arrival.in, checksum, sum - 5);
    }
    if (what == 2 && !f.v6) arrival.in[now.l3() + 10] ^= 1;
    if (seems_unfinished(arrival.in, now)) arrival.in = arrival.out;
    arrival.out = arrival.in;
  }
  f.sequence += static_cast<uint32_t>(now.payload.size());
  if (!flow.one_id) f.id++;
  return arrival;
}

// What tells the flows of one round apart, in any of their frames; for those with one ID the frame without it.
uint32_t source_host(const Bytes& frame, const Packet& packet) {
  return get32(frame, packet.l3_offset + (packet.ip_version == 6 ? 20u : 12u)) & 0xffff;
}

}  // namespace

TEST_CASE("merging and cutting gives back every frame of every flow in order") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  Random random(seed);
  Round round;
  for (int repeat = 0; repeat < 60; ++repeat) {
    CAPTURE(repeat);
    round.clear();
    struct Flow {
      Frame next;
      size_t size;
    };
    std::vector<Flow> flows;
    for (uint16_t i = 0; i < 1 + random() % 20; ++i) {
      Frame f{.v6 = random() % 2 == 0, .udp = random() % 2 == 0, .source_port = static_cast<uint16_t>(100 + i)};
      if (random() % 4 == 0) f.vlan_tags = {0x81000005};
      f.tcp_options = random_bytes(random, random() % 4 * 4);
      f.sequence = random();
      f.id = static_cast<uint16_t>(random());
      f.dont_fragment = random() % 2 == 0;
      flows.push_back({f, 1 + random() % 1400});
    }
    std::map<std::pair<uint32_t, bool>, std::vector<Bytes>> sent;
    size_t count = 0;
    for (int i = 0; i < 400; ++i) {
      Flow& flow = flows[random() % flows.size()];
      Frame& f = flow.next;
      f.payload = random_bytes(random, random() % 8 == 0 ? random() % (flow.size + 10) : flow.size);
      const uint32_t dice = random() % 40;
      if (dice == 0) f.acknowledgement++;
      if (dice == 1) f.traffic_class ^= 2;
      if (dice == 2) f.ttl--;
      if (dice == 3) f.sequence += 13;
      if (dice == 4 && !f.udp) f.tcp_flags ^= 0x40;
      if (dice == 5) f.no_checksum = f.udp;
      if (dice == 6) f.id++;
      if (dice == 8) f.tcp_flags ^= kPsh;
      f.padding = random() % 4 == 0 ? random() % 20 : 0;
      Bytes frame = build(f);
      if (dice == 7 && !seems_unfinished(frame, f)) frame.back() ^= 1;
      f.no_checksum = false;
      f.sequence += static_cast<uint32_t>(f.payload.size());
      f.id++;
      REQUIRE(round.add_bytes(frame));
      sent[{f.source_port, f.v6}].push_back(without_padding(frame));
      count++;
    }
    const std::vector<Written> out = round.finish();
    CHECK(out.size() < count);
    std::map<std::pair<uint32_t, bool>, std::vector<Bytes>> received;
    for (const Written& write : out) {
      Bytes copy = write.frame;
      const Packet packet = parsed(copy);
      for (const Bytes& frame : as_wire_frames(write)) {
        received[{get16(frame, packet.l4_offset), packet.ip_version == 6}].push_back(without_padding(frame));
      }
    }
    REQUIRE(received == sent);
  }
}

TEST_CASE("hostile flows, reordered and doubled: every frame once, in order, to the byte, within the limits") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  Random random(seed);
  uint32_t super_frames = 0, with_extensions = 0, with_tags = 0;
  for (int repeat = 0; repeat < 150; ++repeat) {
    CAPTURE(repeat);
    const uint32_t longest[] = {65535, 61000, 9014, 3000};
    const Coalescer::Limits limits{.writes = 8 + random() % 400, .super_frame_bytes = longest[random() % 4]};
    std::vector<HostileFlow> flows;
    for (uint32_t host = 1; host <= 1 + random() % 12; ++host) flows.push_back(hostile_flow(random, host));
    const bool orderly = random() % 2 == 0;
    std::vector<Arrival> arrivals;
    for (int i = 0; i < 300; ++i) {
      arrivals.push_back(next_arrival(random, flows[random() % flows.size()]));
      if (orderly) continue;
      const size_t back = random() % std::min<size_t>(arrivals.size(), 6);
      if (random() % 20 == 0) std::swap(arrivals.back(), arrivals[arrivals.size() - 1 - back]);
      // Twins of UDP look like datagrams that all have one ID.
      const Arrival& twin = arrivals[random() % arrivals.size()];
      Bytes bytes = twin.in;
      const uint32_t host = source_host(bytes, parsed(bytes));
      if (random() % 20 == 0 && (!flows[host - 1].next.udp || flows[host - 1].one_id)) arrivals.push_back(Arrival(twin));
    }

    using Key = std::pair<uint32_t, uint32_t>;
    std::map<Key, std::vector<Bytes>> expected;
    std::map<Key, std::vector<Bytes>> received;
    const auto put = [&](std::map<Key, std::vector<Bytes>>& to, uint32_t port, Bytes frame) {
      frame = without_padding(frame);
      const Packet packet = parsed(frame);
      const uint32_t host = source_host(frame, packet);
      if (packet.ip_version == 4 && flows[host - 1].one_id) {
        // A header that is not right must stay so.
        const bool holds = ipv4_checksum_holds(frame, packet);
        set16(frame, packet.l3_offset + 4u, 0);
        if (holds) set16(frame, packet.l3_offset + 10u, 0);
      }
      to[{port, host}].push_back(std::move(frame));
    };
    Round round(limits);
    uint64_t frames_out = 0;
    const auto drain = [&] {
      for (const Written& write : round.finish()) {
        const std::vector<Bytes> frames = as_wire_frames(write);
        REQUIRE(frames.size() == write.wire_frames);
        frames_out += write.wire_frames;
        if (write.vnet.is_super_frame()) {
          Bytes copy = write.frame;
          const Packet packet = parsed(copy);
          REQUIRE(write.frame.size() <= limits.super_frame_bytes);
          REQUIRE(packet.ip_end - packet.l3_offset <= 65535);
          REQUIRE(packet.ip_end == write.frame.size());
          REQUIRE(write.wire_frames >= 2);
          REQUIRE(write.wire_frames <= 64);
          super_frames++;
          with_extensions += packet.ip_version == 6 && packet.ip_options;
          with_tags += packet.vlan;
        }
        for (const Bytes& frame : frames) put(received, write.port, frame);
      }
      round.clear();
    };
    for (const Arrival& arrival : arrivals) {
      put(expected, arrival.port, arrival.out);
      if (round.add_bytes(arrival.in, arrival.port)) continue;
      drain();
      REQUIRE(round.add_bytes(arrival.in, arrival.port));
    }
    drain();
    REQUIRE(frames_out == arrivals.size());
    REQUIRE(received == expected);
  }
  CHECK(super_frames > 0);
  CHECK(with_extensions > 0);
  CHECK(with_tags > 0);
}

TEST_CASE("cutting and merging gives back the super-frame") {
  const uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  Random random(seed);
  for (int repeat = 0; repeat < 100; ++repeat) {
    CAPTURE(repeat);
    Frame super{.v6 = random() % 2 == 0, .udp = random() % 2 == 0, .unfinished = true};
    super.tcp_options = random_bytes(random, random() % 4 * 4);
    super.sequence = random();
    super.id = static_cast<uint16_t>(random());
    super.tcp_flags = random() % 2 == 0 ? kAck : kAck | kPsh;
    const uint32_t size = 48 + random() % 1400;
    super.payload = random_bytes(random, size + 1 + random() % std::min(63 * size, 60000u));
    const uint8_t tcp_type = super.v6 ? kGsoTcp6 : kGsoTcp4;
    Written whole{.port = 1, .wire_frames = 0, .vnet = {}, .frame = build(super)};
    whole.vnet = VnetHeader{.flags = kVnetNeedsChecksum,
                            .gso_type = super.udp ? kGsoUdpL4 : tcp_type,
                            .header_length = static_cast<uint16_t>(super.payload_at()),
                            .gso_size = static_cast<uint16_t>(size),
                            .checksum_start = static_cast<uint16_t>(super.l4()),
                            .checksum_offset = static_cast<uint16_t>(super.udp ? 6 : 16)};
    if (super.payload.size() > size * 64) continue;
    // Also when the checksums of all segments, or of some, travelled unfinished.
    const std::vector<Bytes> finished = as_wire_frames(whole), unfinished = as_wire_frames(whole, L4Checksums::unfinished);
    for (const uint32_t carried : {0u, 1u, 2u}) {
      CAPTURE(carried);
      Round round;
      for (size_t i = 0; i < finished.size(); ++i) {
        round.add_bytes((carried == 2 ? random() % 2 : carried) == 0 ? finished[i] : unfinished[i]);
      }
      const std::vector<Written> out = round.finish();
      REQUIRE(out.size() == 1);
      REQUIRE(out[0].frame == whole.frame);
      REQUIRE(std::memcmp(&out[0].vnet, &whole.vnet, sizeof(VnetHeader)) == 0);
    }
  }
}

TEST_CASE("datagrams that may not be fragmented and all have one ID come back with everything but the ID") {
  // RFC 6864, 4.1: the ID of such a datagram means nothing, and the virtio header cannot tell a kernel to keep it.
  Random random(21);
  Round round;
  std::vector<Bytes> in;
  Frame f{.id = 0};
  for (int i = 0; i < 40; ++i) {
    f.payload = random_bytes(random, 500);
    in.push_back(build(f));
    round.add_bytes(in.back());
    f.sequence += 500;
  }
  const std::vector<Written> out = round.finish();
  REQUIRE(out.size() == 1);
  std::vector<Bytes> back = as_wire_frames(out[0]);
  REQUIRE(back.size() == in.size());
  for (size_t i = 0; i < back.size(); ++i) {
    const Packet packet = parsed(back[i]);
    CHECK(ipv4_checksum_holds(back[i], packet));
    CHECK(l4_checksum_holds(back[i], packet));
    CHECK((back[i][14 + 6] & 0x40) != 0);
    set16(back[i], 14 + 4, 0);
    refresh_ipv4_checksum(back[i], 14);
    CHECK(back[i] == in[i]);
  }
}

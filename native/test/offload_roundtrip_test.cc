#include <doctest/doctest.h>

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
  frame.resize(parsed(frame).ip_end);
  return frame;
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
      if (dice == 7) frame.back() ^= 1;
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
    Round round;
    for (const Bytes& frame : as_wire_frames(whole)) round.add_bytes(frame);
    const std::vector<Written> out = round.finish();
    REQUIRE(out.size() == 1);
    REQUIRE(out[0].frame == whole.frame);
    REQUIRE(std::memcmp(&out[0].vnet, &whole.vnet, sizeof(VnetHeader)) == 0);
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

#include "offload/coalesce.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>

#include "test/coalesce_round.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kAck = 0x10;
constexpr uint8_t kEce = 0x40;
constexpr uint8_t kCwr = 0x80;

Frame tcp(bool v6, uint32_t index, size_t size = 100) {
  return Frame{.v6 = v6,
               .id = static_cast<uint16_t>(50 + index),
               .sequence = 1000 + index * 100,
               .payload = Bytes(size, static_cast<uint8_t>(index))};
}

Frame udp(bool v6, uint32_t index, size_t size = 100) {
  return Frame{.v6 = v6,
               .udp = true,
               .id = static_cast<uint16_t>(50 + index),
               .payload = Bytes(size, static_cast<uint8_t>(index))};
}

// How many wire frames each write stands for.
std::vector<uint32_t> shape(Round& round) {
  std::vector<uint32_t> out;
  for (const Written& write : round.finish()) out.push_back(write.wire_frames);
  return out;
}

using Shape = std::vector<uint32_t>;

// Two frames that merge, until `change` is done to the second.
Shape pair_shape(const Frame& first, Frame second, const std::function<void(Frame&)>& change) {
  Round round;
  round.add(first);
  change(second);
  round.add(second);
  return shape(round);
}

void check_merged_header(const Written& write, uint32_t gso_size) {
  Bytes frame = write.frame;
  const Packet packet = parsed(frame);
  CHECK(packet.ip_end == frame.size());
  CHECK(write.vnet.flags == kVnetNeedsChecksum);
  const uint8_t tcp_type = packet.ip_version == 4 ? kGsoTcp4 : kGsoTcp6;
  CHECK(write.vnet.gso_type == (packet.is_tcp() ? tcp_type : kGsoUdpL4));
  CHECK(write.vnet.gso_size == gso_size);
  CHECK(write.vnet.header_length == packet.payload_offset);
  CHECK(write.vnet.checksum_start == packet.l4_offset);
  CHECK(write.vnet.checksum_offset == (packet.is_tcp() ? 16 : 6));
  CHECK(ipv4_checksum_holds(frame, packet));
  const bool v6 = packet.ip_version == 6;
  CHECK(get16(frame, packet.l4_offset + write.vnet.checksum_offset) ==
        reference_l4_sum(frame, packet.l3_offset, packet.l4_offset, packet.ip_end, v6, packet.protocol, false));
  if (packet.is_udp()) CHECK(get16(frame, packet.l4_offset + 4u) == packet.ip_end - packet.l4_offset);
}

}  // namespace

TEST_CASE("consecutive frames of a flow become one super-frame") {
  for (const bool v6 : {false, true}) {
    for (const bool is_udp : {false, true}) {
      for (const bool vlan : {false, true}) {
        Round round;
        Bytes payload;
        for (uint32_t i = 0; i < 5; ++i) {
          Frame one = is_udp ? udp(v6, i, i == 4 ? 30 : 100) : tcp(v6, i, i == 4 ? 30 : 100);
          if (vlan) one.vlan_tags = {0x81000005};
          one.padding = i == 4 ? 7 : 0;
          payload.insert(payload.end(), one.payload.begin(), one.payload.end());
          round.add(one);
        }
        const std::vector<Written> out = round.finish();
        REQUIRE(out.size() == 1);
        CHECK(out[0].wire_frames == 5);
        check_merged_header(out[0], 100);
        CHECK(Bytes(out[0].frame.end() - static_cast<long>(payload.size()), out[0].frame.end()) == payload);
      }
    }
  }
}

TEST_CASE("a lone frame goes out as it came") {
  for (const Frame& spec : {tcp(false, 0), udp(true, 0), Frame{.tcp_flags = 2}, Frame{.udp = true, .no_checksum = true},
                            Frame{.payload = Bytes(3, 1), .padding = 20}}) {
    Round round;
    round.add(spec);
    const std::vector<Written> out = round.finish();
    REQUIRE(out.size() == 1);
    CHECK(out[0].frame == build(spec));
    CHECK(out[0].vnet.flags == 0);
    CHECK(out[0].vnet.gso_type == kGsoNone);
  }
}

TEST_CASE("the matrix of the kernel's gro selftest: TCP") {
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    const auto pair = [&](const std::function<void(Frame&)>& change) { return pair_shape(tcp(v6, 0), tcp(v6, 1), change); };
    CHECK(pair([](Frame&) {}) == Shape{2});
    // data
    CHECK(pair([](Frame& f) { f.payload.resize(40); }) == Shape{2});
    CHECK(pair([](Frame& f) { f.payload.resize(101); }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.payload.clear(); }) == Shape{1, 1});
    // seq
    CHECK(pair([](Frame& f) { f.sequence += 1; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.sequence -= 100; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.sequence -= 200; }) == Shape{1, 1});
    // ack and window
    CHECK(pair([](Frame& f) { f.acknowledgement++; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.window++; }) == Shape{1, 1});
    // flags: of the second PSH and FIN alone, which end the super-frame; of both ECE, and no ACK
    for (uint8_t bit = 1; bit != 0; bit = static_cast<uint8_t>(bit << 1)) {
      CAPTURE(int(bit));
      const bool ends = bit == kPsh || bit == kFin;
      CHECK(pair([bit](Frame& f) { f.tcp_flags ^= bit; }) == (ends ? Shape{2} : Shape{1, 1}));
      Frame first = tcp(v6, 0);
      first.tcp_flags ^= bit;
      CHECK(pair_shape(first, tcp(v6, 1), [](Frame&) {}) == Shape{1, 1});
      const bool may_be_in_both = bit == kEce || bit == kAck;
      CHECK(pair_shape(first, tcp(v6, 1), [bit](Frame& f) { f.tcp_flags ^= bit; }) == (may_be_in_both ? Shape{2} : Shape{1, 1}));
    }
    // options
    CHECK(pair([](Frame& f) { f.tcp_options = Bytes(4, 1); }) == Shape{1, 1});
    Frame stamped = tcp(v6, 0);
    stamped.tcp_options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    Frame next = tcp(v6, 1);
    next.tcp_options = stamped.tcp_options;
    CHECK(pair_shape(stamped, next, [](Frame&) {}) == Shape{2});
    CHECK(pair_shape(stamped, next, [](Frame& f) { f.tcp_options[7]++; }) == Shape{1, 1});
    // IP
    CHECK(pair([](Frame& f) { f.traffic_class = 4; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.traffic_class = 3; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.ttl--; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.source_host++; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.destination_host++; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.source_port++; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.destination_port++; }) == Shape{1, 1});
    // Ethernet
    CHECK(pair([](Frame& f) { f.vlan_tags = {0x81000005}; }) == Shape{1, 1});
    Frame tagged = tcp(v6, 0);
    tagged.vlan_tags = {0x81000005};
    CHECK(pair_shape(tagged, tcp(v6, 1), [](Frame& f) { f.vlan_tags = {0x81000006}; }) == Shape{1, 1});
    CHECK(pair_shape(tagged, tcp(v6, 1), [](Frame& f) { f.vlan_tags = {0x81002005}; }) == Shape{1, 1});
  }
}

TEST_CASE("the matrix of the kernel's gro selftest: IPv4 IDs") {
  const auto ids = [](bool dont_fragment, const std::vector<uint16_t>& values) {
    Round round;
    for (uint32_t i = 0; i < values.size(); ++i) {
      Frame one = tcp(false, i);
      one.dont_fragment = dont_fragment;
      one.id = values[i];
      round.add(one);
    }
    return shape(round);
  };
  CHECK(ids(false, {7, 8, 9}) == Shape{3});
  CHECK(ids(false, {0xffff, 0}) == Shape{2});
  CHECK(ids(false, {7, 7}) == Shape{1, 1});
  CHECK(ids(false, {7, 9}) == Shape{1, 1});
  CHECK(ids(false, {7, 8, 8}) == Shape{2, 1});
  CHECK(ids(true, {7, 8, 9}) == Shape{3});
  CHECK(ids(true, {7, 7, 7}) == Shape{3});
  CHECK(ids(true, {7, 7, 8}) == Shape{2, 1});
  CHECK(ids(true, {7, 8, 8}) == Shape{2, 1});
  CHECK(ids(true, {7, 9}) == Shape{1, 1});
  CHECK(pair_shape(tcp(false, 0), tcp(false, 1), [](Frame& f) { f.dont_fragment = false; }) == Shape{1, 1});
}

TEST_CASE("the matrix of the kernel's gro selftest: options, extension headers, fragments") {
  Frame first = tcp(false, 0);
  Frame second = tcp(false, 1);
  first.ip_options = second.ip_options = Bytes(4, 1);
  CHECK(pair_shape(first, second, [](Frame&) {}) == Shape{1, 1});
  first = tcp(true, 0);
  second = tcp(true, 1);
  first.first_extension = second.first_extension = 60;
  first.extension_headers = second.extension_headers = {6, 0, 1, 4, 0, 0, 0, 0};
  CHECK(pair_shape(first, second, [](Frame&) {}) == Shape{2});
  CHECK(pair_shape(first, second, [](Frame& f) { f.extension_headers[7] = 1; }) == Shape{1, 1});
  CHECK(pair_shape(first, second, [](Frame& f) { f.extension_headers.resize(16), f.extension_headers[1] = 1; }) == Shape{1, 1});
  CHECK(pair_shape(first, tcp(true, 1), [](Frame&) {}) == Shape{1, 1});
  CHECK(pair_shape(tcp(true, 0), second, [](Frame&) {}) == Shape{1, 1});
  // An authentication header is over the payload of its own frame.
  first.first_extension = second.first_extension = 51;
  first.extension_headers = second.extension_headers = {6, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1};
  CHECK(pair_shape(first, second, [](Frame&) {}) == Shape{1, 1});
  CHECK(pair_shape(tcp(true, 0), tcp(true, 1), [](Frame& f) { f.flow_label = 9; }) == Shape{1, 1});
  first = udp(false, 0);
  second = udp(false, 1);
  first.fragment_bits = second.fragment_bits = 0x2000;
  CHECK(pair_shape(first, second, [](Frame&) {}) == Shape{1, 1});
}

TEST_CASE("the matrix of the kernel's gro selftest: acknowledgements without data stay three frames") {
  for (const bool v6 : {false, true}) {
    Round round;
    for (uint32_t i = 0; i < 3; ++i) {
      Frame one = tcp(v6, 0, 0);
      one.acknowledgement += i / 2;  // a duplicate, then one that moves on
      round.add(one);
    }
    CHECK(shape(round) == Shape{1, 1, 1});
  }
}

TEST_CASE("the matrix of the kernel's gro selftest: what stands between two that merged and two that would") {
  const auto with_between = [](bool v6, const std::function<void(Frame&)>& change) {
    Round round;
    for (uint32_t i = 0; i < 5; ++i) {
      Frame one = tcp(v6, i);
      if (i == 2) change(one);
      round.add(one);
    }
    return shape(round);
  };
  for (const bool v6 : {false, true}) {
    CAPTURE(v6);
    CHECK(with_between(v6, [](Frame&) {}) == Shape{5});
    for (const uint8_t flag : {uint8_t{0x02}, uint8_t{0x04}, uint8_t{0x20}, kEce, kCwr}) {
      CAPTURE(int(flag));
      CHECK(with_between(v6, [flag](Frame& f) { f.tcp_flags |= flag; }) == Shape{2, 1, 2});
    }
    for (const uint8_t flag : {kPsh, kFin}) CHECK(with_between(v6, [flag](Frame& f) { f.tcp_flags |= flag; }) == Shape{3, 2});
    CHECK(with_between(v6, [](Frame& f) { f.traffic_class = 2; }) == Shape{2, 1, 2});
    CHECK(with_between(v6, [](Frame& f) { f.ttl = 7; }) == Shape{2, 1, 2});
  }
  CHECK(with_between(false, [](Frame& f) { f.ip_options = Bytes(4, 1); }) == Shape{2, 1, 2});
  CHECK(with_between(false, [](Frame& f) { f.fragment_bits = 0x2000; }) == Shape{2, 1, 2});
  CHECK(with_between(true, [](Frame& f) {
          f.first_extension = 44;
          f.extension_headers = {6, 0, 0, 0, 0, 0, 0, 1};
        }) == Shape{2, 1, 2});
  CHECK(with_between(true, [](Frame& f) {
          f.first_extension = 0;
          f.extension_headers = {6, 0, 1, 4, 0, 0, 0, 0};
        }) == Shape{2, 1, 2});
}

TEST_CASE("nothing merges across MAC addresses, stacked tags, or a UDP length of its own") {
  const auto patched = [](const Frame& first, const Frame& second, const std::function<void(Bytes&)>& change) {
    Round round;
    round.add(first);
    Bytes frame = build(second);
    change(frame);
    round.add_bytes(frame);
    return shape(round);
  };
  for (const bool v6 : {false, true}) {
    for (const bool is_udp : {false, true}) {
      const Frame first = is_udp ? udp(v6, 0) : tcp(v6, 0);
      const Frame second = is_udp ? udp(v6, 1) : tcp(v6, 1);
      CHECK(patched(first, second, [](Bytes&) {}) == Shape{2});
      CHECK(patched(first, second, [](Bytes& f) { f[5]++; }) == Shape{1, 1});
      CHECK(patched(first, second, [](Bytes& f) { f[11]++; }) == Shape{1, 1});
      Frame outer = first, stacked = second;
      outer.vlan_tags = {0x88a80007, 0x81000005};
      stacked.vlan_tags = outer.vlan_tags;
      CHECK(patched(outer, stacked, [](Bytes&) {}) == Shape{2});
      CHECK(patched(outer, stacked, [](Bytes& f) { f[15]++; }) == Shape{1, 1});
      CHECK(patched(outer, stacked, [](Bytes& f) { f[19]++; }) == Shape{1, 1});
      CHECK(patched(outer, stacked, [](Bytes& f) { f[13] = 0x00, f[12] = 0x81; }) == Shape{1, 1});
    }
    // The IP header has more bytes than the datagram that it carries; the checksum is right all the same.
    const auto shorter = [v6](Bytes& f) {
      const size_t l3 = 14, l4 = v6 ? 54 : 34;
      set16(f, l4 + 4, get16(f, l4 + 4) - 2);
      set16(f, l4 + 6, 0);
      set16(f, l4 + 6, ~reference_l4_sum(f, l3, l4, f.size(), v6, 17, true) & 0xffff);
    };
    CHECK(patched(udp(v6, 0), udp(v6, 1), shorter) == Shape{1, 1});
  }
}

TEST_CASE("the padding of a frame that was merged is not taken for payload") {
  for (const bool v6 : {false, true}) {
    for (const bool is_udp : {false, true}) {
      Round round;
      Bytes payload;
      for (uint32_t i = 0; i < 4; ++i) {
        Frame one = is_udp ? udp(v6, i, 6) : tcp(v6, 0, 6);
        one.id = static_cast<uint16_t>(50 + i);
        one.sequence = 1000 + i * 6;
        one.padding = 6;
        payload.insert(payload.end(), one.payload.begin(), one.payload.end());
        round.add(one);
      }
      const std::vector<Written> out = round.finish();
      REQUIRE(out.size() == 1);
      check_merged_header(out[0], 6);
      CHECK(Bytes(out[0].frame.end() - static_cast<long>(payload.size()), out[0].frame.end()) == payload);
    }
  }
}

TEST_CASE("UDP merges equal sizes, checksums present") {
  for (const bool v6 : {false, true}) {
    const auto pair = [&](const std::function<void(Frame&)>& change) { return pair_shape(udp(v6, 0), udp(v6, 1), change); };
    CHECK(pair([](Frame&) {}) == Shape{2});
    CHECK(pair([](Frame& f) { f.payload.resize(99); }) == Shape{2});
    CHECK(pair([](Frame& f) { f.payload.resize(101); }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.no_checksum = true; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.traffic_class = 1; }) == Shape{1, 1});
    CHECK(pair([](Frame& f) { f.payload.clear(); }) == Shape{1, 1});
  }
  Round without(Coalescer::Limits{.merge_udp = false});
  without.add(udp(false, 0));
  without.add(udp(false, 1));
  without.add(tcp(false, 0));
  without.add(tcp(false, 1));
  CHECK(shape(without) == Shape{1, 1, 2});
  Round neither(Coalescer::Limits{.merge_tcp = false, .merge_udp = false});
  neither.add(udp(false, 0));
  neither.add(udp(false, 1));
  neither.add(tcp(false, 0));
  neither.add(tcp(false, 1));
  CHECK(shape(neither) == Shape{1, 1, 1, 1});
}

TEST_CASE("nothing follows a short segment") {
  for (const bool is_udp : {false, true}) {
    Round round;
    uint32_t sequence = 0;
    for (const size_t size : {100, 100, 50, 50, 100}) {
      Frame one = is_udp ? udp(true, 0, size) : tcp(true, 0, size);
      one.sequence = sequence;
      sequence += static_cast<uint32_t>(size);
      round.add(one);
    }
    CHECK(shape(round) == Shape{3, 1, 1});
  }
}

TEST_CASE("PSH and FIN end a super-frame and stay where they were") {
  for (const uint8_t flag : {kPsh, kFin}) {
    for (uint32_t with_flag = 0; with_flag < 5; ++with_flag) {
      CAPTURE(int(flag));
      CAPTURE(with_flag);
      Round round;
      std::vector<Bytes> in;
      for (uint32_t i = 0; i < 5; ++i) {
        Frame one = tcp(false, i);
        if (i == with_flag) one.tcp_flags |= flag;
        in.push_back(build(one));
        round.add(one);
      }
      const std::vector<Written> out = round.finish();
      CHECK(out.size() == (with_flag == 4 ? 1 : 2));
      CHECK(out[0].wire_frames == with_flag + 1);
      std::vector<Bytes> back;
      for (const Written& write : out) {
        const std::vector<Bytes> frames = as_wire_frames(write);
        back.insert(back.end(), frames.begin(), frames.end());
      }
      CHECK(back == in);
    }
  }
}

TEST_CASE("a frame that does not merge closes its flow's group and is not overtaken") {
  const auto with_between = [](const Frame& between) {
    Round round;
    round.add(tcp(false, 0));
    round.add(tcp(false, 1));
    round.add(between);
    round.add(tcp(false, 2));
    round.add(tcp(false, 3));
    return shape(round);
  };
  Frame pure_ack = tcp(false, 2);
  pure_ack.payload.clear();
  CHECK(with_between(pure_ack) == Shape{2, 1, 2});
  Frame fin = tcp(false, 2);
  fin.tcp_flags |= 1;
  CHECK(with_between(fin) == Shape{3, 2});
  Frame options = pure_ack;
  options.ip_options = Bytes(4, 1);
  CHECK(with_between(options) == Shape{2, 1, 2});
  // A fragment may be of any flow.
  Frame fragment = tcp(false, 2);
  fragment.fragment_bits = 0x2000;
  CHECK(with_between(fragment) == Shape{2, 1, 2});
  // Another flow is in nobody's way.
  Frame other = tcp(false, 9);
  other.source_port = 77;
  CHECK(with_between(other) == Shape{4, 1});
}

TEST_CASE("interleaved flows and ports merge apart, in the order of their first frames") {
  Round round;
  for (uint32_t i = 0; i < 3; ++i) {
    for (uint16_t flow = 0; flow < 50; ++flow) {
      Frame one = tcp(flow % 2 == 0, i);
      one.source_port = static_cast<uint16_t>(5000 + flow);
      round.add(one, 1);
      round.add(one, 2);
    }
  }
  const std::vector<Written> out = round.finish();
  REQUIRE(out.size() == 100);
  for (uint32_t i = 0; i < out.size(); ++i) {
    CHECK(out[i].wire_frames == 3);
    CHECK(out[i].port == 1 + i % 2);
    CHECK(get16(out[i].frame, i / 2 % 2 == 0 ? 54 : 34) == 5000 + i / 2);
  }
}

TEST_CASE("a bad checksum goes out alone and untouched") {
  for (const bool v6 : {false, true}) {
    for (const bool is_udp : {false, true}) {
      for (uint32_t bad = 0; bad < 4; ++bad) {
        Round round;
        std::vector<Bytes> in;
        for (uint32_t i = 0; i < 4; ++i) {
          in.push_back(build(is_udp ? udp(v6, i) : tcp(v6, i)));
          if (i == bad) in.back().back() ^= 0x40;
          round.add_bytes(in.back());
        }
        const std::vector<Written> out = round.finish();
        std::vector<Bytes> back;
        for (const Written& write : out) {
          const std::vector<Bytes> frames = as_wire_frames(write);
          back.insert(back.end(), frames.begin(), frames.end());
        }
        CHECK(back == in);
        CHECK(out.size() == (bad == 0 || bad == 3 ? 2 : 3));
      }
    }
  }
}

TEST_CASE("a bad IPv4 header checksum is not mended") {
  for (uint32_t bad = 0; bad < 2; ++bad) {
    Round round;
    for (uint32_t i = 0; i < 2; ++i) {
      Bytes frame = build(tcp(false, i));
      if (i == bad) frame[14 + 10] ^= 1;
      round.add_bytes(frame);
    }
    CHECK(shape(round) == Shape{1, 1});
  }
}

TEST_CASE("unfinished checksums") {
  for (const bool v6 : {false, true}) {
    for (const bool is_udp : {false, true}) {
      Frame spec = is_udp ? udp(v6, 0) : tcp(v6, 0);
      spec.unfinished = true;
      spec.padding = 4;
      Round alone;
      alone.add(spec);
      const std::vector<Written> out = alone.finish();
      REQUIRE(out.size() == 1);
      CHECK(out[0].vnet.flags == kVnetNeedsChecksum);
      CHECK(out[0].vnet.gso_type == kGsoNone);
      CHECK(out[0].vnet.checksum_start == spec.l4());
      CHECK(out[0].vnet.checksum_offset == (is_udp ? 6 : 16));
      spec.padding = 0;
      CHECK(out[0].frame == build(spec));

      Frame next = is_udp ? udp(v6, 1) : tcp(v6, 1);
      next.unfinished = true;
      Round both;
      both.add(spec);
      both.add(next);
      const std::vector<Written> merged = both.finish();
      REQUIRE(merged.size() == 1);
      check_merged_header(merged[0], 100);
      // One of each kind merges too: the result is unfinished in either case.
      next.unfinished = false;
      CHECK(pair_shape(spec, next, [](Frame&) {}) == Shape{2});
    }
  }
}

TEST_CASE("NEEDS_CSUM of a local port") {
  Frame spec = tcp(false, 0);
  spec.unfinished = true;
  VnetHeader vnet{.flags = kVnetNeedsChecksum, .checksum_start = 34, .checksum_offset = 16};
  SUBCASE("of TCP merges") {
    Round round;
    round.add_bytes(build(spec), 1, vnet);
    round.add(tcp(false, 1));
    CHECK(shape(round) == Shape{2});
  }
  SUBCASE("of something else passes through with its header") {
    vnet.checksum_start = 40;
    Round round;
    round.add(tcp(false, 0));
    round.add_bytes(build(tcp(false, 1)), 1, vnet);
    round.add(tcp(false, 2));
    const std::vector<Written> out = round.finish();
    REQUIRE(out.size() == 3);
    CHECK(out[1].vnet.checksum_start == 40);
    CHECK(out[1].frame == build(tcp(false, 1)));
  }
}

TEST_CASE("a super-frame passes through whole and closes its flow's group") {
  Frame super = tcp(false, 2, 5000);
  super.unfinished = true;
  const VnetHeader vnet{.flags = kVnetNeedsChecksum,
                        .gso_type = kGsoTcp4,
                        .header_length = 54,
                        .gso_size = 1000,
                        .checksum_start = 34,
                        .checksum_offset = 16};
  Round round;
  round.add(tcp(false, 0));
  round.add(tcp(false, 1));
  round.add_bytes(build(super), 1, vnet, 5);
  round.add(tcp(false, 2));
  const std::vector<Written> out = round.finish();
  REQUIRE(out.size() == 3);
  CHECK(out[0].wire_frames == 2);
  CHECK(out[1].wire_frames == 5);
  CHECK(out[1].frame == build(super));
  CHECK(std::memcmp(&out[1].vnet, &vnet, sizeof vnet) == 0);
}

TEST_CASE("what a super-frame's sender said of it is said anew: CWR, the checksum's place, no padding") {
  for (const bool v6 : {false, true}) {
    for (const uint8_t flags : {kAck, static_cast<uint8_t>(kAck | kCwr)}) {
      for (const bool says_ecn : {false, true}) {
        for (const uint32_t lie : {0u, 1u, 2u, 3u}) {
          CAPTURE(v6);
          CAPTURE(int(flags));
          CAPTURE(lie);
          Frame super = tcp(v6, 0, 3000);
          super.tcp_flags = flags;
          super.unfinished = lie == 0;
          super.padding = 9;
          VnetHeader vnet{.flags = kVnetNeedsChecksum,
                          .gso_type = v6 ? kGsoTcp6 : kGsoTcp4,
                          .header_length = 60000,
                          .gso_size = 1000,
                          .checksum_start = static_cast<uint16_t>(super.l4()),
                          .checksum_offset = 16};
          if (says_ecn) vnet.gso_type |= kGsoEcn;
          if (lie == 1) vnet.flags = 0;
          if (lie == 2) vnet.checksum_start = 0;
          if (lie == 3) vnet.checksum_offset = 6;
          Round round;
          round.add_bytes(build(super), 1, vnet, 3);
          const std::vector<Written> out = round.finish();
          REQUIRE(out.size() == 1);
          super.unfinished = true;
          super.padding = 0;
          CHECK(out[0].frame == build(super));
          CHECK(out[0].wire_frames == 3);
          check_merged_header(Written{.port = 1, .wire_frames = 3, .vnet = [&] {
                                        VnetHeader plain = out[0].vnet;
                                        plain.gso_type &= static_cast<uint8_t>(~kGsoEcn);
                                        return plain;
                                      }(),
                                      .frame = out[0].frame},
                              1000);
          CHECK(((out[0].vnet.gso_type & kGsoEcn) != 0) == ((flags & kCwr) != 0));
          const std::vector<Bytes> segments = as_wire_frames(out[0]);
          REQUIRE(segments.size() == 3);
          for (size_t i = 0; i < 3; ++i) CHECK(segments[i][super.l4() + 13] == (i == 0 ? flags : kAck));
        }
      }
    }
  }
}

TEST_CASE("DHCP leaves with a finished checksum, and alone") {
  for (const uint16_t to : {uint16_t{67}, uint16_t{68}}) {
    for (const bool unfinished : {false, true}) {
      Frame spec = udp(false, 0, 301);
      spec.destination_port = to;
      Frame finished = spec;
      spec.unfinished = unfinished;
      Round round;
      round.add(spec);
      round.add(spec);
      const std::vector<Written> out = round.finish();
      REQUIRE(out.size() == 2);
      for (const Written& write : out) {
        CHECK(write.frame == build(finished));
        CHECK(write.vnet.flags == 0);
      }
    }
  }
}

TEST_CASE("limits: segments, frame bytes, IP length") {
  const auto sizes = [](const Coalescer::Limits& limits, bool is_udp, bool v6, uint32_t count, size_t size) {
    Round round(limits);
    for (uint32_t i = 0; i < count; ++i) {
      Frame one = is_udp ? udp(v6, i, size) : tcp(v6, i, size);
      one.sequence = i * static_cast<uint32_t>(size);
      REQUIRE(round.add(one));
    }
    std::vector<uint32_t> out;
    for (const Written& write : round.finish()) {
      CHECK(write.frame.size() <= limits.super_frame_bytes);
      out.push_back(write.wire_frames);
    }
    return out;
  };
  CHECK(sizes({}, true, false, 130, 100) == Shape{64, 64, 2});
  CHECK(sizes({}, false, true, 130, 100) == Shape{64, 64, 2});
  CHECK(sizes({}, false, false, 50, 1400) == Shape{46, 4});
  CHECK(sizes({.super_frame_bytes = 54 + 3 * 1400}, false, false, 7, 1400) == Shape{3, 3, 1});
  CHECK(sizes({.super_frame_bytes = 54 + 3 * 1400 - 1}, false, false, 7, 1400) == Shape{2, 2, 2, 1});
  // A limit above what an IP header can say.
  CHECK(sizes({.super_frame_bytes = 1 << 20}, true, false, 20, 8000) == Shape{8, 8, 4});
}

TEST_CASE("a full round says so and keeps what it has") {
  Round round(Coalescer::Limits{.writes = 4});
  for (uint32_t i = 0; i < 4; ++i) {
    Frame one = tcp(false, 0);
    one.source_port = static_cast<uint16_t>(i);
    CHECK(round.add(one));
  }
  CHECK_FALSE(round.add(tcp(false, 0)));
  CHECK(shape(round) == Shape{1, 1, 1, 1});
  CHECK_FALSE(round.empty());
  round.clear();
  CHECK(round.empty());
  CHECK(shape(round).empty());
  // Nothing of the old round is left to join.
  Frame next = tcp(false, 1);
  next.source_port = 0;
  CHECK(round.add(next));
  CHECK(shape(round) == Shape{1});

  round.clear();
  uint32_t taken = 0;
  while (taken < 1000 && round.add(tcp(false, taken))) ++taken;
  CHECK(taken < 1000);
  uint32_t written = 0;
  for (const uint32_t count : shape(round)) written += count;
  CHECK(written == taken);
}

TEST_CASE("more flows than the table has room for lose merging, not frames or order") {
  Round round;
  std::map<uint32_t, std::vector<Bytes>> sent;
  for (uint32_t i = 0; i < 900; ++i) {
    Frame one = tcp(false, i / 450);
    one.source_port = static_cast<uint16_t>(i % 450);
    sent[i % 450].push_back(build(one));
    REQUIRE(round.add(one));
  }
  std::map<uint32_t, std::vector<Bytes>> received;
  for (const Written& write : round.finish()) {
    for (const Bytes& frame : as_wire_frames(write)) received[get16(frame, 34)].push_back(frame);
  }
  CHECK(received == sent);
}

// Builds frames byte by byte for the tests of wire/ and offload/, with a checksum of its own: nothing here calls the code under
// test but parse().
#pragma once

#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

#include "wire/packet.h"

namespace weft::test {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& to, uint32_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}

inline void put32(Bytes& to, uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}

inline void set16(Bytes& in, size_t at, uint32_t value) {
  in.at(at) = static_cast<uint8_t>(value >> 8);
  in.at(at + 1) = static_cast<uint8_t>(value);
}

inline uint32_t get16(const Bytes& in, size_t at) { return static_cast<uint32_t>(in.at(at)) << 8 | in.at(at + 1); }
inline uint32_t get32(const Bytes& in, size_t at) { return get16(in, at) << 16 | get16(in, at + 2); }

// RFC 1071 as the RFC writes it: big-endian words, one at a time, carries folded at once. Not inverted.
inline uint32_t reference_sum(const uint8_t* data, size_t length, uint32_t sum = 0) {
  for (size_t at = 0; at < length; ++at) {
    sum += (at & 1) == 0 ? static_cast<uint32_t>(data[at]) << 8 : data[at];
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return sum;
}

// What a frame is made of; everything else follows from it.
struct Frame {
  bool v6 = false;
  bool udp = false;
  std::vector<uint32_t> vlan_tags{};  // TPID << 16 | TCI
  uint32_t source_host = 1;         // last 32 bits of the addresses
  uint32_t destination_host = 2;
  uint16_t source_port = 1000;
  uint16_t destination_port = 2000;
  uint8_t traffic_class = 0;
  uint32_t flow_label = 0;
  uint8_t ttl = 64;
  uint16_t id = 1;
  bool dont_fragment = true;
  uint16_t fragment_bits = 0;  // more-fragments flag and offset, as in the IPv4 header
  Bytes ip_options{};            // a multiple of 4
  Bytes extension_headers{};     // of IPv6; with first_extension as the kind of the first
  uint8_t first_extension = 0;
  uint32_t sequence = 100000;
  uint32_t acknowledgement = 7;
  uint8_t tcp_flags = 0x10;
  uint16_t window = 500;
  Bytes tcp_options{};  // a multiple of 4
  Bytes payload{};
  bool unfinished = false;   // the checksum field holds the pseudo-header sum
  bool no_checksum = false;  // UDP only
  uint32_t padding = 0;      // bytes of junk after the datagram

  uint8_t protocol() const { return udp ? 17 : 6; }
  size_t l3() const { return 14 + 4 * vlan_tags.size(); }
  size_t l4() const { return l3() + (v6 ? 40 + extension_headers.size() : 20 + ip_options.size()); }
  size_t payload_at() const { return l4() + (udp ? 8 : 20 + tcp_options.size()); }
  size_t checksum_at() const { return l4() + (udp ? 6 : 16); }
};

inline void put_address(Bytes& to, bool v6, uint32_t host) {
  if (v6) {
    put32(to, 0xfd420000);
    put32(to, 0);
    put32(to, 0);
  }
  put32(to, v6 ? host : 0x0a2a0000 | host);
}

// The sum of the pseudo-header and, unless the frame is to be unfinished, of the L4 header and payload.
inline uint32_t reference_l4_sum(const Bytes& frame, size_t l3, size_t l4, size_t end, bool v6, uint8_t protocol, bool whole) {
  const uint32_t length = static_cast<uint32_t>(end - l4);
  Bytes pseudo(frame.begin() + static_cast<long>(l3) + (v6 ? 8 : 12), frame.begin() + static_cast<long>(l3) + (v6 ? 40 : 20));
  put32(pseudo, length);
  put32(pseudo, protocol);
  const uint32_t sum = reference_sum(pseudo.data(), pseudo.size());
  return whole ? reference_sum(frame.data() + l4, length, sum) : sum;
}

inline void refresh_ipv4_checksum(Bytes& frame, size_t l3) {
  set16(frame, l3 + 10, 0);
  set16(frame, l3 + 10, ~reference_sum(frame.data() + l3, static_cast<size_t>(frame[l3] & 15) * 4) & 0xffff);
}

inline Bytes build(const Frame& f) {
  Bytes out = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
  for (const uint32_t tag : f.vlan_tags) put32(out, tag);
  const size_t l4_length = f.payload_at() - f.l4() + f.payload.size();
  if (f.v6) {
    put16(out, 0x86dd);
    put32(out, 6u << 28 | static_cast<uint32_t>(f.traffic_class) << 20 | f.flow_label);
    put16(out, static_cast<uint32_t>(f.extension_headers.size() + l4_length));
    out.push_back(f.extension_headers.empty() ? f.protocol() : f.first_extension);
    out.push_back(f.ttl);
  } else {
    put16(out, 0x0800);
    out.push_back(static_cast<uint8_t>(0x45 + f.ip_options.size() / 4));
    out.push_back(f.traffic_class);
    put16(out, static_cast<uint32_t>(20 + f.ip_options.size() + l4_length));
    put16(out, f.id);
    put16(out, (f.dont_fragment ? 0x4000u : 0u) | f.fragment_bits);
    out.push_back(f.ttl);
    out.push_back(f.protocol());
    put16(out, 0);
  }
  put_address(out, f.v6, f.source_host);
  put_address(out, f.v6, f.destination_host);
  const Bytes& between = f.v6 ? f.extension_headers : f.ip_options;
  out.insert(out.end(), between.begin(), between.end());
  if (!f.v6) refresh_ipv4_checksum(out, f.l3());
  put16(out, f.source_port);
  put16(out, f.destination_port);
  if (f.udp) {
    put16(out, static_cast<uint32_t>(l4_length));
    put16(out, 0);
  } else {
    put32(out, f.sequence);
    put32(out, f.acknowledgement);
    out.push_back(static_cast<uint8_t>((5 + f.tcp_options.size() / 4) << 4));
    out.push_back(f.tcp_flags);
    put16(out, f.window);
    put32(out, 0);
    out.insert(out.end(), f.tcp_options.begin(), f.tcp_options.end());
  }
  out.insert(out.end(), f.payload.begin(), f.payload.end());
  const uint32_t sum = reference_l4_sum(out, f.l3(), f.l4(), out.size(), f.v6, f.protocol(), !f.unfinished);
  const uint32_t checksum = f.unfinished ? sum : ~sum & 0xffff;
  if (!f.no_checksum) set16(out, f.checksum_at(), f.udp && checksum == 0 ? 0xffff : checksum);
  for (uint32_t i = 0; i < f.padding; ++i) out.push_back(0xa5);
  return out;
}

inline bool l4_checksum_holds(const Bytes& frame, const Packet& packet) {
  const bool v6 = packet.ip_version == 6;
  return reference_l4_sum(frame, packet.l3_offset, packet.l4_offset, packet.ip_end, v6, packet.protocol, true) == 0xffff;
}

inline bool ipv4_checksum_holds(const Bytes& frame, const Packet& packet) {
  return packet.ip_version != 4 ||
         reference_sum(frame.data() + packet.l3_offset, static_cast<size_t>(frame[packet.l3_offset] & 15) * 4) == 0xffff;
}

inline Packet parsed(Bytes& frame) {
  Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  if (parse(packet) != ParseResult::ok) throw std::runtime_error("the frame does not parse");
  return packet;
}

// 32 random bits at a time; the seed is printed by the tests that fail.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

inline Bytes random_bytes(Random& random, size_t length) {
  Bytes out(length);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

}  // namespace weft::test

// make_seeds CORPUS: writes the seeds of the fuzzers that know structure only by example: one for each shape of frame that
// parsing, cutting, joining and forwarding tell apart. Seeds that were found by fuzzing, and those of the other fuzzers, are only
// in the corpus.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Spec = weft::test::Frame;

std::string directory;

void save(const std::string& subject, const std::string& name, const Bytes& bytes) {
  const std::filesystem::path folder = std::filesystem::path(directory) / subject;
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// IPv6 extension headers of 8 bytes each, of the given kinds, the last one leading to `next`.
Bytes chain(const std::vector<uint8_t>& kinds, uint8_t next) {
  Bytes out;
  for (size_t i = 0; i < kinds.size(); ++i) {
    const uint8_t follows = i + 1 < kinds.size() ? kinds[i + 1] : next;
    const Bytes header = {follows, 0, 0, 0, 0, 0, 0, 0};
    out.insert(out.end(), header.begin(), header.end());
  }
  return out;
}

Spec with_chain(const std::vector<uint8_t>& kinds) {
  Spec spec{.v6 = true, .udp = true, .payload = Bytes(40, 1)};
  spec.extension_headers = chain(kinds, spec.protocol());
  spec.first_extension = kinds[0];
  return spec;
}

Bytes arp(uint16_t operation) {
  Bytes out = ethernet(kBroadcast, kMacA, 0, 0x0806);
  for (const uint32_t word : {0x00010800u, 0x06040000u | operation, 0x02000000u, 0x00010a2au, 0x00010000u, 0x00000000u, 0x0a2a0002u}) put32(out, word);
  return out;
}

std::map<std::string, Bytes> frames() {
  std::map<std::string, Bytes> out;
  const Bytes timestamps = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
  out["tcp4_options"] = build({.tcp_options = timestamps, .payload = Bytes(120, 1)});
  out["tcp6_ecn"] = build({.v6 = true, .traffic_class = 2, .tcp_flags = 0x90, .payload = Bytes(120, 1)});
  out["udp4_no_checksum"] = build({.udp = true, .payload = Bytes(80, 1), .no_checksum = true});
  out["udp4_unfinished"] = build({.udp = true, .payload = Bytes(80, 1), .unfinished = true});
  out["udp4_padded"] = build({.udp = true, .payload = Bytes(4, 1), .padding = 14});
  out["tcp4_ip_options"] = build({.ip_options = {7, 7, 4, 10, 0, 0, 0, 0}, .payload = Bytes(80, 1)});
  std::vector<uint32_t> tags;
  for (uint32_t depth = 1; depth <= 5; ++depth) {
    tags.push_back(0x81000000 | depth);
    out["vlan" + std::to_string(depth)] = build({.udp = true, .vlan_tags = tags, .payload = Bytes(60, 1)});
  }
  out["qinq"] = build({.vlan_tags = {0x88a80007, 0x81000009}, .payload = Bytes(60, 1)});
  out["tag_cut_off"] = Bytes(out["vlan1"].begin(), out["vlan1"].begin() + 16);
  out["chain_all"] = build(with_chain({0, 60, 43, 51, 60}));
  out["chain_8"] = build(with_chain(std::vector<uint8_t>(8, 60)));
  out["chain_9"] = build(with_chain(std::vector<uint8_t>(9, 60)));
  out["chain_of_hop_by_hop"] = build(with_chain(std::vector<uint8_t>(6, 0)));
  out["chain_fragment_inside"] = build(with_chain({60, 44, 60}));
  out["chain_beyond_the_end"] = build(with_chain({0}));
  out["chain_beyond_the_end"][14 + 40 + 1] = 255;
  out["jumbo"] = build(with_chain({0}));
  set16(out["jumbo"], 14 + 4, 0);
  set16(out["jumbo"], 14 + 40 + 2, 0xc204);
  // Four fragments of one datagram: the second and third overlap, the first is too short for its TCP header.
  out["fragment_tiny"] = build({.dont_fragment = false, .fragment_bits = 0x2000, .payload = {}});
  set16(out["fragment_tiny"], 14 + 2, 28);
  refresh_ipv4_checksum(out["fragment_tiny"], 14);
  out["fragment_tiny"].resize(14 + 28);
  out["fragment_middle"] = build({.dont_fragment = false, .fragment_bits = 0x2001, .payload = Bytes(44, 1)});
  out["fragment_overlap"] = build({.dont_fragment = false, .fragment_bits = 0x2002, .payload = Bytes(44, 2)});
  out["fragment_last"] = build({.dont_fragment = false, .fragment_bits = 0x0009, .payload = Bytes(20, 3)});
  out["fragment6_bare"] = build(with_chain({44}));
  out["arp_request"] = arp(1);
  out["arp_reply"] = arp(2);
  out["snap"] = ethernet(kMacB, kMacA, 46, 38);
  return out;
}

Bytes record_of_coalesce(uint8_t port, const Bytes& frame) {
  return Bytes{port, static_cast<uint8_t>(frame.size()), static_cast<uint8_t>(frame.size() >> 8)} + frame;
}

Bytes of(const VnetHeader& vnet) {
  Bytes out(sizeof vnet);
  memcpy(out.data(), &vnet, sizeof vnet);
  return out;
}

VnetHeader super(const Spec& spec, uint16_t segment) {
  const uint8_t tcp_type = spec.v6 ? kGsoTcp6 : kGsoTcp4;
  return {.flags = kVnetNeedsChecksum,
          .gso_type = spec.udp ? kGsoUdpL4 : tcp_type,
          .header_length = 0,
          .gso_size = segment,
          .checksum_start = static_cast<uint16_t>(spec.l4()),
          .checksum_offset = static_cast<uint16_t>(spec.udp ? 6 : 16)};
}

// A record of worker_fuzz.
Bytes operation(uint32_t kind, uint32_t variant, uint32_t where, uint32_t size, const Bytes& bytes = {}) {
  Bytes out = {static_cast<uint8_t>(kind | variant << 3), static_cast<uint8_t>(where)};
  put16(out, size);
  put16(out, static_cast<uint32_t>(bytes.size()));
  return out + bytes;
}

constexpr uint32_t kAsItIs = 0, kHonest = 1, kBurst = 2, kMended = 3, kSettle = 4, kChange = 5, kRefuse = 6;

void save_worker() {
  Bytes everything;
  for (const auto& [name, frame] : frames()) everything = everything + operation(kHonest, 4, 0, 0, frame);
  save("worker", "shapes_from_a_guest", everything);
  everything.clear();
  for (const auto& [name, frame] : frames()) everything = everything + operation(kMended, 0, 8, 0, frame);
  save("worker", "shapes_from_a_peer", everything);

  const Bytes tcp = build({.payload = Bytes(40, 1)}), udp6 = build({.v6 = true, .udp = true, .payload = Bytes(40, 1)});
  const Bytes back = with_macs(build({.payload = Bytes(40, 2)}), kMacA, kMacB);
  const Bytes no_df = build({.udp = true, .dont_fragment = false, .payload = Bytes(40, 1)});
  // Long ones, to a MAC that is known and to one that is not, through peers with and without an offload and of smaller MTU.
  save("worker", "super_frames", operation(kMended, 0, 0, 0, back) + operation(kSettle, 0, 0, 0) + operation(kHonest, 28, 0, 40000, tcp) +
                                     operation(kHonest, 20, 1, 9000, udp6) + operation(kHonest, 0, 0, 2000, tcp));
  save("worker", "too_big", operation(kMended, 0, 2, 0, back) + operation(kSettle, 0, 0, 0) + operation(kHonest, 31, 0, 1460, tcp) +
                                operation(kHonest, 31, 0, 1440, no_df) + operation(kHonest, 31, 0, 1440, udp6) + operation(kHonest, 31, 0, 9000, tcp));
  save("worker", "bursts_of_several_networks", operation(kMended, 0, 31 * 4, 0x1b1b, tcp) + operation(kMended, 4, 15 * 4 + 1, 0x5555, udp6) +
                                                   operation(kMended, 3, 7 * 4 + 2, 0, tcp));
  save("worker", "tables_change",
       operation(kHonest, 4, 0, 0, tcp) + operation(kChange, 0, 1, 1) + operation(kHonest, 4, 0, 0, tcp) + operation(kChange, 0, 5, 1) +
           operation(kMended, 0, 40, 1, back) + operation(kChange, 0, 6, 0) + operation(kMended, 0, 40, 1, back) + operation(kChange, 0, 4, 0) +
           operation(kMended, 0, 40, 1, back) + operation(kChange, 0, 2, 600) + operation(kHonest, 4, 0, 900, no_df) + operation(kChange, 0, 3, 0));
  save("worker", "everything_refuses",
       operation(kRefuse, 0, 16 | 1, 0) + operation(kHonest, 20, 0, 20000, tcp) + operation(kSettle, 0, 0, 0) + operation(kRefuse, 0, 2, 1) +
           operation(kHonest, 20, 0, 20000, tcp) + operation(kSettle, 0, 0, 0) + operation(kRefuse, 0, 8 | 4, 1) + operation(kRefuse, 0, 6, 0) +
           operation(kHonest, 20, 0, 9000, udp6));

  Spec uso{.udp = true, .payload = Bytes(500, 1), .unfinished = true};
  const Bytes whole = vxlan(42, build(uso));
  save("worker", "one_datagram_as_several", operation(kBurst, 0, 0, 100, whole) + operation(kBurst, 0, 1, 300, whole) + operation(kBurst, 0, 0, 12, whole));
  // Cut by the size that comes with it, its payload would be datagrams for network 43.
  const Bytes forged = vxlan(43, ethernet(kBroadcast, kMacC, 78));
  uso.payload = Bytes(50, 0);
  for (int i = 0; i < 4; ++i) uso.payload = uso.payload + forged;
  save("worker", "forged_networks", operation(kBurst, 0, 0, 100, vxlan(42, build(uso))));
  save("worker", "neither_reading", operation(kBurst, 0, 0, 100, whole + Bytes(30, 0)));
  const Bytes small = vxlan(43, build({.udp = true, .payload = Bytes(60, 1)}));
  save("worker", "several_cut_off", operation(kBurst, 0, 0, static_cast<uint32_t>(small.size()), small + small + Bytes(small.begin(), small.begin() + 30)));

  Spec spec{.payload = Bytes(400, 1), .unfinished = true};
  VnetHeader lies[4] = {super(spec, 100), super(spec, 100), super(spec, 1), super(spec, 0)};
  lies[0].gso_type = kGsoTcp6;
  lies[1].checksum_start = 65535;
  Bytes lying;
  for (const VnetHeader& vnet : lies) lying = lying + operation(kAsItIs, 0, 0, 0, of(vnet) + build(spec));
  lying = lying + operation(kAsItIs, 0, 2, 0, of({.flags = kVnetNeedsChecksum, .checksum_start = 34, .checksum_offset = 2000}) + build(spec));
  save("worker", "lying_headers", lying);
}

void save_segment() {
  Spec ip_options{.ip_options = {7, 7, 4, 10, 0, 0, 0, 0}, .tcp_options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, .payload = Bytes(300, 1), .unfinished = true};
  save("segment", "tcp4_options", of(super(ip_options, 100)) + build(ip_options));
  Spec extensions = with_chain({0, 60, 43});
  extensions.payload = Bytes(300, 1);
  extensions.unfinished = true;
  save("segment", "udp6_extensions", of(super(extensions, 100)) + build(extensions));
  Spec tags{.v6 = true, .vlan_tags = {0x88a80001, 0x81000002, 0x81000003, 0x81000004}, .tcp_flags = 0x99, .payload = Bytes(300, 1), .unfinished = true};
  save("segment", "tcp6_four_tags", of(super(tags, 100)) + build(tags));
  tags.vlan_tags.push_back(0x81000005);
  save("segment", "five_tags", of(super(tags, 100)) + build(tags));
  Spec fragment{.udp = true, .dont_fragment = false, .fragment_bits = 0x2000, .payload = Bytes(300, 1), .unfinished = true};
  save("segment", "fragment", of(super(fragment, 100)) + build(fragment));
  Spec empty{.unfinished = true};
  save("segment", "no_payload", of(super(empty, 100)) + build(empty));
  Spec odd{.udp = true, .payload = Bytes(129, 0xff), .unfinished = true};
  save("segment", "odd_small_segments", of(super(odd, 3)) + build(odd));
}

void save_coalesce() {
  const auto all = frames();
  Bytes fragments;
  for (const char* name : {"fragment_tiny", "fragment_middle", "fragment_overlap", "fragment_last", "fragment6_bare"}) {
    fragments = fragments + record_of_coalesce(1, build({.payload = Bytes(40, 1)})) + record_of_coalesce(1, all.at(name)) + record_of_coalesce(0x81, Bytes(3, 0));
  }
  save("coalesce", "fragments_overlapping", fragments);
  Bytes stacks;
  for (const char* name : {"vlan1", "vlan2", "vlan4", "vlan5", "qinq"}) stacks = stacks + record_of_coalesce(2, all.at(name)) + record_of_coalesce(0x82, Bytes(3, 0));
  save("coalesce", "vlan_stacks", stacks);
  Bytes chains;
  for (const char* name : {"chain_all", "chain_8", "chain_9", "jumbo"}) chains = chains + record_of_coalesce(0, all.at(name)) + record_of_coalesce(0x80, Bytes(3, 0));
  save("coalesce", "extension_chains", chains);
  Bytes interleaved;
  Spec one{.payload = Bytes(60, 1)}, two{.v6 = true, .source_port = 1001, .payload = Bytes(60, 2)};
  for (int i = 0; i < 4; ++i) {
    interleaved = interleaved + record_of_coalesce(1, build(one)) + record_of_coalesce(1, build(two)) + record_of_coalesce(2, build(one));
    one.sequence += 60;
    two.sequence += 60;
    ++one.id;
  }
  save("coalesce", "interleaved", interleaved);
  save("coalesce", "options", record_of_coalesce(1, all.at("tcp4_options")) + record_of_coalesce(0x81, Bytes(3, 0)) +
                                  record_of_coalesce(1, all.at("tcp4_ip_options")) + record_of_coalesce(0x81, Bytes(3, 0)));
  save("coalesce", "udp_without_checksum", record_of_coalesce(1, all.at("udp4_no_checksum")) + record_of_coalesce(1, all.at("udp4_no_checksum")));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds CORPUS\n");
    return 2;
  }
  directory = argv[1];
  for (const auto& [name, frame] : frames()) save("packet", name, frame);
  save_segment();
  save_coalesce();
  save_worker();
  return 0;
}

// A worker with three networks, guests, peers of every kind, and everything that happens to it: frames with lying virtio headers,
// super-frames, datagrams and bursts, many to a round; tables that change between rounds; sockets and TAPs that refuse. Checked
// against what a reader with rules of his own expects:
//   * every frame gets one verdict, and what was queued was sent or dropped;
//   * what is written to a guest, or sent to a peer, came in, in the same network, from somebody else; from a peer never to a peer;
//   * nobody gets more frames than came in, and a peer none that is larger than fits;
//   * where all that came in had checksums that are right or honestly unfinished, all that goes out has.
//
// Input: records of {kind u8, where u8, size u16, length u16, bytes}; see World::step().
#include <algorithm>
#include <cstdlib>
#include <map>

#include "test/rig.h"
#include "wire/bytes.h"

using namespace weft;
using namespace weft::test;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

constexpr Mac kGuarded = 0x0200000000aa;
constexpr uint32_t kHeaders = kVxlanHeaderBytes + 14;
constexpr size_t kLongestFrame = 65000;

// Where the contents of a frame begin, by its ether types alone; 0 for what is not IP.
size_t find_ip(const Bytes& frame, uint16_t& type) {
  size_t at = 12;
  for (int tags = 0; tags < 4 && at + 6 <= frame.size() && (get16(frame, at) == 0x8100 || get16(frame, at) == 0x88a8); ++tags) at += 4;
  if (at + 2 > frame.size()) return 0;
  type = static_cast<uint16_t>(get16(frame, at));
  return type == 0x0800 || type == 0x86dd ? at + 2 : 0;
}

// Whether the IP header of a frame promises more than is there.
bool promises_more(const Bytes& frame) {
  uint16_t type = 0;
  const size_t ip = find_ip(frame, type);
  if (ip == 0) return false;
  const size_t rest = frame.size() - ip;
  if (type == 0x0800) return rest >= 4 && frame[ip] >> 4 == 4 && get16(frame, ip + 2) > rest;
  return rest >= 6 && frame[ip] >> 4 == 6 && get16(frame, ip + 4) + 40 > rest;
}

uint32_t l4_sum(const Bytes& frame, const Packet& packet, bool whole) {
  return reference_l4_sum(frame, packet.l3_offset, packet.l4_offset, packet.ip_end, packet.ip_version == 6, packet.protocol, whole);
}

size_t checksum_at(const Packet& packet) { return packet.l4_offset + (packet.is_tcp() ? 16u : 6u); }

void write_checksum(Bytes& frame, const Packet& packet, bool unfinished) {
  set16(frame, checksum_at(packet), 0);
  const uint32_t sum = l4_sum(frame, packet, !unfinished);
  const uint32_t checksum = unfinished ? sum : ~sum & 0xffff;
  set16(frame, checksum_at(packet), checksum == 0 && !unfinished ? 0xffff : checksum);
}

// Makes lengths and checksums right.
Packet mend(Bytes& frame, bool unfinished) {
  uint16_t type = 0;
  const size_t ip = find_ip(frame, type);
  if (type == 0x0800 && frame.size() >= ip + 20) {
    set16(frame, ip + 2, static_cast<uint32_t>(frame.size() - ip));
    if (frame.size() >= ip + (frame[ip] & 15u) * 4 && (frame[ip] & 15) >= 5) refresh_ipv4_checksum(frame, ip);
  } else if (type == 0x86dd && frame.size() >= ip + 40) {
    set16(frame, ip + 4, static_cast<uint32_t>(frame.size() - ip - 40));
  }
  Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
  if (parse(packet) != ParseResult::ok || packet.l4_offset == 0) return packet;
  if (packet.is_udp()) set16(frame, packet.l4_offset + 4u, packet.ip_end - packet.l4_offset);
  write_checksum(frame, packet, unfinished);
  return packet;
}

class World : public Rig {
 public:
  World() : Rig(2) {
    NetworkOptions tagged;
    tagged.vlan = true;
    add_network(42);
    add_network(43, tagged);
    add_network(kNoVni);
    for (const NetworkIndex network : std::initializer_list<NetworkIndex>{0, 0, 1, 1, 2, 2}) guests_.push_back(add_port(network));
    const std::vector<Endpoint> addresses = {*Endpoint::parse("10.42.0.170", 0), *Endpoint::parse("fd42::aa", 0)};
    guests_.push_back(add_port(0, 0, std::make_shared<const Guard>(kGuarded, addresses)));
    add_peer("10.0.0.2");
    add_peer("fd00::2", false);
    add_peer("10.0.0.4", true, true)->options.mtu = 1400;
    base_ = tables;
    base_options_ = options;
  }

  void run(const uint8_t* data, size_t size) {
    reset();
    for (size_t at = 0; at + 6 <= size;) {
      const uint8_t* record = data + at;
      const size_t length = std::min<size_t>(load_be16(record + 4), size - at - 6);
      step(record[0], record[1], load_be16(record + 2), Bytes(record + 6, record + 6 + length));
      at += 6 + length;
    }
    settle();
  }

 private:
  // What somebody sent: a frame from a port, or what follows a VXLAN header.
  struct Given {
    NetworkIndex network;
    int port;  // -1: a peer
    Bytes bytes;
  };

  void reset() {
    const uint64_t version = tables.version;
    tables = base_;
    tables.version = version;
    options = base_options_;
    set_underlay();
    for (const PortHandle& guest : guests_) {
      guest.tap->write_error = 0;
      guest.port->gone = false;
    }
    for (const auto& peer : peers) peer->state->udp_segment.set(OffloadState::in_use);
    for (const auto& each : {sender, zero_sender}) each->refuse = [](const Sent&) { return 0; };
    advance(400);  // what was frozen is not any more
    fdb.flush_learned(std::nullopt);
    fdb.sweep(now_);
    begin();
  }

  void advance(Seconds by) {
    now_ += by;
    worker.set_time(now_);
    guests_.back().port->last_defence = now_;  // what it announces would come from nobody
  }

  void begin() {
    given_.clear();
    honest_ = true;
    least_ = most_ = 0;
    received_ = worker.counters().received.get();
    for (const PortHandle& guest : guests_) {
      guest.tap->written.clear();
      written_before_[guest.port->index] = guest.port->counters.tx_frames.get();
    }
    sender->sent.clear();
    zero_sender->sent.clear();
    take_events();
  }

  // kind's low three bits say what happens, the others and `where` and `size` how.
  void step(uint8_t kind, uint8_t where, uint16_t size, Bytes bytes) {
    const uint32_t variant = kind >> 3;
    switch (kind & 7) {
      case 0: return from_guest_as_it_is(guests_[where % guests_.size()], bytes);
      case 1: return from_guest_honest(guests_[where % guests_.size()], bytes, size, 48 + variant * 45);
      case 2: return arrive(where, std::move(bytes), size, static_cast<uint8_t>(variant));
      case 3: return arrive_mended(where, bytes, size, variant);
      case 4: return settle();
      case 5: return settle(), change_tables(where, size);
      case 6: return refuse(where, size);
      default: return settle(), advance(where % 8u);
    }
  }

  bool is_there(const PortHandle& guest) const { return tables.ports[guest.port->index] != nullptr; }

  void from_guest_as_it_is(const PortHandle& guest, const Bytes& bytes) {
    if (!is_there(guest) || bytes.size() < sizeof(VnetHeader)) return;
    TapFrame frame;
    memcpy(&frame.vnet, bytes.data(), sizeof frame.vnet);
    frame.bytes.assign(bytes.begin() + sizeof frame.vnet, bytes.end());
    honest_ = false;
    from_guest(guest, std::move(frame));
  }

  void from_guest_honest(const PortHandle& guest, Bytes frame, size_t size, uint32_t segment) {
    if (!is_there(guest)) return;
    grow(frame, size);
    Packet packet = mend(frame, false);
    VnetHeader vnet;
    const uint32_t payload = packet.l4_offset == 0 ? 0 : packet.ip_end - packet.payload_offset;
    if (payload > segment && (payload + segment - 1) / segment <= kMaxSegments && packet.payload_offset <= kMaxSegmentHeaderBytes) {
      write_checksum(frame, packet, true);
      vnet = {.flags = kVnetNeedsChecksum,
              .gso_type = packet.is_udp() ? kGsoUdpL4 : packet.ip_version == 4 ? kGsoTcp4 : kGsoTcp6,
              .header_length = 0,
              .gso_size = static_cast<uint16_t>(segment),
              .checksum_start = packet.l4_offset,
              .checksum_offset = static_cast<uint16_t>(checksum_at(packet) - packet.l4_offset)};
    }
    from_guest(guest, {vnet, std::move(frame)});
  }

  void from_guest(const PortHandle& guest, TapFrame frame) {
    give(guest.port->options.network, guest.port->index, frame.bytes);
    // The same with its checksum written, by the rules of virtio.
    Packet packet{.data = frame.bytes.data(), .length = static_cast<uint32_t>(frame.bytes.size())};
    if (frame.vnet.needs_checksum() && parse(packet) == ParseResult::ok) {
      Bytes finished = frame.bytes;
      const size_t end = packet.ip_version != 0 ? packet.ip_end : finished.size();
      const size_t at = size_t{frame.vnet.checksum_start} + frame.vnet.checksum_offset;
      if (at + 2 <= end) {
        const uint32_t sum = reference_sum(finished.data() + frame.vnet.checksum_start, end - frame.vnet.checksum_start);
        set16(finished, at, sum == 0xffff ? 0xffff : ~sum & 0xffff);
        give(guest.port->options.network, guest.port->index, std::move(finished));
      }
    }
    guest.tap->to_read.push_back(std::move(frame));
    const uint64_t before = worker.counters().received.get();
    worker.serve_port(*guest.port);
    const uint64_t more = worker.counters().received.get() - before;
    require(more >= 1 && more <= kMaxSegments);
    least_ += more;
    most_ += more;
  }

  static constexpr const char* kSources[] = {"10.0.0.2", "fd00::2", "10.0.0.4", "10.0.0.9"};

  void arrive(uint8_t where, Bytes bytes, uint32_t segment, uint8_t traffic_class) {
    honest_ = false;
    enqueue(kSources[where % 4], std::move(bytes), segment, traffic_class);
  }

  // `size` 0x…n says which of 4 networks the datagrams name, one after the other; `variant` the class, and whether checksums are
  // left unfinished; `where` how many of them there are, and from whom.
  void arrive_mended(uint8_t where, Bytes frame, uint32_t size, uint32_t variant) {
    static constexpr uint32_t kVnis[] = {42, 43, 0, 4711};
    grow(frame, 60);
    const uint32_t count = 1 + (where >> 2) % 32;
    Bytes burst;
    uint32_t segment = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const Packet packet = mend(frame, (variant & 4) != 0);
      const Bytes datagram = vxlan(kVnis[size >> (2 * (i % 8)) & 3], frame);
      segment = static_cast<uint32_t>(datagram.size());
      if (burst.size() + segment > 65000) break;
      burst.insert(burst.end(), datagram.begin(), datagram.end());
      if (packet.l4_offset != 0 && packet.is_tcp()) {
        const uint32_t next = get32(frame, packet.l4_offset + 4u) + packet.ip_end - packet.payload_offset;
        set16(frame, packet.l4_offset + 4u, next >> 16);
        set16(frame, packet.l4_offset + 6u, next & 0xffff);
      }
      if (packet.ip_version == 4) set16(frame, packet.l3_offset + 4u, get16(frame, packet.l3_offset + 4u) + 1);
    }
    enqueue(kSources[where % 4], std::move(burst), count > 1 ? segment : 0, static_cast<uint8_t>(variant & 3));
  }

  void enqueue(const char* from, Bytes bytes, uint32_t segment, uint8_t traffic_class) {
    if (bytes.empty()) return;
    if (receiver->arrivals.size() == kMaxBursts) settle_keeping_honesty();
    const bool single = segment == 0 || segment >= bytes.size();
    const uint32_t slices = single ? 1 : static_cast<uint32_t>((bytes.size() + segment - 1) / segment);
    const Bytes first(bytes.begin(), bytes.begin() + static_cast<long>(single ? bytes.size() : segment));
    const Bytes inner(first.begin() + static_cast<long>(std::min<size_t>(kVxlanHeaderBytes, first.size())), first.end());
    const bool several = !single && segment >= kHeaders && !promises_more(inner);
    least_ += 1;
    most_ += std::max(slices, kMaxSegments);
    const size_t step = several ? segment : bytes.size();
    for (size_t at = 0; at < bytes.size(); at += step) {
      const Bytes slice(bytes.begin() + static_cast<long>(at), bytes.begin() + static_cast<long>(std::min(at + step, bytes.size())));
      if (slice.size() < kVxlanHeaderBytes || (slice[0] & 8) == 0) continue;
      for (const Network& network : tables.networks) {
        if (network.options.vni == get32(slice, 4) >> 8) give(network.index, -1, Bytes(slice.begin() + kVxlanHeaderBytes, slice.end()));
      }
    }
    receiver->arrivals.push_back({from, std::move(bytes), segment, traffic_class});
  }

  void give(NetworkIndex network, int port, Bytes bytes) { given_.push_back({network, port, std::move(bytes)}); }

  static void grow(Bytes& frame, size_t size) {
    size = std::min(size, kLongestFrame);
    for (size_t i = frame.size(); i < size; ++i) frame.push_back(static_cast<uint8_t>(i * 7 + (i >> 8)));
  }

  void change_tables(uint8_t where, uint16_t size) {
    Network& network = tables.networks[size % 2u];
    const uint16_t port = static_cast<uint16_t>(size % guests_.size());
    const uint16_t peer = static_cast<uint16_t>(size % peers.size());
    switch (where % 8) {
      case 0: network.options.vlan = !network.options.vlan; break;
      case 1: std::swap(tables.networks[0].options.vni, tables.networks[size % 3u].options.vni); break;
      case 2: network.options.mtu = std::max<uint32_t>(size, 576); break;
      case 3: options.udp_gso = !options.udp_gso; return set_underlay();
      case 4: options.accept_any = !options.accept_any; return set_underlay();
      case 5: toggle_port(port); break;
      case 6: toggle_peer(peer); break;
      default: fdb.flush_learned(network.index); break;
    }
    Rig::publish();
  }

  void toggle_port(uint16_t index) {
    Port*& slot = tables.ports[index];
    auto& members = tables.networks[guests_[index].port->options.network].ports;
    if (slot == nullptr) {
      slot = guests_[index].port;
      members.push_back(slot);
      return;
    }
    members.erase(std::find(members.begin(), members.end(), slot));
    slot = nullptr;
    fdb.flush_destination({DestinationKind::port, index});
  }

  void toggle_peer(uint16_t index) {
    Peer*& slot = tables.peers[index];
    if (slot == nullptr) {
      slot = peers[index].get();
      tables.flood_peers.push_back(slot);
      return;
    }
    tables.flood_peers.erase(std::find(tables.flood_peers.begin(), tables.flood_peers.end(), slot));
    slot = nullptr;
    fdb.flush_destination({DestinationKind::peer, index});
  }

  void refuse(uint8_t where, uint16_t size) {
    static constexpr int kErrors[] = {0, EIO, EAGAIN, EINVAL, EBADFD, ENOBUFS, EMSGSIZE, ENETUNREACH};
    const int error = kErrors[where % 8];
    if ((where & 8) != 0) {
      guests_[size % guests_.size()].tap->write_error = error;
      return;
    }
    const bool segmented_only = (where & 16) != 0;
    auto count = std::make_shared<uint32_t>(0);
    for (const auto& each : {sender, zero_sender}) {
      each->refuse = [=](const Sent& message) {
        if (segmented_only && message.segment_size == 0) return 0;
        return (*count)++ % (1 + size % 4u) == 0 ? error : 0;
      };
    }
  }

  void settle_keeping_honesty() {
    const bool honest = honest_;
    settle();
    honest_ = honest;
  }

  void settle() {
    worker.serve_receiver(*receiver);
    worker.flush();
    require(receiver->arrivals.empty());
    require(balanced());
    const uint64_t received = worker.counters().received.get() - received_;
    require(received >= least_ && received <= most_);
    for (const PortHandle& guest : guests_) check_written(guest, received);
    for (const auto& each : {sender, zero_sender}) {
      for (const Sent& sent : each->sent) {
        require(sent.bytes.size() <= 65507 && sent.datagrams().size() <= 127);
        for (const Bytes& datagram : sent.datagrams()) check_sent(sent.to, datagram);
      }
    }
    begin();
  }

  void check_written(const PortHandle& guest, uint64_t received) {
    uint64_t frames = 0;
    for (const TapFrame& written : guest.tap->written) {
      Bytes frame = written.bytes;
      Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
      require(parse(packet) == ParseResult::ok);
      frames += check_frame(frame, packet, written.vnet, guest.port->options.network, guest.port->index);
    }
    require(frames == guest.port->counters.tx_frames.get() - written_before_[guest.port->index]);
    require(frames <= received);
  }

  void check_sent(const std::string& to, Bytes datagram) {
    require(datagram.size() >= kHeaders);
    const uint32_t vni = *read_vxlan_header(datagram.data());
    const auto network = std::find_if(tables.networks.begin(), tables.networks.end(),
                                      [&](const Network& each) { return each.options.vni == vni; });
    require(network != tables.networks.end());
    const auto peer = std::find_if(peers.begin(), peers.end(),
                                   [&](const auto& each) { return each->options.endpoint.text() == to; });
    require(peer != peers.end() && tables.peers[(*peer)->index] != nullptr);
    Bytes frame(datagram.begin() + kVxlanHeaderBytes, datagram.end());
    Packet packet{.data = frame.data(), .length = static_cast<uint32_t>(frame.size())};
    require(parse(packet) == ParseResult::ok);
    require(frame.size() <= (*peer)->options.mtu + 14);
    if (packet.ip_version != 0) require(packet.ip_end - packet.l3_offset <= network->options.mtu);
    check_frame(frame, packet, {}, network->index, -1);
  }

  // How many frames of the wire it is.
  uint64_t check_frame(const Bytes& frame, const Packet& packet, const VnetHeader& vnet, NetworkIndex network, int to) {
    if (is_answer(frame, packet, to)) return 1;
    size_t from = 0, end = frame.size();
    if (packet.ip_version != 0) {
      end = packet.ip_end;
      from = packet.payload_offset != 0 ? packet.payload_offset
             : packet.ip_version == 4   ? packet.l3_offset + (frame[packet.l3_offset] & 15u) * 4
                                        : packet.l3_offset + 40u;
    }
    // A super-frame of UDP may leave as datagrams in fragments, the first of each with a header of its own.
    const bool first_fragment = packet.ip_version == 4 && packet.fragment && (get16(frame, packet.l3_offset + 6u) & 0x1fff) == 0;
    if (first_fragment && packet.protocol == 17) from = std::min(from + 8, end);
    uint64_t frames = 1;
    size_t piece = end - from;
    if (vnet.is_super_frame()) {
      require(vnet.gso_size != 0 && packet.l4_offset != 0);
      frames = std::max<size_t>(1, (piece + vnet.gso_size - 1) / vnet.gso_size);
      piece = vnet.gso_size;
    }
    for (size_t at = from; at < end; at += piece) require_given(&frame[at], std::min(piece, end - at), network, to);
    if (honest_) {
      require(ipv4_checksum_holds(frame, packet));
      const bool unfinished = vnet.needs_checksum();
      if (packet.l4_offset != 0 && unfinished) require(get16(frame, checksum_at(packet)) == l4_sum(frame, packet, false));
      if (packet.l4_offset != 0 && !unfinished) require(l4_checksum_holds(frame, packet));
    }
    return frames;
  }

  // That a packet is too big is told to its sender, and to nobody else.
  bool is_answer(const Bytes& frame, const Packet& packet, int to) const {
    const bool icmp4 = packet.ip_version == 4 && packet.protocol == 1 && packet.ip_end == packet.l3_offset + 576u;
    const bool icmp6 = packet.ip_version == 6 && packet.protocol == 58 && packet.ip_end == packet.l3_offset + 1280u;
    if (!icmp4 && !icmp6) return false;
    const Mac guest = load_mac(frame.data());
    return std::any_of(given_.begin(), given_.end(), [&](const Given& given) {
      return given.port == to && to >= 0 && given.bytes.size() >= 14 && load_mac(&given.bytes[6]) == guest;
    });
  }

  void require_given(const uint8_t* data, size_t length, NetworkIndex network, int to) const {
    require(std::any_of(given_.begin(), given_.end(), [&](const Given& given) {
      const bool other = to >= 0 ? given.port != to : given.port >= 0;
      return other && given.network == network &&
             given.bytes.size() >= length && memmem(given.bytes.data(), given.bytes.size(), data, length) != nullptr;
    }));
  }

  std::vector<PortHandle> guests_;
  Tables base_;
  UnderlayOptions base_options_;
  Seconds now_ = 1000;
  std::vector<Given> given_;
  bool honest_ = true;
  uint64_t least_ = 0, most_ = 0;  // frames that must, and may, have been received since begin()
  uint64_t received_ = 0;
  std::map<uint16_t, uint64_t> written_before_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Building a worker takes longer than a run, so one serves them all.
  static World world;
  world.run(data, size);
  return 0;
}

#include "offload/coalesce.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "offload/checksum.h"
#include "offload/merge_rules.h"
#include "offload/segment.h"
#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kMaxMergedSegments = 64;  // the kernel's UDP_GRO_CNT_MAX, and 64 KiB of TCP of any usual MSS
constexpr uint32_t kMaxWrites = 32768;
constexpr uint32_t kJoinedPerWrite = 4;      // frames that a round can join to others, as a multiple of its writes
constexpr uint32_t kOwnIovs = 3;             // of each write: virtio header, frame header, first payload
constexpr uint32_t kNoSlice = UINT32_MAX;
constexpr uint32_t kBuckets = 1024;          // power of two
constexpr uint16_t kNoBucket = UINT16_MAX;
constexpr uint32_t kWays = 4;
constexpr uint32_t kPortSlots = 64;          // power of two
constexpr uint32_t kMaxIpLength = 65535;
constexpr uint32_t kIpv6HeaderBytes = 40;

// The payload of one frame of a group.
struct Slice {
  const uint8_t* data;
  uint32_t length;
  uint32_t next;
};

// One write: a frame that goes out as it is, or the first frame of those that were joined.
struct Group {
  Packet first;
  uint32_t port = 0;
  uint32_t wire_frames = 0;
  uint32_t first_slice = 0;
  uint32_t last_slice = 0;
  uint32_t payload = 0;  // bytes of all segments
  uint32_t next_sequence = 0;
  uint16_t segments = 1;
  uint16_t segment_size = 0;
  uint16_t bucket = kNoBucket;  // where it was entered as open
  uint16_t last_id = 0;
  Checksum checksum = Checksum::unverified;
  IdStep id_step = IdStep::undecided;
  uint8_t tcp_flags = 0;
  bool passes_through = false;  // whole, with what `vnet` asks for
  bool finish_dhcp = false;
  VnetHeader vnet{};
};

VnetHeader needs_checksum_header(const Packet& packet) {
  return VnetHeader{.flags = kVnetNeedsChecksum,
                    .header_length = packet.payload_offset,
                    .checksum_start = packet.l4_offset,
                    .checksum_offset = checksum_offset_of(packet)};
}

}  // namespace

struct Coalescer::State {
  explicit State(const Limits& wanted);

  bool add(uint32_t port, const Packet& packet, const VnetHeader& vnet, uint32_t frames, bool join_it);
  void build(uint32_t index);
  void clear();

  uint32_t bucket_of(uint32_t port, uint32_t flow_hash) const;
  uint16_t* find_open(uint32_t port, const Packet& packet, uint32_t bucket);
  void open(uint32_t index, uint32_t bucket);
  bool can_join(const Group& group, const Packet& packet) const;
  void join(Group& group, const Packet& packet, uint32_t frames, IdStep step);
  Group& start(uint32_t port, const Packet& packet, uint32_t frames);

  void build_merged(const Group& group, VnetHeader& vnet);
  uint32_t build_offloaded(const Group& group, VnetHeader& vnet);
  void build_finished(const Packet& packet);
  uint8_t* copy_header(const Packet& packet);
  void put(const void* data, size_t length);

  const Limits limits;
  std::vector<Group> groups;
  uint32_t group_count = 0;
  std::vector<Slice> slices;
  uint32_t slice_count = 0;

  // The open groups by flow: the index of the group plus one, 0 for none. A full bucket closes its oldest group, so that a
  // look-up is bounded however the flows are chosen.
  std::array<std::array<uint16_t, kWays>, kBuckets> open_groups{};
  // Groups below this index are closed, by the port's low bits. A fragment does not say which flow it belongs to.
  std::array<uint16_t, kPortSlots> closed_below{};

  std::vector<TapWrite> writes;
  std::vector<VnetHeader> vnets;
  std::unique_ptr<iovec[]> iovs;
  uint32_t iov_count = 0;
  std::unique_ptr<uint8_t[]> headers;
  size_t header_bytes = 0;
};

Coalescer::State::State(const Limits& wanted)
    : limits{.writes = std::clamp(wanted.writes, 1u, kMaxWrites),
             .super_frame_bytes = wanted.super_frame_bytes,
             .merge_tcp = wanted.merge_tcp,
             .merge_udp = wanted.merge_udp},
      groups(limits.writes),
      slices(size_t{limits.writes} * kJoinedPerWrite),
      writes(limits.writes),
      vnets(limits.writes),
      iovs(std::make_unique_for_overwrite<iovec[]>(slices.size() + size_t{limits.writes} * kOwnIovs)),
      headers(std::make_unique_for_overwrite<uint8_t[]>(size_t{limits.writes} * kMaxSegmentHeaderBytes)) {}

uint32_t Coalescer::State::bucket_of(uint32_t port, uint32_t flow_hash) const {
  return (flow_hash ^ port * 0x9e3779b1) & (kBuckets - 1);
}

// The table's entry of the flow's open group, or null. Two flows of one hash share an entry: they close each other's groups,
// which is harmless, and can_join() keeps them apart.
uint16_t* Coalescer::State::find_open(uint32_t port, const Packet& packet, uint32_t bucket) {
  const uint32_t floor = closed_below[port & (kPortSlots - 1)];
  for (uint16_t& entry : open_groups[bucket]) {
    if (entry == 0) continue;
    const Group& group = groups[entry - 1u];
    if (group.port == port && group.first.flow_hash == packet.flow_hash && entry - 1u >= floor) return &entry;
  }
  return nullptr;
}

void Coalescer::State::open(uint32_t index, uint32_t bucket) {
  groups[index].bucket = static_cast<uint16_t>(bucket);
  // An empty entry is the smallest of all.
  *std::min_element(open_groups[bucket].begin(), open_groups[bucket].end()) = static_cast<uint16_t>(index + 1);
}

// Whether the frame continues the group, going by all headers but the checksums.
bool Coalescer::State::can_join(const Group& group, const Packet& packet) const {
  const uint32_t size = payload_of(packet);
  if (size > group.segment_size) return false;
  const uint32_t frame_bytes = group.first.payload_offset + group.payload + size;
  if (frame_bytes > limits.super_frame_bytes || frame_bytes - group.first.l3_offset > kMaxIpLength) return false;
  if (!headers_match(group.first, packet)) return false;
  return !packet.is_tcp() || load_be32(packet.data + packet.l4_offset + 4) == group.next_sequence;
}

void Coalescer::State::join(Group& group, const Packet& packet, uint32_t frames, IdStep step) {
  const uint32_t size = payload_of(packet);
  const uint32_t index = slice_count++;
  slices[index] = Slice{.data = packet.data + packet.payload_offset, .length = size, .next = kNoSlice};
  (group.segments == 1 ? group.first_slice : slices[group.last_slice].next) = index;
  group.last_slice = index;
  group.segments++;
  group.payload += size;
  group.next_sequence += size;
  group.wire_frames += frames;
  group.id_step = step;
  if (packet.ip_version == 4) group.last_id = load_be16(packet.data + packet.l3_offset + 4);
  if (packet.is_tcp()) group.tcp_flags |= packet.data[packet.l4_offset + 13];
}

Group& Coalescer::State::start(uint32_t port, const Packet& packet, uint32_t frames) {
  Group& group = groups[group_count++];
  group = Group{.first = packet, .port = port, .wire_frames = frames};
  return group;
}

bool Coalescer::State::add(uint32_t port, const Packet& packet, const VnetHeader& vnet, uint32_t frames, bool join_it) {
  if (group_count == limits.writes || slice_count == slices.size()) return false;
  if (packet.l4_offset == 0) {
    if (packet.fragment) closed_below[port & (kPortSlots - 1)] = static_cast<uint16_t>(group_count);
    Group& group = start(port, packet, frames);
    group.vnet = vnet;
    group.passes_through = vnet.is_super_frame() || vnet.needs_checksum();
    return true;
  }

  const uint32_t bucket = bucket_of(port, packet.flow_hash);
  uint16_t* entry = find_open(port, packet, bucket);
  const bool unfinished = checksum_is_unfinished(packet);
  const bool passes_through =
      vnet.is_super_frame() ||
      (vnet.needs_checksum() && !(unfinished && vnet.checksum_start == packet.l4_offset &&
                                  vnet.checksum_offset == checksum_offset_of(packet)));
  const bool dhcp = is_dhcp(packet);
  if (passes_through || dhcp || !join_it || !is_mergeable(packet) || !(packet.is_udp() ? limits.merge_udp : limits.merge_tcp)) {
    if (entry != nullptr) *entry = 0;
    Group& group = start(port, packet, frames);
    group.vnet = vnet;
    group.passes_through = passes_through;
    group.checksum = unfinished ? Checksum::unfinished : Checksum::unverified;
    group.finish_dhcp = dhcp && unfinished && !passes_through && packet.payload_offset <= kMaxSegmentHeaderBytes;
    return true;
  }

  Checksum checksum = unfinished ? Checksum::unfinished : Checksum::unverified;
  if (entry != nullptr) {
    Group& group = groups[*entry - 1u];
    IdStep step = group.id_step;
    if (can_join(group, packet) && next_id_fits(packet, group.last_id, step)) {
      checksum = verify(packet, checksum);
      const bool joins = checksum != Checksum::bad &&
                         (group.segments > 1 || verify(group.first, group.checksum) != Checksum::bad);
      if (joins) {
        join(group, packet, frames, step);
        const bool full = payload_of(packet) < group.segment_size || group.segments == kMaxMergedSegments;
        if (full || ends_super_frame(packet)) *entry = 0;
        return true;
      }
    }
    *entry = 0;
  }

  const uint32_t index = group_count;
  Group& group = start(port, packet, frames);
  group.checksum = checksum;
  if (checksum == Checksum::bad || ends_super_frame(packet)) return true;
  group.payload = payload_of(packet);
  group.segment_size = static_cast<uint16_t>(group.payload);
  if (packet.is_tcp()) {
    group.next_sequence = load_be32(packet.data + packet.l4_offset + 4) + group.payload;
    group.tcp_flags = packet.data[packet.l4_offset + 13];
  }
  if (packet.ip_version == 4) group.last_id = load_be16(packet.data + packet.l3_offset + 4);
  open(index, bucket);
  return true;
}

void Coalescer::State::put(const void* data, size_t length) {
  iovs[iov_count++] = iovec{.iov_base = const_cast<void*>(data), .iov_len = length};
}

uint8_t* Coalescer::State::copy_header(const Packet& packet) {
  uint8_t* header = headers.get() + header_bytes;
  std::memcpy(header, packet.data, packet.payload_offset);
  header_bytes += packet.payload_offset;
  return header;
}

// The header of a super-frame as the kernel's own GRO leaves it: lengths of the whole, the L4 checksum unfinished.
void Coalescer::State::build_merged(const Group& group, VnetHeader& vnet) {
  Packet merged = group.first;
  merged.data = copy_header(group.first);
  put(merged.data, merged.payload_offset);
  put(group.first.data + merged.payload_offset, group.segment_size);
  for (uint32_t index = group.first_slice; index != kNoSlice; index = slices[index].next) {
    put(slices[index].data, slices[index].length);
  }

  uint8_t* ip = merged.data + merged.l3_offset;
  uint8_t* l4 = merged.data + merged.l4_offset;
  const uint32_t l4_length = merged.payload_offset - merged.l4_offset + group.payload;
  if (merged.ip_version == 4) {
    store_be16(ip + 2, static_cast<uint16_t>(merged.l4_offset - merged.l3_offset + l4_length));
    store_raw16(ip + 10, 0);
    store_raw16(ip + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(ip, 20, 0))));
  } else {
    store_be16(ip + 4, static_cast<uint16_t>(merged.l4_offset - merged.l3_offset - kIpv6HeaderBytes + l4_length));
  }
  if (merged.is_tcp()) {
    l4[13] = group.tcp_flags;
  } else {
    store_be16(l4 + 4, static_cast<uint16_t>(l4_length));
  }
  store_raw16(l4 + checksum_offset_of(merged), checksum_fold(pseudo_header_sum(merged, l4_length)));

  const uint8_t tcp_type = merged.ip_version == 4 ? kGsoTcp4 : kGsoTcp6;
  vnet = needs_checksum_header(merged);
  vnet.gso_type = merged.is_tcp() ? tcp_type : kGsoUdpL4;
  vnet.gso_size = group.segment_size;
}

// A frame with offloads of its own. Another guest said what they are, and a kernel that refused its words would seem to refuse
// the offload: so only what they mean is passed on, and no padding, which the kernel would take for payload. Returns the frame's
// bytes.
uint32_t Coalescer::State::build_offloaded(const Group& group, VnetHeader& vnet) {
  const Packet& packet = group.first;
  const uint32_t bytes = packet.ip_version != 0 ? packet.ip_end : packet.length;
  vnet = VnetHeader{.flags = kVnetNeedsChecksum,
                    .checksum_start = group.vnet.checksum_start,
                    .checksum_offset = group.vnet.checksum_offset};
  if (!group.vnet.is_super_frame() || packet.l4_offset == 0) {
    put(packet.data, bytes);
    return bytes;
  }
  const bool placed = group.vnet.needs_checksum() && group.vnet.checksum_start == packet.l4_offset &&
                      group.vnet.checksum_offset == checksum_offset_of(packet);
  vnet = needs_checksum_header(packet);
  vnet.gso_size = group.vnet.gso_size;
  vnet.gso_type = static_cast<uint8_t>((group.vnet.gso_type & ~kGsoEcn) | (has_cwr(packet) ? kGsoEcn : kGsoNone));
  if (placed) {
    put(packet.data, bytes);
    return bytes;
  }
  uint8_t* header = copy_header(packet);
  uint8_t* field = header + packet.l4_offset + checksum_offset_of(packet);
  store_raw16(field, checksum_fold(pseudo_header_sum(packet, l4_length_of(packet))));
  put(header, packet.payload_offset);
  if (payload_of(packet) != 0) put(packet.data + packet.payload_offset, payload_of(packet));
  return bytes;
}

// One frame alone, its checksum completed in a copy of its header.
void Coalescer::State::build_finished(const Packet& packet) {
  uint8_t* header = copy_header(packet);
  uint8_t* field = header + packet.l4_offset + checksum_offset_of(packet);
  store_raw16(field, 0);
  uint64_t sum = pseudo_header_sum(packet, l4_length_of(packet));
  sum = checksum_add(header + packet.l4_offset, packet.payload_offset - packet.l4_offset, sum);
  sum = checksum_add(packet.data + packet.payload_offset, payload_of(packet), sum);
  const uint16_t checksum = static_cast<uint16_t>(~checksum_fold(sum));
  store_raw16(field, checksum == 0 ? 0xffff : checksum);
  put(header, packet.payload_offset);
  if (payload_of(packet) != 0) put(packet.data + packet.payload_offset, payload_of(packet));
}

void Coalescer::State::build(uint32_t index) {
  const Group& group = groups[index];
  const Packet& packet = group.first;
  VnetHeader& vnet = vnets[index];
  vnet = VnetHeader{};
  const uint32_t first_iov = iov_count;
  put(&vnet, sizeof vnet);
  uint32_t bytes = packet.length;
  if (group.segments > 1) {
    build_merged(group, vnet);
    bytes = packet.payload_offset + group.payload;
  } else if (group.passes_through) {
    bytes = build_offloaded(group, vnet);
  } else if (group.finish_dhcp) {
    build_finished(packet);
    bytes = packet.ip_end;
  } else if (group.checksum == Checksum::unfinished) {
    // Without padding, which the kernel would include in the sum.
    vnet = needs_checksum_header(packet);
    bytes = packet.ip_end;
    put(packet.data, bytes);
  } else {
    put(packet.data, packet.length);
  }
  writes[index] = TapWrite{.port = group.port,
                           .wire_frames = group.wire_frames,
                           .bytes = bytes,
                           .iov = &iovs[first_iov],
                           .iov_count = iov_count - first_iov};
}

void Coalescer::State::clear() {
  for (uint32_t index = 0; index < group_count; ++index) {
    if (groups[index].bucket != kNoBucket) open_groups[groups[index].bucket] = {};
  }
  closed_below = {};
  group_count = 0;
  slice_count = 0;
}

Coalescer::Coalescer() : Coalescer(Limits{}) {}
Coalescer::Coalescer(const Limits& limits) : state_(std::make_unique<State>(limits)) {}
Coalescer::~Coalescer() = default;

bool Coalescer::add(uint32_t port, const Packet& packet, const VnetHeader& vnet, uint32_t wire_frames, bool join) {
  return state_->add(port, packet, vnet, wire_frames, join);
}

std::span<const TapWrite> Coalescer::finish() {
  state_->iov_count = 0;
  state_->header_bytes = 0;
  for (uint32_t index = 0; index < state_->group_count; ++index) state_->build(index);
  return {state_->writes.data(), state_->group_count};
}

void Coalescer::clear() { state_->clear(); }

bool Coalescer::empty() const { return state_->group_count == 0; }

}  // namespace weft

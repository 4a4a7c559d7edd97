// Joins the frames of one round, per flow, into super-frames for TAP writes: the mirror of segment.h. The rules are those of
// the kernel's GRO (net/ipv4/tcp_offload.c, udp_offload.c; selftests/net/gro.c), so a guest cannot tell us from its own kernel.
//
// Order: writes come out in the order of their first frame, and frames of one flow never overtake each other (a frame that
// cannot join closes its flow's open group, and later frames of the flow start a new one behind it).
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>

#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

// One writev on a TAP: iov[0] is the virtio header (10 bytes), the rest is the frame.
struct TapWrite {
  uint32_t port;         // as given to add()
  uint32_t wire_frames;  // how many frames of the wire it stands for
  uint32_t bytes;        // of the frame, without the virtio header
  const iovec* iov;
  uint32_t iov_count;
};

class Coalescer {
 public:
  // What one round may hold; all memory is allocated here, none later.
  struct Limits {
    uint32_t writes = 1024;
    uint32_t super_frame_bytes = 65535;  // largest frame that the TAP takes
    bool merge_tcp = true;               // false for a kernel whose TAPs mistreat TCP super-frames
    bool merge_udp = true;               // needs VIRTIO_NET_HDR_GSO_UDP_L4 (Linux 6.2)
  };

  Coalescer();
  explicit Coalescer(const Limits& limits);
  ~Coalescer();
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  // Takes a frame for a port. The memory of the frame must stay unchanged until clear(). A frame that has offloads of its own
  // (a super-frame that plan_segments() accepts, or NEEDS_CSUM that is not of TCP or UDP) passes through whole. A plain TCP or
  // UDP frame whose checksum field equals the pseudo-header sum is taken as unfinished, as a Linux vxlan peer on the same machine
  // leaves it, and is written with NEEDS_CSUM. `wire_frames` counts the segments of a super-frame. Without `join` a plain frame
  // stays alone. False when the round is full: write finish(), clear(), and add again.
  bool add(uint32_t port, const Packet& packet, const VnetHeader& vnet, uint32_t wire_frames, bool join = true);

  // Builds the headers of the merged groups. The span and what it points to are valid until clear().
  std::span<const TapWrite> finish();
  void clear();
  bool empty() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft

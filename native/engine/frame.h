// One frame on its way through the worker.
#pragma once

#include <cstdint>

#include "engine/guard.h"
#include "fdb/fdb.h"
#include "offload/segment.h"
#include "wire/packet.h"
#include "wire/virtio.h"

namespace weft {

// Before packet.data there are at least kVxlanHeaderBytes of writable memory: the virtio header of a TAP read, or the VXLAN
// header that the frame came with.
struct Frame {
  Packet packet;
  VnetHeader vnet;
  NetworkIndex network = 0;
  Destination source;
  uint32_t group = 0;        // the source's split-horizon group; 0 is none
  const Guard* guard = nullptr;  // what its source may be; none for peers and ports that are not guarded
  uint32_t wire_frames = 1;  // the segments of a super-frame
  SegmentPlan plan;          // of a super-frame from a TAP
  uint8_t* blocks = nullptr; // its segment headers, once written; the same for every peer that it goes to
};

}  // namespace weft

// The header that stands before every frame on a TAP opened with IFF_VNET_HDR (virtio 1.2, 5.1.6; the kernel's
// include/uapi/linux/virtio_net.h, which is defined anew here because older copies of it are not valid C++).
#pragma once

#include <cstdint>

namespace weft {

inline constexpr uint8_t kVnetNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
inline constexpr uint8_t kVnetDataValid = 2;      // VIRTIO_NET_HDR_F_DATA_VALID

inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdpL4 = 5;   // Linux 6.2 and later
inline constexpr uint8_t kGsoEcn = 0x80;  // flag: the first segment carries CWR

// Native byte order, as the kernel hands it out. A frame without offloads is all zeros.
struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = kGsoNone;
  uint16_t header_length = 0;    // a hint only; the kernel may give the length of the whole first packet: never trust it
  uint16_t gso_size = 0;         // payload bytes a segment
  uint16_t checksum_start = 0;   // from the start of the frame
  uint16_t checksum_offset = 0;  // from checksum_start

  bool needs_checksum() const { return (flags & kVnetNeedsChecksum) != 0; }
  bool is_super_frame() const { return (gso_type & ~kGsoEcn) != kGsoNone; }
};
static_assert(sizeof(VnetHeader) == 10);

}  // namespace weft

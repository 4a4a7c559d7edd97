// What the worker copied of frames, on its way to the thread that writes it down: a ring of bytes with a single producer and a single
// consumer. The producer never waits, allocates, or calls the kernel: what has no room is lost, and the next frame that has says how many
// were.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "capture/bpf.h"

namespace weft {

// Of a captured frame; its bytes follow it in the ring.
struct CapturedFrame {
  uint64_t time = 0;         // nanoseconds since 1970
  uint32_t lost = 0;         // frames that had no room since the one before; filled in by push()
  uint32_t length = 0;       // of the frame, bytes
  uint32_t captured = 0;     // of them, what follows
  uint32_t wire_frames = 1;  // of a super-frame, its segments
  uint16_t network = 0;
  uint16_t index = 0;     // of the port or peer ...
  uint8_t kind = 0;       // ... a DestinationKind
  uint8_t out = 0;        // 0: weft received it from there; 1: weft sent it there
  uint8_t drop = kKept;   // why weft dropped it, a Drop
  uint8_t unfinished = 0; // its L4 checksum is left to whoever receives it
  uint8_t gso_type = 0;   // as in the virtio header; 0: no super-frame
  uint8_t cut = 0;  // it did not fit the path to the peer, and was sent in pieces
  uint16_t gso_size = 0;

  static constexpr uint8_t kKept = UINT8_MAX;
};
static_assert(sizeof(CapturedFrame) == 40);

class FrameRing {
 public:
  // `bytes` is a power of two, of at least a page. All of its memory is there from the start. Throws SysError (ENOMEM).
  explicit FrameRing(size_t bytes);
  ~FrameRing();
  FrameRing(const FrameRing&) = delete;
  FrameRing& operator=(const FrameRing&) = delete;

  // Producer. Takes the first `frame.captured` bytes of `pieces`. False when there is no room: the frame is lost.
  bool push(CapturedFrame& frame, const FramePieces& pieces);

  // Consumer. The next frame, without its bytes; false when there is none.
  bool peek(CapturedFrame& frame) const;
  // The bytes of the frame that peek() gave, and on to the next.
  void take(const CapturedFrame& frame, uint8_t* to);

  // Any thread.
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  void copy_in(uint64_t at, const void* from, size_t bytes);
  void copy_out(uint64_t at, void* to, size_t bytes) const;
  static size_t room_for(const CapturedFrame& frame) { return (sizeof frame + frame.captured + 7) & ~size_t{7}; }

  const size_t bytes_;
  uint8_t* memory_;
  // Producer.
  alignas(64) std::atomic<uint64_t> head_{0};
  uint64_t known_tail_ = 0;
  uint32_t lost_since_ = 0;
  std::atomic<uint64_t> lost_{0};
  // Consumer.
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace weft

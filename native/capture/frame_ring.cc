#include "capture/frame_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "sys/sys_error.h"

namespace weft {

FrameRing::FrameRing(size_t bytes) : bytes_(bytes) {
  // Populated, so that the worker meets no page fault on its first way round.
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw_errno("mmap");
  memory_ = static_cast<uint8_t*>(memory);
}

FrameRing::~FrameRing() { munmap(memory_, bytes_); }

bool FrameRing::push(CapturedFrame& frame, const FramePieces& pieces) {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const size_t room = room_for(frame);
  if (head + room - known_tail_ > bytes_) {
    known_tail_ = tail_.load(std::memory_order_acquire);
    if (head + room - known_tail_ > bytes_) {
      ++lost_since_;
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
  }
  frame.lost = lost_since_;
  lost_since_ = 0;
  copy_in(head, &frame, sizeof frame);
  uint64_t at = head + sizeof frame;
  size_t left = frame.captured;
  for (size_t i = 0; i < pieces.count && left != 0; ++i) {
    const size_t bytes = std::min(left, pieces.pieces[i].iov_len);
    copy_in(at, pieces.pieces[i].iov_base, bytes);
    at += bytes;
    left -= bytes;
  }
  head_.store(head + room, std::memory_order_release);
  return true;
}

bool FrameRing::peek(CapturedFrame& frame) const {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_.load(std::memory_order_acquire)) return false;
  copy_out(tail, &frame, sizeof frame);
  return true;
}

void FrameRing::take(const CapturedFrame& frame, uint8_t* to) {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (frame.captured != 0) copy_out(tail + sizeof frame, to, frame.captured);
  tail_.store(tail + room_for(frame), std::memory_order_release);
}

void FrameRing::copy_in(uint64_t at, const void* from, size_t bytes) {
  const size_t place = at & (bytes_ - 1);
  const size_t first = std::min(bytes, bytes_ - place);
  memcpy(memory_ + place, from, first);
  if (first != bytes) memcpy(memory_, static_cast<const uint8_t*>(from) + first, bytes - first);
}

void FrameRing::copy_out(uint64_t at, void* to, size_t bytes) const {
  const size_t place = at & (bytes_ - 1);
  const size_t first = std::min(bytes, bytes_ - place);
  memcpy(to, memory_ + place, first);
  if (first != bytes) memcpy(static_cast<uint8_t*>(to) + first, memory_, bytes - first);
}

}  // namespace weft

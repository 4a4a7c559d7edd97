// The ring between the worker and a capture's thread: its bounds, what it loses, and that bytes come out as they went in.
#include <doctest/doctest.h>

#include <thread>

#include "capture/frame_ring.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr size_t kPage = 4096;

bool push(FrameRing& ring, Bytes bytes, uint32_t captured) {
  CapturedFrame frame{.length = static_cast<uint32_t>(bytes.size()), .captured = captured};
  const size_t half = bytes.size() / 2;
  const iovec pieces[] = {{bytes.data(), half}, {bytes.data() + half, bytes.size() - half}};
  return ring.push(frame, {pieces, 2, frame.length});
}

struct Taken {
  CapturedFrame frame;
  Bytes bytes;
};

std::optional<Taken> take(FrameRing& ring) {
  Taken taken;
  if (!ring.peek(taken.frame)) return std::nullopt;
  taken.bytes.resize(taken.frame.captured);
  ring.take(taken.frame, taken.bytes.data());
  return taken;
}

}  // namespace

TEST_CASE("what goes in comes out, in order, across the ring's end too") {
  FrameRing ring(kPage);
  Random random(1);
  for (uint32_t i = 0; i < 2000; ++i) {
    const Bytes bytes = random_bytes(random, 1 + i * 37 % 1500);
    const uint32_t captured = i % 3 == 0 ? static_cast<uint32_t>(bytes.size() / 2) : static_cast<uint32_t>(bytes.size());
    REQUIRE(push(ring, bytes, captured));
    const auto taken = take(ring);
    REQUIRE(taken);
    CHECK(taken->frame.length == bytes.size());
    CHECK(taken->frame.lost == 0);
    CHECK(taken->bytes == Bytes(bytes.begin(), bytes.begin() + captured));
  }
  CHECK_FALSE(take(ring));
  CHECK(ring.lost() == 0);
}

TEST_CASE("a full ring loses what comes, and the next frame tells how many were lost") {
  FrameRing ring(kPage);
  const Bytes bytes(200, 1);  // 240 bytes with what is known of it: 17 of them have room
  uint32_t kept = 0;
  for (uint32_t i = 0; i < 40; ++i) kept += push(ring, bytes, 200);
  CHECK(kept == kPage / 240);
  CHECK(ring.lost() == 40 - kept);
  for (uint32_t i = 0; i < kept; ++i) CHECK(take(ring)->frame.lost == 0);
  CHECK_FALSE(take(ring));
  CHECK(push(ring, bytes, 200));
  CHECK(push(ring, bytes, 200));
  CHECK(take(ring)->frame.lost == 40 - kept);
  CHECK(take(ring)->frame.lost == 0);
}

TEST_CASE("to the last byte of the ring") {
  FrameRing ring(kPage);
  CHECK_FALSE(push(ring, Bytes(kPage - 39, 1), kPage - 39));
  CHECK(push(ring, Bytes(kPage - 40, 1), kPage - 40));
  CHECK_FALSE(push(ring, Bytes(1, 1), 1));
  CHECK(take(ring)->frame.lost == 1);
  CHECK(push(ring, Bytes(1, 1), 1));
  CHECK(take(ring)->frame.lost == 1);
  CHECK(push(ring, {}, 0));
  CHECK(take(ring)->bytes.empty());
}

TEST_CASE("a producer and a consumer at the same time: every frame is taken or counted as lost") {
  FrameRing ring(kPage);
  constexpr uint32_t kFrames = 200'000;
  std::thread producer([&ring] {
    for (uint32_t i = 0; i < kFrames; ++i) {
      Bytes bytes(8 + i % 300, static_cast<uint8_t>(i));
      CapturedFrame frame{.length = i, .captured = static_cast<uint32_t>(bytes.size())};
      const iovec piece{bytes.data(), bytes.size()};
      ring.push(frame, {&piece, 1, frame.captured});
    }
  });
  uint32_t next = 0;
  bool right = true;
  while (next + ring.lost() < kFrames || next == 0) {
    const auto taken = take(ring);
    if (!taken) {
      if (next + ring.lost() >= kFrames) break;
      std::this_thread::yield();
      continue;
    }
    right &= taken->bytes == Bytes(8 + taken->frame.length % 300, static_cast<uint8_t>(taken->frame.length));
    ++next;
  }
  producer.join();
  while (take(ring)) ++next;
  CHECK(right);
  CHECK(next + ring.lost() == kFrames);
}

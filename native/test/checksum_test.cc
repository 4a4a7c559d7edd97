#include "offload/checksum.h"

#include <doctest/doctest.h>

#include "test/frame_builder.h"
#include "wire/bytes.h"

using namespace weft;
using namespace weft::test;

namespace {

// The wire's 16 bits as a number.
uint32_t folded(uint64_t sum) { return swap_if_little(checksum_fold(sum)); }

}  // namespace

TEST_CASE("the example of RFC 1071 section 3") {
  const Bytes data = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  CHECK(folded(checksum_add(data.data(), data.size(), 0)) == 0xddf2);
}

TEST_CASE("an IPv4 header seen on a wire") {
  const Bytes header = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                        0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
  CHECK(folded(checksum_add(header.data(), header.size(), 0)) == 0xffff);
}

TEST_CASE("equals the reference for every length and alignment") {
  Random random(1);
  const Bytes data = random_bytes(random, 700);
  for (size_t start = 0; start < 33; ++start) {
    for (size_t length = 0; length + start <= data.size(); ++length) {
      const Bytes exact(data.begin() + static_cast<long>(start), data.begin() + static_cast<long>(start + length));
      const uint32_t expected = reference_sum(exact.data(), exact.size());
      REQUIRE(folded(checksum_add(data.data() + start, length, 0)) == expected);
      // An allocation of exactly this size lets AddressSanitizer see a read beyond it.
      REQUIRE(folded(checksum_add(exact.data(), exact.size(), 0)) == expected);
    }
  }
}

TEST_CASE("64 KiB of ones lose no carry") {
  const Bytes data(65536, 0xff);
  CHECK(folded(checksum_add(data.data(), data.size(), 0)) == 0xffff);
  CHECK(folded(checksum_add(data.data(), data.size() - 1, 0)) == reference_sum(data.data(), data.size() - 1));
}

TEST_CASE("pieces of even length may be added in any order") {
  Random random(2);
  const Bytes data = random_bytes(random, 1501);
  const uint64_t tail = checksum_add(data.data() + 600, 901, 0);
  CHECK(folded(checksum_add(data.data(), 600, tail)) == reference_sum(data.data(), data.size()));
}

TEST_CASE("a sum of all bits folds") {
  CHECK(checksum_fold(0) == 0);
  CHECK(checksum_fold(UINT64_MAX) == 0xffff);
  CHECK(checksum_fold(0x1ffff) == 1);
}

TEST_CASE("the pseudo-header") {
  for (const bool v6 : {false, true}) {
    for (const bool udp : {false, true}) {
      Frame spec{.v6 = v6, .udp = udp, .payload = Bytes(100, 3)};
      Bytes frame = build(spec);
      const Packet packet = parsed(frame);
      const uint32_t length = static_cast<uint32_t>(frame.size() - spec.l4());
      CHECK(folded(pseudo_header_sum(packet, length)) ==
            reference_l4_sum(frame, spec.l3(), spec.l4(), frame.size(), v6, spec.protocol(), false));
      // More than 16 bits, as of an IPv6 jumbogram.
      CHECK(folded(pseudo_header_sum(packet, length + 0x10000) + 0xffff - swap_if_little(uint16_t{1})) ==
            folded(pseudo_header_sum(packet, length)));
    }
  }
}

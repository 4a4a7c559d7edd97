#include "offload/checksum.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

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

TEST_CASE("the portable form is always there, and the fastest is the one in use") {
  const auto forms = checksum_forms();
  REQUIRE(!forms.empty());
  CHECK(std::string(forms.front().name) == "portable");
#if defined(__x86_64__)
  CHECK(forms.size() == (__builtin_cpu_supports("avx2") ? 2 : 1));
#endif
}

TEST_CASE("every form equals the reference for every length and alignment, whatever the bytes are") {
  Random random(1);
  constexpr size_t kLongest = 300;
  constexpr size_t kAlignments = 64;
  std::vector<Bytes> contents = {random_bytes(random, kLongest + kAlignments), Bytes(kLongest + kAlignments, 0xff),
                                 Bytes(kLongest + kAlignments, 0), Bytes(kLongest + kAlignments, 0x80)};
  // Words of which each pair carries.
  contents.push_back({});
  for (size_t at = 0; at < kLongest + kAlignments; ++at) contents.back().push_back(at % 4 < 2 ? 0xff : at % 4 == 2 ? 0 : 1);
  std::vector<ChecksumForm> forms(checksum_forms().begin(), checksum_forms().end());
  forms.push_back({"checksum_add", checksum_add});
  for (const ChecksumForm& form : forms) {
    CAPTURE(std::string(form.name));
    for (const Bytes& data : contents) {
      for (size_t start = 0; start < kAlignments; ++start) {
        for (size_t length = 0; length <= kLongest; ++length) {
          const uint32_t expected = reference_sum(data.data() + start, length);
          REQUIRE(folded(form.add(data.data() + start, length, 0)) == expected);
        }
      }
      // An allocation of exactly this size lets AddressSanitizer see a read beyond it.
      for (size_t length = 0; length <= kLongest; ++length) {
        const auto exact = std::make_unique<uint8_t[]>(length);
        std::copy_n(data.begin(), length, exact.get());
        REQUIRE(folded(form.add(exact.get(), length, 0)) == reference_sum(data.data(), length));
      }
    }
  }
}

TEST_CASE("no form loses a carry in 64 KiB of ones, nor of a sum that is nearly full") {
  const Bytes data(65536, 0xff);
  for (const ChecksumForm& form : checksum_forms()) {
    CAPTURE(std::string(form.name));
    CHECK(folded(form.add(data.data(), data.size(), 0)) == 0xffff);
    CHECK(folded(form.add(data.data(), data.size() - 1, 0)) == reference_sum(data.data(), data.size() - 1));
    // 8 GiB of ones, summed before.
    const uint64_t before = uint64_t{0xffffffff} << 31;
    CHECK(folded(form.add(data.data(), data.size(), before)) == 0xffff);
  }
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

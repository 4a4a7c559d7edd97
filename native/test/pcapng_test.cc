// Blocks of pcapng, to the byte. The expected bytes are written from the format's definition, for a little-endian machine.
#include <doctest/doctest.h>

#include "capture/pcapng.h"
#include "test/frame_builder.h"

using namespace weft;
using namespace weft::test;

static_assert(std::endian::native == std::endian::little);

TEST_CASE("a section header") {
  Bytes out;
  pcapng::section_header(out, "weft 1", "hey");
  CHECK(out == Bytes{0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                     1, 0, 3, 0, 'h', 'e', 'y', 0,
                     4, 0, 6, 0, 'w', 'e', 'f', 't', ' ', '1', 0, 0,
                     0, 0, 0, 0, 52, 0, 0, 0});
}

TEST_CASE("an interface") {
  Bytes out;
  pcapng::interface_description(out, "web", "", "arp", 96);
  CHECK(out == Bytes{1, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 96, 0, 0, 0,
                     2, 0, 3, 0, 'w', 'e', 'b', 0,
                     9, 0, 1, 0, 9, 0, 0, 0,
                     11, 0, 4, 0, 0, 'a', 'r', 'p',
                     0, 0, 0, 0, 48, 0, 0, 0});
}

TEST_CASE("a packet") {
  Bytes out;
  const CapturedFrame frame{.time = 0x0102030405060708, .lost = 5, .length = 60, .captured = 3, .out = 1};
  const size_t begin = pcapng::begin_packet(out, 7, frame);
  for (const uint8_t byte : Bytes{0xaa, 0xbb, 0xcc}) out.push_back(byte);
  pcapng::finish_packet(out, begin, frame, "hi");
  CHECK(out == Bytes{6, 0, 0, 0, 68, 0, 0, 0, 7, 0, 0, 0,
                     4, 3, 2, 1, 8, 7, 6, 5, 3, 0, 0, 0, 60, 0, 0, 0,
                     0xaa, 0xbb, 0xcc, 0,
                     1, 0, 2, 0, 'h', 'i', 0, 0,
                     2, 0, 4, 0, 2, 0, 0, 0,
                     4, 0, 8, 0, 5, 0, 0, 0, 0, 0, 0, 0,
                     0, 0, 0, 0, 68, 0, 0, 0});
}

TEST_CASE("a packet that was received, of which nothing is to be said") {
  Bytes out;
  const CapturedFrame frame{.length = 4, .captured = 4};
  const size_t begin = pcapng::begin_packet(out, 0, frame);
  out.insert(out.end(), 4, 1);
  pcapng::finish_packet(out, begin, frame, "");
  CHECK(out.size() == 48);
  CHECK(Bytes(out.begin() + 32, out.begin() + 40) == Bytes{2, 0, 4, 0, 1, 0, 0, 0});
}

TEST_CASE("statistics") {
  Bytes out;
  pcapng::interface_statistics(out, 2, {.start = 1, .end = (uint64_t{2} << 32) + 3, .received = 9, .dropped = 4}, "");
  CHECK(out == Bytes{5, 0, 0, 0, 76, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0,
                     2, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0,
                     3, 0, 8, 0, 2, 0, 0, 0, 3, 0, 0, 0,
                     4, 0, 8, 0, 9, 0, 0, 0, 0, 0, 0, 0,
                     5, 0, 8, 0, 4, 0, 0, 0, 0, 0, 0, 0,
                     0, 0, 0, 0, 76, 0, 0, 0});
}

TEST_CASE("a text that is too long is cut between two characters") {
  Bytes out;
  std::string text(pcapng::kMostText - 1, 'x');
  text += "\xc3\xa9";  // e with an accent
  pcapng::interface_description(out, text, "", "", 1);
  CHECK(get16(out, 18) == ((pcapng::kMostText - 1) >> 8 | ((pcapng::kMostText - 1) & 0xff) << 8));
  CHECK(out.size() % 4 == 0);
}

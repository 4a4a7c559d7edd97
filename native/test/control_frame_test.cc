#include "wire/control_frame.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <vector>

using namespace weft;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes frame_of(const ControlMessage& message, uint32_t bytes = kQuestionBytes) {
  Bytes frame(bytes);
  write_control_frame(frame.data(), bytes, message);
  return frame;
}

// On the heap and of the exact size, so that the sanitizer sees every byte read beyond its end.
ControlParse parse(const Bytes& frame, ControlMessage& message) {
  const auto copy = std::make_unique<uint8_t[]>(frame.size());
  std::copy(frame.begin(), frame.end(), copy.get());
  return parse_control_frame(copy.get(), static_cast<uint32_t>(frame.size()), message);
}

ControlParse parse(const Bytes& frame) {
  ControlMessage message;
  return parse(frame, message);
}

const ControlMessage kProbe{.type = ControlType::probe, .nonce = 0x0123456789abcdef, .index = 3, .count = 44, .arrived = {}};

ControlMessage answer() {
  ControlMessage message{.type = ControlType::answer, .nonce = 77, .index = 2, .count = 100, .arrived = {}};
  for (const int index : {0, 1, 63, 64, 99}) message.arrived.add(static_cast<uint16_t>(index));
  return message;
}

}  // namespace

TEST_CASE("what was written is read") {
  for (const uint32_t bytes : {kLeastProbeBytes, 61u, 500u, 1464u, 9000u}) {
    ControlMessage read;
    CHECK(parse(frame_of(kProbe, bytes), read) == ControlParse::ok);
    CHECK(read.type == ControlType::probe);
    CHECK(read.nonce == kProbe.nonce);
    CHECK(read.index == 3);
    CHECK(read.count == 44);
  }
  ControlMessage read;
  CHECK(parse(frame_of(answer()), read) == ControlParse::ok);
  CHECK(read.type == ControlType::answer);
  CHECK(read.index == 2);
  CHECK(read.arrived == answer().arrived);
  CHECK(read.arrived.size() == 5);
  CHECK(read.arrived.has(99));
  CHECK(!read.arrived.has(98));
}

TEST_CASE("the layout on the wire is the one that is written down") {
  const Bytes question = frame_of({.type = ControlType::question, .nonce = 0x1122334455667788, .index = 5, .count = 44, .arrived = {}});
  const Bytes head = {0x02, 'w', 'e', 'f', 't', 2, 0x02, 'w', 'e', 'f', 't', 1, 0x88, 0xb5, 'w', 'e', 'f', 't', 1, 2, 0, 44};
  CHECK(Bytes(question.begin(), question.begin() + 22) == head);
  const Bytes body = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 5, 0, 44};
  CHECK(Bytes(question.begin() + 30, question.begin() + 42) == body);
  const Bytes answered = frame_of(answer());
  CHECK(answered.size() == question.size());
  CHECK(answered.back() == 3);         // probes 0 and 1
  CHECK(answered[answered.size() - 9] == 1);  // probe 64
  // Computed apart from this code. Another hash is another protocol.
  const Bytes hash(answered.begin() + 22, answered.begin() + 30);
  CHECK(hash == Bytes{0xd1, 0x22, 0x88, 0xba, 0x17, 0x93, 0x2a, 0xc2});
}

TEST_CASE("a hello and features are read as they were written, and lie where it is written down") {
  const Bytes hello = frame_of({.type = ControlType::hello, .nonce = 0x1122334455667788, .arrived = {}}, kHelloBytes);
  CHECK(hello.size() == 46);
  const Bytes head = {'w', 'e', 'f', 't', 1, 4, 0, 32};
  CHECK(Bytes(hello.begin() + 14, hello.begin() + 22) == head);
  const Bytes body = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0, 0, 0, 0};
  CHECK(Bytes(hello.begin() + 30, hello.end()) == body);
  ControlMessage read;
  CHECK(parse(hello, read) == ControlParse::ok);
  CHECK(read.type == ControlType::hello);
  CHECK(read.nonce == 0x1122334455667788);

  const ControlMessage features{.type = ControlType::features, .nonce = 9, .arrived = {}, .features = 0x8000000000000001};
  for (const uint32_t more : {0u, 1u, 40u}) {
    const Bytes frame = frame_of(features, kHelloBytes + more);
    CHECK(frame[38] == 0x80);
    CHECK(frame[45] == 1);
    CHECK(parse(frame, read) == ControlParse::ok);
    CHECK(read.type == ControlType::features);
    CHECK(read.nonce == 9);
    CHECK(read.features == 0x8000000000000001);
  }
  for (size_t bytes = 30; bytes < kHelloBytes; ++bytes) {
    CHECK(parse(Bytes(hello.begin(), hello.begin() + static_cast<long>(bytes))) == ControlParse::ignored);
  }
  for (size_t at = 18; at < kHelloBytes; ++at) {
    Bytes damaged = hello;
    damaged[at] ^= 1;
    CHECK(parse(damaged) == ControlParse::ignored);
  }
}

TEST_CASE("a full hello and full features lie where it is written down, and may be longer") {
  ControlMessage features{.type = ControlType::features, .nonce = 9, .arrived = {}, .features = 1};
  for (uint8_t i = 0; i < 16; ++i) features.self.host[i] = static_cast<uint8_t>(0xa0 + i);
  features.self.incarnation = 0x0102030405060708;
  features.self.version = {1, 2, 0x0304};
  features.self.networks = 0x1112131415161718;
  for (uint8_t i = 0; i < 16; ++i) features.seen[i] = static_cast<uint8_t>(0xc0 + i);
  features.seen_port = 0x5152;
  const Bytes frame = frame_of(features, kFullHelloBytes);
  CHECK(frame.size() == 110);
  Bytes body;
  for (uint8_t i = 0; i < 16; ++i) body.push_back(static_cast<uint8_t>(0xa0 + i));
  for (const int byte : {1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 0, 2, 3, 4, 0, 0, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18}) {
    body.push_back(static_cast<uint8_t>(byte));
  }
  for (uint8_t i = 0; i < 16; ++i) body.push_back(static_cast<uint8_t>(0xc0 + i));
  for (const int byte : {0x51, 0x52, 0, 0, 0, 0, 0, 0}) body.push_back(static_cast<uint8_t>(byte));
  CHECK(Bytes(frame.begin() + 46, frame.end()) == body);
  for (const uint32_t more : {0u, 1u, 1500u}) {
    ControlMessage read;
    CHECK(parse(frame_of(features, kFullHelloBytes + more), read) == ControlParse::ok);
    CHECK(read.full);
    CHECK(read.bytes == kFullHelloBytes + more);
    CHECK(read.self == features.self);
    CHECK(read.seen == features.seen);
    CHECK(read.seen_port == features.seen_port);
    CHECK(read.features == 1);
  }
  ControlMessage read;
  CHECK(parse(frame_of(features, kFullHelloBytes - 1), read) == ControlParse::ok);
  CHECK(!read.full);
  CHECK(parse(Bytes(frame.begin(), frame.end() - 1)) == ControlParse::ignored);
}

TEST_CASE("a query and a reply lie where it is written down, with text within their length") {
  const Bytes text = {'w', 'h', 'y', '?'};
  const ControlMessage query{
      .type = ControlType::query, .nonce = 9, .arrived = {}, .topic = 0x0102, .text_bytes = 4, .text = text.data()};
  const Bytes frame = frame_of(query, kLeastQueryBytes + 6);
  CHECK(Bytes(frame.begin() + 18, frame.begin() + 22) == Bytes{1, 6, 0, 34});
  CHECK(Bytes(frame.begin() + 38, frame.end()) == Bytes{1, 2, 0, 4, 'w', 'h', 'y', '?', 0, 0});
  ControlMessage read;
  REQUIRE(parse_control_frame(frame.data(), static_cast<uint32_t>(frame.size()), read) == ControlParse::ok);
  CHECK(read.topic == 0x0102);
  CHECK(Bytes(read.text, read.text + read.text_bytes) == text);
  CHECK(read.bytes == kLeastQueryBytes + 6);
  ControlMessage empty{.type = ControlType::reply, .nonce = 9, .arrived = {}};
  CHECK(parse(frame_of(empty, kLeastQueryBytes)) == ControlParse::ok);
}

TEST_CASE("a text that is longer than its message is refused") {
  const Bytes text(20, 'x');
  for (uint16_t bytes = 0; bytes <= 20; ++bytes) {
    const Bytes whole = frame_of(
        {.type = ControlType::query, .nonce = 9, .arrived = {}, .topic = 1, .text_bytes = bytes, .text = text.data()},
        kLeastQueryBytes + bytes);
    CHECK(parse(whole) == ControlParse::ok);
    for (size_t end = kLeastQueryBytes; end < whole.size(); ++end) {
      Bytes shorter(whole.begin(), whole.begin() + static_cast<long>(end));
      CHECK(parse(shorter) == ControlParse::ignored);
      seal_control_frame(shorter.data(), static_cast<uint32_t>(end));
      CHECK(parse(shorter) == ControlParse::ignored);
    }
  }
  const Bytes longest(kMostQueryText + 1, 'x');
  for (const uint32_t bytes : {kMostQueryText, kMostQueryText + 1}) {
    const Bytes whole = frame_of({.type = ControlType::reply,
                                  .nonce = 9,
                                  .arrived = {},
                                  .topic = 1,
                                  .text_bytes = static_cast<uint16_t>(bytes),
                                  .text = longest.data()},
                                 kLeastQueryBytes + bytes);
    CHECK(parse(whole) == (bytes == kMostQueryText ? ControlParse::ok : ControlParse::ignored));
  }
}

TEST_CASE("any damage is seen") {
  const Bytes probe = frame_of(kProbe, 200);
  for (size_t at = 14; at < probe.size(); ++at) {
    for (const int bit : {1, 0x80}) {
      Bytes damaged = probe;
      damaged[at] ^= static_cast<uint8_t>(bit);
      CHECK(parse(damaged) != ControlParse::ok);
    }
  }
  // Two bytes that change places, and a word of another probe.
  Bytes swapped = probe;
  std::swap(swapped[100], swapped[101]);
  CHECK(parse(swapped) == ControlParse::ignored);
  ControlMessage other = kProbe;
  other.index = 4;
  const Bytes next = frame_of(other, 200);
  Bytes mixed = probe;
  std::copy(next.begin() + 120, next.begin() + 128, mixed.begin() + 120);
  CHECK(parse(mixed) == ControlParse::ignored);
}

TEST_CASE("a probe that was cut off, or has another one's beginning at its end, is damaged") {
  Bytes probe = frame_of(kProbe, 200);
  for (size_t bytes = 30; bytes < 200; ++bytes) CHECK(parse(Bytes(probe.begin(), probe.begin() + bytes)) == ControlParse::ignored);
  probe.push_back(0);
  CHECK(parse(probe) == ControlParse::ignored);
}

TEST_CASE("what is too short for a header, or no control frame, is foreign") {
  const Bytes probe = frame_of(kProbe, 200);
  for (size_t bytes = 0; bytes < 30; ++bytes) CHECK(parse(Bytes(probe.begin(), probe.begin() + bytes)) == ControlParse::foreign);
  for (const size_t at : {12, 13, 14, 17}) {
    Bytes other = probe;
    other[at] ^= 1;
    CHECK(parse(other) == ControlParse::foreign);
  }
}

TEST_CASE("other versions and types are ignored") {
  for (const size_t at : {18, 19}) {
    Bytes later = frame_of(answer());
    later[at] = 9;
    CHECK(parse(later) == ControlParse::ignored);
  }
}

TEST_CASE("a question may have more fields at its end, and padding behind it") {
  ControlMessage question{.type = ControlType::question, .nonce = 1, .index = 1, .count = 2, .arrived = {}};
  CHECK(parse(frame_of(question, kQuestionBytes + 10)) == ControlParse::ok);
  Bytes padded = frame_of(question);
  padded.resize(padded.size() + 6);
  CHECK(parse(padded) == ControlParse::ok);
}

TEST_CASE("counts and indexes out of bounds are refused") {
  ControlMessage probe = kProbe;
  probe.index = 44;
  CHECK(parse(frame_of(probe, 200)) == ControlParse::ignored);
  probe.count = kMostProbes + 1;
  CHECK(parse(frame_of(probe, 200)) == ControlParse::ignored);
  probe.count = kMostProbes;
  CHECK(parse(frame_of(probe, 200)) == ControlParse::ok);
  probe = {.type = ControlType::question, .nonce = 1, .index = 1, .count = 0, .arrived = {}};
  CHECK(parse(frame_of(probe)) == ControlParse::ignored);
}

TEST_CASE("no two probes of a burst are alike") {
  std::set<Bytes> patterns;
  for (uint16_t index = 0; index < kMostProbes; ++index) {
    ControlMessage probe{.type = ControlType::probe, .nonce = 9, .index = index, .count = kMostProbes, .arrived = {}};
    const Bytes frame = frame_of(probe, 80);
    patterns.insert(Bytes(frame.begin() + 42, frame.end()));
  }
  CHECK(patterns.size() == kMostProbes);
}

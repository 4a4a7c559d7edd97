// Filter programs: which may be run, and what they find in frames of one and of several pieces. The programs were compiled by libpcap.
#include <doctest/doctest.h>

#include "capture/bpf.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

using Program = std::vector<BpfInstruction>;

const Program kUdpTo2000 = {{40, 0, 0, 12}, {21, 0, 4, 34525}, {48, 0, 0, 20}, {21, 0, 11, 17}, {40, 0, 0, 56}, {21, 8, 9, 2000}, {21, 0, 8, 2048},
                            {48, 0, 0, 23}, {21, 0, 6, 17}, {40, 0, 0, 20}, {69, 4, 0, 8191}, {177, 0, 0, 14}, {72, 0, 0, 16}, {21, 0, 1, 2000},
                            {6, 0, 0, 262144}, {6, 0, 0, 0}};
const Program kAtLeast200 = {{128, 0, 0, 0}, {53, 0, 1, 200}, {6, 0, 0, 262144}, {6, 0, 0, 0}};

bool whole(const Program& program, Bytes frame) {
  const iovec piece{frame.data(), frame.size()};
  return BpfProgram::check(program)->matches({&piece, 1, static_cast<uint32_t>(frame.size())});
}

// The frame in pieces of `step` bytes, each in memory of its own size.
bool scattered(const Program& program, const Bytes& frame, size_t step) {
  std::vector<Bytes> pieces;
  for (size_t at = 0; at < frame.size(); at += step) {
    pieces.emplace_back(frame.begin() + static_cast<long>(at), frame.begin() + static_cast<long>(std::min(at + step, frame.size())));
  }
  std::vector<iovec> list;
  for (Bytes& piece : pieces) list.push_back({piece.data(), piece.size()});
  return BpfProgram::check(program)->matches({list.data(), list.size(), static_cast<uint32_t>(frame.size())});
}

Bytes udp(uint16_t to, bool v6 = false, Bytes options = {}) {
  weft::test::Frame frame;
  frame.v6 = v6;
  frame.udp = true;
  frame.destination_port = to;
  frame.ip_options = std::move(options);
  frame.payload = Bytes(100, 7);
  return build(frame);
}

// What a program that computes returns, for one frame.
bool computes(std::initializer_list<BpfInstruction> steps, uint32_t expected) {
  Program program(steps);
  program.push_back({0x15, 0, 1, expected});  // jeq
  program.push_back({6, 0, 0, 1});
  program.push_back({6, 0, 0, 0});
  return whole(program, Bytes(64, 0x81));
}

}  // namespace

TEST_CASE("a filter finds what it looks for, however the frame lies in memory") {
  const std::vector<std::pair<Bytes, bool>> frames = {{udp(2000), true}, {udp(2001), false}, {udp(2000, true), true}, {udp(2001, true), false},
                                                      {udp(2000, false, Bytes(8, 1)), true}};
  for (const auto& [frame, matches] : frames) {
    CHECK(whole(kUdpTo2000, frame) == matches);
    for (const size_t step : {1, 2, 3, 14, 37}) CHECK(scattered(kUdpTo2000, frame, step) == matches);
  }
}

TEST_CASE("a filter that reads behind the end of the frame does not match") {
  Bytes frame = udp(2000);
  frame.resize(37);  // the destination port is cut in half
  CHECK_FALSE(whole(kUdpTo2000, frame));
  CHECK_FALSE(scattered(kUdpTo2000, frame, 5));
  CHECK_FALSE(whole({{0x20, 0, 0, 0xfffff004}, {6, 0, 0, 1}}, frame));  // what a kernel knows of a packet
  CHECK_FALSE(whole({{1, 0, 0, 0xffffffff}, {0x40, 0, 0, 0xffffffff}, {6, 0, 0, 1}}, frame));  // the sum of two offsets
  CHECK_FALSE(BpfProgram::check(kAtLeast200)->matches({nullptr, 0, 0}));
}

TEST_CASE("the length is that of the whole frame") {
  CHECK(whole(kAtLeast200, Bytes(200)));
  CHECK_FALSE(whole(kAtLeast200, Bytes(199)));
  CHECK(scattered(kAtLeast200, Bytes(200), 64));
}

TEST_CASE("a program computes as the definition says") {
  CHECK(computes({{0, 0, 0, 7}, {4, 0, 0, 0xffffffff}}, 6));             // add wraps
  CHECK(computes({{0, 0, 0, 7}, {0x14, 0, 0, 9}}, 0xfffffffe));          // sub
  CHECK(computes({{0, 0, 0, 7}, {0x24, 0, 0, 6}}, 42));                  // mul
  CHECK(computes({{0, 0, 0, 7}, {0x34, 0, 0, 2}}, 3));                   // div
  CHECK(computes({{0, 0, 0, 7}, {0x94, 0, 0, 4}}, 3));                   // mod
  CHECK(computes({{0, 0, 0, 12}, {0x44, 0, 0, 3}}, 15));                 // or
  CHECK(computes({{0, 0, 0, 12}, {0x54, 0, 0, 6}}, 4));                  // and
  CHECK(computes({{0, 0, 0, 12}, {0xa4, 0, 0, 6}}, 10));                 // xor
  CHECK(computes({{0, 0, 0, 1}, {0x64, 0, 0, 31}}, 0x80000000));         // lsh
  CHECK(computes({{0, 0, 0, 8}, {0x74, 0, 0, 2}}, 2));                   // rsh
  CHECK(computes({{0, 0, 0, 1}, {0x84, 0, 0, 0}}, 0xffffffff));          // neg
  CHECK(computes({{1, 0, 0, 40}, {0, 0, 0, 1}, {0x6c, 0, 0, 0}}, 0));    // lsh by more bits than there are
  CHECK(computes({{0, 0, 0, 5}, {2, 0, 0, 15}, {0, 0, 0, 0}, {0x61, 0, 0, 15}, {0x87, 0, 0, 0}}, 5));  // st, ldx, txa
  CHECK(computes({{0xb1, 0, 0, 3}, {0x87, 0, 0, 0}}, 4));                // 4 * (0x81 & 15)
  CHECK_FALSE(computes({{1, 0, 0, 0}, {0, 0, 0, 1}, {0x3c, 0, 0, 0}}, 0));  // a division by zero matches nothing
}

TEST_CASE("what may not be run is refused") {
  const BpfInstruction accept{6, 0, 0, 1};
  CHECK(BpfProgram::check(Program{accept}));
  CHECK_FALSE(BpfProgram::check(Program{}));
  CHECK_FALSE(BpfProgram::check(Program{{0, 0, 0, 1}}));                         // no end
  CHECK_FALSE(BpfProgram::check(Program{{5, 0, 0, 1}, accept}));                 // a jump out of it
  CHECK_FALSE(BpfProgram::check(Program{{5, 0, 0, 0xffffffff}, accept}));        // a jump backwards
  CHECK_FALSE(BpfProgram::check(Program{{0x15, 1, 0, 0}, accept}));
  CHECK_FALSE(BpfProgram::check(Program{{0x15, 0, 1, 0}, accept}));
  CHECK(BpfProgram::check(Program{{0x15, 0, 1, 0}, accept, accept}));
  CHECK_FALSE(BpfProgram::check(Program{{2, 0, 0, 16}, accept}));                // a cell that is not there
  CHECK_FALSE(BpfProgram::check(Program{{0x60, 0, 0, 16}, accept}));
  CHECK_FALSE(BpfProgram::check(Program{{0x34, 0, 0, 0}, accept}));              // a division by zero
  CHECK_FALSE(BpfProgram::check(Program{{0x64, 0, 0, 32}, accept}));
  CHECK_FALSE(BpfProgram::check(Program{{0xff, 0, 0, 0}, accept}));
  CHECK_FALSE(BpfProgram::check(Program{{0x106, 0, 0, 0}, accept}));
  CHECK(BpfProgram::check(Program(BpfProgram::kMostInstructions, accept)));
  CHECK_FALSE(BpfProgram::check(Program(BpfProgram::kMostInstructions + 1, accept)));
}

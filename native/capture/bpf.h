// Classic BPF, the form that tcpdump's filter expressions are compiled to (McCanne and Jacobson, "The BSD Packet Filter", 1993; Linux,
// Documentation/networking/filter.rst).
//
// A program comes from a client, so it is checked before the worker runs it: every jump leads forwards and inside, every path ends in a
// return, and it is no longer than kMostInstructions, which bounds what one frame can cost. What remains to be checked while it runs are
// the places that it reads in the frame.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace weft {

// As struct sock_filter has it.
struct BpfInstruction {
  uint16_t code = 0;
  uint8_t jump_true = 0;
  uint8_t jump_false = 0;
  uint32_t k = 0;
};

// A frame that lies in one piece or in several; none of them is empty but of an empty frame.
struct FramePieces {
  const iovec* pieces = nullptr;
  size_t count = 0;
  uint32_t length = 0;  // of all of them
};

class BpfProgram {
 public:
  static constexpr size_t kMostInstructions = 512;

  // Nothing when the program is not one that may be run. Programs that load what only a kernel knows of a packet (SKF_AD_OFF) are taken,
  // and match nothing: to them it lies behind the end.
  static std::optional<BpfProgram> check(std::span<const BpfInstruction> program);

  // Whether the program returns anything but 0. Any thread.
  bool matches(const FramePieces& frame) const;

 private:
  explicit BpfProgram(std::vector<BpfInstruction> program) : program_(std::move(program)) {}
  std::vector<BpfInstruction> program_;
};

}  // namespace weft

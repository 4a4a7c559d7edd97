// Filter programs of any bytes, over frames of any bytes: what check() takes ends, reads no byte outside of the frame, and finds the same
// whether the frame lies in one piece or in many.
//
// The first byte is the number of instructions, each of 8 bytes; then comes the size of a piece, and the frame.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "capture/bpf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t count = data[0];
  if (size < 2 + count * sizeof(weft::BpfInstruction)) return 0;
  std::vector<weft::BpfInstruction> instructions(count);
  if (count != 0) std::memcpy(instructions.data(), data + 1, count * sizeof(weft::BpfInstruction));
  const auto program = weft::BpfProgram::check(instructions);
  if (!program) return 0;
  data += 1 + count * sizeof(weft::BpfInstruction);
  size -= 1 + count * sizeof(weft::BpfInstruction);
  const size_t step = data[0] == 0 ? 1 : data[0];
  const auto length = static_cast<uint32_t>(size - 1);

  // An allocation of exactly this size lets AddressSanitizer see a read beyond it.
  auto whole = std::make_unique<uint8_t[]>(length);
  std::memcpy(whole.get(), data + 1, length);
  const iovec piece{whole.get(), length};
  const bool matches = program->matches({&piece, length == 0 ? size_t{0} : size_t{1}, length});

  std::vector<std::unique_ptr<uint8_t[]>> parts;
  std::vector<iovec> pieces;
  for (size_t at = 0; at < length; at += step) {
    const size_t bytes = length - at < step ? length - at : step;
    parts.push_back(std::make_unique<uint8_t[]>(bytes));
    std::memcpy(parts.back().get(), whole.get() + at, bytes);
    pieces.push_back({parts.back().get(), bytes});
  }
  if (program->matches({pieces.data(), pieces.size(), length}) != matches) std::abort();
  return 0;
}

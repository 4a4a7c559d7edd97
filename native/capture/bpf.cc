#include "capture/bpf.h"

#include "wire/bytes.h"

namespace weft {
namespace {

// The fields of an instruction's code.
enum : uint16_t {
  kClass = 0x07,
  kLd = 0x00,
  kLdx = 0x01,
  kSt = 0x02,
  kStx = 0x03,
  kAlu = 0x04,
  kJmp = 0x05,
  kRet = 0x06,
  kMisc = 0x07,

  kWord = 0x00,
  kHalf = 0x08,
  kByte = 0x10,
  kImm = 0x00,
  kAbs = 0x20,
  kInd = 0x40,
  kMem = 0x60,
  kLen = 0x80,
  kMsh = 0xa0,

  kX = 0x08,  // the operand is X, and not k
  kAdd = 0x00,
  kSub = 0x10,
  kMul = 0x20,
  kDiv = 0x30,
  kOr = 0x40,
  kAnd = 0x50,
  kLsh = 0x60,
  kRsh = 0x70,
  kNeg = 0x80,
  kMod = 0x90,
  kXor = 0xa0,

  kJa = 0x00,
  kJeq = 0x10,
  kJgt = 0x20,
  kJge = 0x30,
  kJset = 0x40,

  kRetA = 0x10,
  kTxa = 0x80,
};

constexpr uint32_t kCells = 16;

bool is_known(const BpfInstruction& instruction) {
  const uint32_t k = instruction.k;
  switch (instruction.code) {
    case kLd | kWord | kAbs:
    case kLd | kHalf | kAbs:
    case kLd | kByte | kAbs:
    case kLd | kWord | kInd:
    case kLd | kHalf | kInd:
    case kLd | kByte | kInd:
    case kLd | kLen:
    case kLd | kImm:
    case kLdx | kLen:
    case kLdx | kImm:
    case kLdx | kByte | kMsh:
    case kAlu | kAdd:
    case kAlu | kAdd | kX:
    case kAlu | kSub:
    case kAlu | kSub | kX:
    case kAlu | kMul:
    case kAlu | kMul | kX:
    case kAlu | kDiv | kX:
    case kAlu | kMod | kX:
    case kAlu | kOr:
    case kAlu | kOr | kX:
    case kAlu | kAnd:
    case kAlu | kAnd | kX:
    case kAlu | kXor:
    case kAlu | kXor | kX:
    case kAlu | kLsh | kX:
    case kAlu | kRsh | kX:
    case kAlu | kNeg:
    case kJmp | kJa:
    case kJmp | kJeq:
    case kJmp | kJeq | kX:
    case kJmp | kJgt:
    case kJmp | kJgt | kX:
    case kJmp | kJge:
    case kJmp | kJge | kX:
    case kJmp | kJset:
    case kJmp | kJset | kX:
    case kRet:
    case kRet | kRetA:
    case kMisc:
    case kMisc | kTxa:
      return true;
    case kLd | kMem:
    case kLdx | kMem:
    case kSt:
    case kStx:
      return k < kCells;
    case kAlu | kDiv:
    case kAlu | kMod:
      return k != 0;
    case kAlu | kLsh:
    case kAlu | kRsh:
      return k < 32;
    default:
      return false;
  }
}

bool gather(const FramePieces& frame, uint64_t at, uint32_t bytes, uint8_t* to) {
  for (size_t i = 0; i < frame.count && bytes != 0; ++i) {
    const iovec& piece = frame.pieces[i];
    if (at >= piece.iov_len) {
      at -= piece.iov_len;
      continue;
    }
    for (; at < piece.iov_len && bytes != 0; ++at, --bytes) *to++ = static_cast<const uint8_t*>(piece.iov_base)[at];
    at = 0;
  }
  return bytes == 0;
}

// False when it does not lie in the frame. `at` is 64 bits wide, because the sum of two offsets may be.
bool load(const FramePieces& frame, uint64_t at, uint32_t bytes, uint32_t& value) {
  if (at + bytes > frame.length) return false;
  uint8_t gathered[4];
  const uint8_t* from = gathered;
  if (at + bytes <= frame.pieces[0].iov_len) {
    from = static_cast<const uint8_t*>(frame.pieces[0].iov_base) + at;
  } else if (!gather(frame, at, bytes, gathered)) {
    return false;
  }
  value = bytes == 4 ? load_be32(from) : bytes == 2 ? load_be16(from) : *from;
  return true;
}

uint32_t bytes_of(uint16_t code) { return (code & 0x18) == kByte ? 1 : (code & 0x18) == kHalf ? 2 : 4; }

}  // namespace

std::optional<BpfProgram> BpfProgram::check(std::span<const BpfInstruction> program) {
  if (program.empty() || program.size() > kMostInstructions) return std::nullopt;
  for (size_t at = 0; at < program.size(); ++at) {
    const BpfInstruction& instruction = program[at];
    if (!is_known(instruction)) return std::nullopt;
    if ((instruction.code & kClass) != kJmp) continue;
    const size_t behind = program.size() - at - 1;  // instructions that a jump may skip to, with one to spare
    const bool inside = instruction.code == (kJmp | kJa) ? instruction.k < behind
                                                         : instruction.jump_true < behind && instruction.jump_false < behind;
    if (!inside) return std::nullopt;
  }
  if ((program.back().code & kClass) != kRet) return std::nullopt;
  return BpfProgram({program.begin(), program.end()});
}

bool BpfProgram::matches(const FramePieces& frame) const {
  if (frame.count == 0) return false;
  uint32_t a = 0;
  uint32_t x = 0;
  uint32_t cells[kCells] = {};
  for (const BpfInstruction* at = program_.data();; ++at) {
    const uint32_t k = at->k;
    const uint32_t operand = (at->code & kX) != 0 ? x : k;
    switch (at->code) {
      case kLd | kWord | kAbs:
      case kLd | kHalf | kAbs:
      case kLd | kByte | kAbs:
        if (!load(frame, k, bytes_of(at->code), a)) return false;
        break;
      case kLd | kWord | kInd:
      case kLd | kHalf | kInd:
      case kLd | kByte | kInd:
        if (!load(frame, uint64_t{x} + k, bytes_of(at->code), a)) return false;
        break;
      case kLd | kLen:
        a = frame.length;
        break;
      case kLd | kImm:
        a = k;
        break;
      case kLd | kMem:
        a = cells[k];
        break;
      case kLdx | kLen:
        x = frame.length;
        break;
      case kLdx | kImm:
        x = k;
        break;
      case kLdx | kMem:
        x = cells[k];
        break;
      case kLdx | kByte | kMsh:
        if (!load(frame, k, 1, x)) return false;
        x = (x & 0x0f) * 4;
        break;
      case kSt:
        cells[k] = a;
        break;
      case kStx:
        cells[k] = x;
        break;
      case kAlu | kAdd:
      case kAlu | kAdd | kX:
        a += operand;
        break;
      case kAlu | kSub:
      case kAlu | kSub | kX:
        a -= operand;
        break;
      case kAlu | kMul:
      case kAlu | kMul | kX:
        a *= operand;
        break;
      case kAlu | kDiv:
      case kAlu | kDiv | kX:
        if (operand == 0) return false;
        a /= operand;
        break;
      case kAlu | kMod:
      case kAlu | kMod | kX:
        if (operand == 0) return false;
        a %= operand;
        break;
      case kAlu | kOr:
      case kAlu | kOr | kX:
        a |= operand;
        break;
      case kAlu | kAnd:
      case kAlu | kAnd | kX:
        a &= operand;
        break;
      case kAlu | kXor:
      case kAlu | kXor | kX:
        a ^= operand;
        break;
      case kAlu | kLsh:
      case kAlu | kLsh | kX:
        a = operand < 32 ? a << operand : 0;
        break;
      case kAlu | kRsh:
      case kAlu | kRsh | kX:
        a = operand < 32 ? a >> operand : 0;
        break;
      case kAlu | kNeg:
        a = -a;
        break;
      case kJmp | kJa:
        at += k;
        break;
      case kJmp | kJeq:
      case kJmp | kJeq | kX:
        at += a == operand ? at->jump_true : at->jump_false;
        break;
      case kJmp | kJgt:
      case kJmp | kJgt | kX:
        at += a > operand ? at->jump_true : at->jump_false;
        break;
      case kJmp | kJge:
      case kJmp | kJge | kX:
        at += a >= operand ? at->jump_true : at->jump_false;
        break;
      case kJmp | kJset:
      case kJmp | kJset | kX:
        at += (a & operand) != 0 ? at->jump_true : at->jump_false;
        break;
      case kRet:
        return k != 0;
      case kRet | kRetA:
        return a != 0;
      case kMisc:
        x = a;
        break;
      case kMisc | kTxa:
        a = x;
        break;
      default:
        return false;  // check() let none of them through
    }
  }
}

}  // namespace weft

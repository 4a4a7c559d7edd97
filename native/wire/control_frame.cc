#include "wire/control_frame.h"

#include "wire/bytes.h"

namespace weft {
namespace {

constexpr uint32_t kMagic = 0x77656674;  // "weft"
constexpr uint8_t kToMac[6] = {0x02, 'w', 'e', 'f', 't', 2};
constexpr uint8_t kFromMac[6] = {0x02, 'w', 'e', 'f', 't', 1};

constexpr uint32_t kLengthAt = 6;
constexpr uint32_t kHashAt = 8;
constexpr uint32_t kNonceAt = 16;
constexpr uint32_t kIndexAt = 24;
constexpr uint32_t kCountAt = 26;
constexpr uint32_t kPatternAt = 28;  // of a probe; the bits of a question and an answer lie there too
constexpr uint32_t kFeaturesAt = 24;
constexpr uint32_t kHostAt = 32;
constexpr uint32_t kIncarnationAt = 48;
constexpr uint32_t kVersionAt = 56;
constexpr uint32_t kNetworksAt = 64;
constexpr uint32_t kSeenAt = 72;
constexpr uint32_t kSeenPortAt = 88;
constexpr uint32_t kTopicAt = 24;
constexpr uint32_t kSizeAt = 26;
constexpr uint32_t kTextAt = 28;

uint64_t load_be64(const uint8_t* at) { return uint64_t{load_be32(at)} << 32 | load_be32(at + 4); }

void store_be64(uint8_t* at, uint64_t value) {
  store_be32(at, static_cast<uint32_t>(value >> 32));
  store_be32(at + 4, static_cast<uint32_t>(value));
}

uint64_t mix(uint64_t value) {
  value ^= value >> 32;
  value *= 0x9e3779b97f4a7c15ull;
  value ^= value >> 29;
  value *= 0xd6e8feb86659fd93ull;
  return value ^ value >> 32;
}

uint64_t hash_bytes(uint64_t hash, const uint8_t* at, uint32_t bytes) {
  for (; bytes >= 8; at += 8, bytes -= 8) hash = mix(hash ^ load_be64(at)) + bytes;
  uint64_t rest = 0;
  for (; bytes > 0; ++at, --bytes) rest = rest << 8 | *at;
  return mix(hash ^ rest);
}

uint64_t hash_message(const uint8_t* message, uint32_t length) {
  const uint64_t hash = hash_bytes(length, message, kHashAt);
  return hash_bytes(hash, message + kControlHeaderBytes, length - kControlHeaderBytes);
}

void write_pattern(uint8_t* at, uint32_t bytes, uint64_t seed) {
  for (uint32_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) seed = mix(seed + i + 1);
    at[i] = static_cast<uint8_t>(seed >> i % 8 * 8);
  }
}

bool is_hello(ControlType type) { return type == ControlType::hello || type == ControlType::features; }
bool is_query(ControlType type) { return type == ControlType::query || type == ControlType::reply; }

void read_hello(const uint8_t* at, uint32_t length, ControlMessage& message) {
  message.features = load_be64(at + kFeaturesAt);
  message.full = length >= kFullHelloBytes - kControlEthernetBytes;
  if (!message.full) return;
  std::memcpy(message.self.host.data(), at + kHostAt, message.self.host.size());
  message.self.incarnation = load_be64(at + kIncarnationAt);
  for (uint32_t i = 0; i < 3; ++i) message.self.version[i] = load_be16(at + kVersionAt + 2 * i);
  message.self.networks = load_be64(at + kNetworksAt);
  std::memcpy(message.seen.data(), at + kSeenAt, message.seen.size());
  message.seen_port = load_be16(at + kSeenPortAt);
}

void write_hello(uint8_t* at, uint32_t length, const ControlMessage& message) {
  std::memset(at + kFeaturesAt, 0, length - kFeaturesAt);
  store_be64(at + kFeaturesAt, message.features);
  if (length < kFullHelloBytes - kControlEthernetBytes) return;
  std::memcpy(at + kHostAt, message.self.host.data(), message.self.host.size());
  store_be64(at + kIncarnationAt, message.self.incarnation);
  for (uint32_t i = 0; i < 3; ++i) store_be16(at + kVersionAt + 2 * i, message.self.version[i]);
  store_be64(at + kNetworksAt, message.self.networks);
  std::memcpy(at + kSeenAt, message.seen.data(), message.seen.size());
  store_be16(at + kSeenPortAt, message.seen_port);
}

void write_query(uint8_t* at, uint32_t length, const ControlMessage& message) {
  store_be16(at + kTopicAt, message.topic);
  store_be16(at + kSizeAt, message.text_bytes);
  std::memset(at + kTextAt, 0, length - kTextAt);
  if (message.text_bytes != 0) std::memcpy(at + kTextAt, message.text, message.text_bytes);
}

}  // namespace

ControlParse parse_control_frame(const uint8_t* frame, uint32_t bytes, ControlMessage& message) {
  if (bytes < kControlEthernetBytes + kControlHeaderBytes) return ControlParse::foreign;
  if (load_be16(frame + 12) != kControlEtherType) return ControlParse::foreign;
  const uint8_t* at = frame + kControlEthernetBytes;
  if (load_be32(at) != kMagic) return ControlParse::foreign;
  if (at[4] != kControlVersion) return ControlParse::ignored;
  const uint32_t present = bytes - kControlEthernetBytes;
  const uint32_t length = load_be16(at + kLengthAt);
  const auto type = static_cast<ControlType>(at[5]);
  uint32_t least = 0;
  switch (type) {
    case ControlType::probe:
      // A probe that lost its end, or has another one's at its end, is what is looked for.
      if (length != present) return ControlParse::ignored;
      least = kLeastProbeBytes - kControlEthernetBytes;
      break;
    case ControlType::question:
    case ControlType::answer:
      least = kQuestionBytes - kControlEthernetBytes;
      break;
    case ControlType::hello:
    case ControlType::features:
      least = kHelloBytes - kControlEthernetBytes;
      break;
    case ControlType::query:
    case ControlType::reply:
      least = kLeastQueryBytes - kControlEthernetBytes;
      break;
    default:
      return ControlParse::ignored;
  }
  if (length < least || length > present) return ControlParse::ignored;
  if (load_be64(at + kHashAt) != hash_message(at, length)) return ControlParse::ignored;
  message.type = type;
  message.nonce = load_be64(at + kNonceAt);
  message.bytes = kControlEthernetBytes + length;
  if (is_hello(type)) {
    read_hello(at, length, message);
    return ControlParse::ok;
  }
  if (is_query(type)) {
    message.topic = load_be16(at + kTopicAt);
    message.text_bytes = load_be16(at + kSizeAt);
    message.text = at + kTextAt;
    const bool fits = message.text_bytes <= kMostQueryText && message.text_bytes <= length - kTextAt;
    return fits ? ControlParse::ok : ControlParse::ignored;
  }
  message.index = load_be16(at + kIndexAt);
  message.count = load_be16(at + kCountAt);
  if (message.count == 0 || message.count > kMostProbes) return ControlParse::ignored;
  if (type == ControlType::probe) return message.index < message.count ? ControlParse::ok : ControlParse::ignored;
  message.arrived.set_word(1, load_be64(at + kPatternAt));
  message.arrived.set_word(0, load_be64(at + kPatternAt + 8));
  return ControlParse::ok;
}

void write_control_frame(uint8_t* frame, uint32_t bytes, const ControlMessage& message) {
  std::memcpy(frame, kToMac, sizeof kToMac);
  std::memcpy(frame + 6, kFromMac, sizeof kFromMac);
  store_be16(frame + 12, kControlEtherType);
  uint8_t* at = frame + kControlEthernetBytes;
  const uint32_t length = bytes - kControlEthernetBytes;
  store_be32(at, kMagic);
  at[4] = kControlVersion;
  at[5] = static_cast<uint8_t>(message.type);
  store_be64(at + kNonceAt, message.nonce);
  if (is_hello(message.type)) {
    write_hello(at, length, message);
  } else if (is_query(message.type)) {
    write_query(at, length, message);
  } else {
    store_be16(at + kIndexAt, message.index);
    store_be16(at + kCountAt, message.count);
    if (message.type == ControlType::probe) {
      write_pattern(at + kPatternAt, length - kPatternAt, message.nonce ^ mix(message.index + 1));
    } else {
      store_be64(at + kPatternAt, message.arrived.word(1));
      store_be64(at + kPatternAt + 8, message.arrived.word(0));
    }
  }
  seal_control_frame(frame, bytes);
}

void seal_control_frame(uint8_t* frame, uint32_t bytes) {
  uint8_t* at = frame + kControlEthernetBytes;
  const uint32_t length = bytes - kControlEthernetBytes;
  store_be16(at + kLengthAt, static_cast<uint16_t>(length));
  store_be64(at + kHashAt, hash_message(at, length));
}

}  // namespace weft

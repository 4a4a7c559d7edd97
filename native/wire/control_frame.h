// What weft hosts say to each other: control frames.
//
// A control frame is an Ethernet frame in VXLAN on the reserved VNI 0xFFFFFF, which no network can have, so every other VTEP
// drops it as the unknown VNI that it is. It goes from one host to one configured peer: nothing is broadcast. Its MAC addresses
// are locally administered and the same for all hosts; its EtherType is 88B5, which IEEE 802 sets aside for local experiments. No
// host ever forwards one. Behind the Ethernet header, all big endian:
//
//     0  magic     u32   "weft"
//     4  version   u8    1
//     5  type      u8
//     6  length    u16   bytes from the magic to the end of the message
//     8  hash      u64   of the other bytes of the message
//    16  body            as the type has it
//
// How it grows: a receiver ignores versions and types that it does not know, and bytes of a body behind those that it knows, so a
// type gets new fields at its end. A change that this does not allow takes a new type; one of the header takes a new version.
// What is ignored is counted as consumed like what is understood.
//
// Nothing here is authenticated. The hash finds damage and no forgery. So no message may do more than report, or switch something
// to what is safe anyway. What is not safe anyway follows only from an answer that repeats the nonce of its question, 64 random
// bits that nobody knows who does not see what goes to the peer, and only for a short while. The answer to a message is never
// larger than the message.
//
// Types 1 to 3 are the offload check (engine/offload_check.h). All begin with the nonce of a burst:
//
//     probe       16 nonce u64   24 index u16    26 count u16   28 pattern, to the end of the message
//     question    16 nonce u64   24 number u16   26 count u16   28 u128, zero
//     answer      16 nonce u64   24 number u16   26 count u16   28 u128, bit I of it (from the least significant): probe I arrived
//
// The pattern of a probe follows from its nonce and index, so that no two datagrams of a burst are alike.
//
// Types 4 and 5 are the hello (engine/hello_exchange.h): a question, and its answer. The question may be padded with zeros to any
// length, and so finds out whether datagrams of that length arrive. Both say who it is that speaks; those who are older than that
// end behind the features, and a question that ends there has an answer that does:
//
//     hello       16 nonce u64   24 u64, zero       32 to 71 as below   72 to 95 zero   padding
//     features    16 nonce u64   24 features u64, a bit for each (from the least significant)
//                 32 host u128, the ID of the host that speaks   48 incarnation u64, another one after each start of its daemon
//                 56 version 3 x u16: major, minor, patch   62 u16, zero
//                 64 networks u64, a digest of the VNI and the name of each network that it has
//                 72 seen u128, the address that the question came from, IPv4 mapped into IPv6   88 seen port u16   90 zero to 95
//
//     bit 0       TCP and UDP with an unfinished checksum: the field holds the folded sum of the pseudo-header, as a Linux host leaves
//                 it for hardware to finish
//
// Bits that are not known mean nothing. A host that is older than these types does not answer, and so has no features.
//
// Types 6 and 7 carry what the control plane of one host asks that of another (engine/query_exchange.h, daemon/mesh/queries.ts):
//
//     query       16 nonce u64   24 topic u16   26 size u16   28 `size` bytes   zeros
//     reply       16 nonce u64   24 topic u16   26 size u16   28 `size` bytes
//
// The zeros of a query make the room that its reply may take. A topic that is not known has no reply.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace weft {

inline constexpr uint32_t kControlVni = 0xffffff;
inline constexpr uint16_t kControlEtherType = 0x88b5;
inline constexpr uint32_t kControlVersion = 1;
inline constexpr uint32_t kControlEthernetBytes = 14;
inline constexpr uint32_t kControlHeaderBytes = 16;

// With the Ethernet header.
inline constexpr uint32_t kLeastProbeBytes = kControlEthernetBytes + kControlHeaderBytes + 12;
inline constexpr uint32_t kQuestionBytes = kControlEthernetBytes + kControlHeaderBytes + 28;  // of an answer too

// Of the features too: of those that do not say who it is, and of the others.
inline constexpr uint32_t kHelloBytes = kControlEthernetBytes + kControlHeaderBytes + 16;
inline constexpr uint32_t kFullHelloBytes = kControlEthernetBytes + kControlHeaderBytes + 80;
// What fits to a peer through the largest path that any network makes use of (daemon/model/mtu.ts, maxMtu).
inline constexpr uint32_t kMostHelloBytes = kControlEthernetBytes + 9000;

inline constexpr uint32_t kLeastQueryBytes = kControlEthernetBytes + kControlHeaderBytes + 12;
inline constexpr uint32_t kMostQueryText = 1400;
inline constexpr uint32_t kMostQueryBytes = kLeastQueryBytes + kMostQueryText;

inline constexpr uint16_t kMostProbes = 128;

inline constexpr uint64_t kTakesUnfinishedChecksums = 1;

enum class ControlType : uint8_t { probe = 1, question = 2, answer = 3, hello = 4, features = 5, query = 6, reply = 7 };

// Which probes of a burst arrived.
class ProbeSet {
 public:
  void add(uint16_t index) { words_[index / 64] |= uint64_t{1} << index % 64; }
  bool has(uint16_t index) const { return (words_[index / 64] >> index % 64 & 1) != 0; }
  uint16_t size() const { return static_cast<uint16_t>(__builtin_popcountll(words_[0]) + __builtin_popcountll(words_[1])); }
  uint64_t word(size_t at) const { return words_[at]; }  // 0: probes 0 to 63
  void set_word(size_t at, uint64_t value) { words_[at] = value; }
  friend bool operator==(const ProbeSet&, const ProbeSet&) = default;

 private:
  std::array<uint64_t, 2> words_{};
};

// Who speaks in a hello.
struct HostSelf {
  std::array<uint8_t, 16> host{};
  uint64_t incarnation = 0;
  std::array<uint16_t, 3> version{};
  uint64_t networks = 0;
  friend bool operator==(const HostSelf&, const HostSelf&) = default;
};

struct ControlMessage {
  ControlType type = ControlType::probe;
  uint64_t nonce = 0;
  uint16_t index = 0;  // of a probe; the number of a question, which its answer repeats
  uint16_t count = 0;  // probes in the burst, 1 to kMostProbes; of a probe, a question and an answer
  ProbeSet arrived;    // of an answer
  uint64_t features = 0;  // of type features
  // Of a hello and of features, where they are there; the address lies as in IPv6.
  bool full = false;
  HostSelf self = {};
  std::array<uint8_t, 16> seen = {};
  uint16_t seen_port = 0;
  // Of a query and a reply: bytes in the frame that was read, or that are to be written.
  uint16_t topic = 0;
  uint16_t text_bytes = 0;
  const uint8_t* text = nullptr;
  uint32_t bytes = 0;  // of the frame, without what lies behind the message; only of one that was read
};

enum class ControlParse : uint8_t {
  foreign,  // no control frame
  ignored,  // another version, an unknown type, or damaged
  ok,
};

// Reads no byte outside of [frame, frame + bytes). `message` is complete when the result is ok.
ControlParse parse_control_frame(const uint8_t* frame, uint32_t bytes, ControlMessage& message);

// Writes a frame of `bytes` bytes; a probe is padded with its pattern (kLeastProbeBytes or more), a question and an answer have
// kQuestionBytes. A hello and features of kFullHelloBytes or more are full, others have kHelloBytes; a query and a reply have
// kLeastQueryBytes and their text, or more.
void write_control_frame(uint8_t* frame, uint32_t bytes, const ControlMessage& message);

// Sets the length and the hash of a message that ends with the frame.
void seal_control_frame(uint8_t* frame, uint32_t bytes);

}  // namespace weft

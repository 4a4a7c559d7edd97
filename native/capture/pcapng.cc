#include "capture/pcapng.h"

#include <algorithm>
#include <cstring>

namespace weft::pcapng {
namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kInterfaceStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr uint16_t kEthernet = 1;  // LINKTYPE_ETHERNET

// Options of all blocks, and those of each kind.
constexpr uint16_t kEnd = 0;
constexpr uint16_t kComment = 1;
constexpr uint16_t kUserApplication = 4;
constexpr uint16_t kName = 2;
constexpr uint16_t kDescription = 3;
constexpr uint16_t kTimeResolution = 9;
constexpr uint16_t kFilter = 11;
constexpr uint16_t kFlags = 2;
constexpr uint16_t kDropCount = 4;
constexpr uint16_t kStartTime = 2;
constexpr uint16_t kEndTime = 3;
constexpr uint16_t kReceived = 4;
constexpr uint16_t kDropped = 5;

constexpr uint8_t kNanoseconds = 9;  // 10^-9
constexpr uint32_t kInbound = 1;
constexpr uint32_t kOutbound = 2;

template <typename Value>
void put(Bytes& to, Value value) {
  const size_t at = to.size();
  to.resize(at + sizeof value);
  memcpy(to.data() + at, &value, sizeof value);
}

void put_time(Bytes& to, uint64_t time) {
  put(to, static_cast<uint32_t>(time >> 32));
  put(to, static_cast<uint32_t>(time));
}

void pad(Bytes& to, size_t begin) { to.resize(begin + ((to.size() - begin + 3) & ~size_t{3})); }

void put_bytes(Bytes& to, const void* from, size_t bytes) {
  const auto* at = static_cast<const uint8_t*>(from);
  to.insert(to.end(), at, at + bytes);
}

void option(Bytes& to, uint16_t code, const void* value, size_t bytes) {
  const size_t begin = to.size();
  put(to, code);
  put(to, static_cast<uint16_t>(bytes));
  put_bytes(to, value, bytes);
  pad(to, begin);
}

// The longest beginning of at most `most` bytes that ends with a character.
std::string_view cut(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most != 0 && (static_cast<uint8_t>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

void text_option(Bytes& to, uint16_t code, std::string_view text) {
  const std::string_view kept = cut(text, kMostText);
  if (!kept.empty()) option(to, code, kept.data(), kept.size());
}

template <typename Value>
void value_option(Bytes& to, uint16_t code, Value value) {
  option(to, code, &value, sizeof value);
}

void time_option(Bytes& to, uint16_t code, uint64_t time) {
  const uint32_t halves[] = {static_cast<uint32_t>(time >> 32), static_cast<uint32_t>(time)};
  option(to, code, halves, sizeof halves);
}

size_t begin_block(Bytes& to, uint32_t type) {
  const size_t begin = to.size();
  put(to, type);
  put(to, uint32_t{0});
  return begin;
}

void finish_block(Bytes& to, size_t begin) {
  option(to, kEnd, nullptr, 0);
  const auto bytes = static_cast<uint32_t>(to.size() - begin + sizeof(uint32_t));
  put(to, bytes);
  memcpy(to.data() + begin + 4, &bytes, sizeof bytes);
}

}  // namespace

void section_header(Bytes& to, std::string_view application, std::string_view comment) {
  const size_t begin = begin_block(to, kSectionHeader);
  put(to, kByteOrderMagic);
  put(to, uint16_t{1});
  put(to, uint16_t{0});
  put(to, UINT64_MAX);  // the section's length is not known
  text_option(to, kComment, comment);
  text_option(to, kUserApplication, application);
  finish_block(to, begin);
}

void interface_description(Bytes& to, std::string_view name, std::string_view description, std::string_view filter,
                           uint32_t snaplen) {
  const size_t begin = begin_block(to, kInterfaceDescription);
  put(to, kEthernet);
  put(to, uint16_t{0});
  put(to, snaplen);
  text_option(to, kName, name);
  text_option(to, kDescription, description);
  value_option(to, kTimeResolution, kNanoseconds);
  if (!filter.empty()) {
    std::string typed(1, '\0');  // a text in the language of libpcap
    typed += cut(filter, kMostText);
    option(to, kFilter, typed.data(), typed.size());
  }
  finish_block(to, begin);
}

size_t begin_packet(Bytes& to, uint32_t interface, const CapturedFrame& frame) {
  const size_t begin = begin_block(to, kEnhancedPacket);
  put(to, interface);
  put_time(to, frame.time);
  put(to, frame.captured);
  put(to, frame.length);
  return begin;
}

void finish_packet(Bytes& to, size_t begin, const CapturedFrame& frame, std::string_view comment) {
  pad(to, begin);
  text_option(to, kComment, comment);
  value_option(to, kFlags, frame.out != 0 ? kOutbound : kInbound);
  if (frame.lost != 0) value_option(to, kDropCount, uint64_t{frame.lost});
  finish_block(to, begin);
}

void interface_statistics(Bytes& to, uint32_t interface, const Statistics& statistics, std::string_view comment) {
  const size_t begin = begin_block(to, kInterfaceStatistics);
  put(to, interface);
  put_time(to, statistics.end);
  text_option(to, kComment, comment);
  time_option(to, kStartTime, statistics.start);
  time_option(to, kEndTime, statistics.end);
  value_option(to, kReceived, statistics.received);
  value_option(to, kDropped, statistics.dropped);
  finish_block(to, begin);
}

}  // namespace weft::pcapng

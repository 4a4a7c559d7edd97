// rtnetlink: building requests, and reading what the kernel answers. Every length is checked against what was received.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/unique_fd.h"

namespace weft {

using Bytes = std::span<const uint8_t>;

// One request: a netlink header, a fixed header of the family (ifinfomsg, ifaddrmsg, tcmsg), attributes.
class NetlinkRequest {
 public:
  template <class Header>
  NetlinkRequest(uint16_t type, uint16_t flags, const Header& header) {
    start(type, flags);
    append(&header, sizeof(header));
  }

  NetlinkRequest& bytes(uint16_t type, Bytes value);
  NetlinkRequest& text(uint16_t type, std::string_view value);  // zero-terminated on the wire
  NetlinkRequest& u32(uint16_t type, uint32_t value);

  // The finished message, with its length and this sequence number filled in.
  Bytes finish(uint32_t sequence, uint16_t extra_flags);

 private:
  void start(uint16_t type, uint16_t flags);
  void append(const void* data, size_t size);

  std::vector<uint8_t> buffer_;
};

// A message from the kernel: its type and what follows the netlink header.
struct NetlinkMessage {
  uint16_t type;
  Bytes body;

  // The fixed header, when the body is long enough for one. Copies, because nothing guarantees alignment.
  template <class Header>
  bool read(Header& header) const {
    if (body.size() < sizeof(Header)) return false;
    std::memcpy(&header, body.data(), sizeof(Header));
    return true;
  }
  template <class Header>
  Bytes attributes() const {
    const size_t offset = NLMSG_ALIGN(sizeof(Header));
    return body.size() > offset ? body.subspan(offset) : Bytes{};
  }
};

// Calls `visit(type, value)` for each attribute; stops at the first that does not fit.
template <class Visit>
void for_each_attribute(Bytes attributes, Visit&& visit) {
  while (attributes.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, attributes.data(), sizeof(header));
    if (header.nla_len < sizeof(header) || header.nla_len > attributes.size()) return;
    visit(static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
          attributes.subspan(sizeof(header), header.nla_len - sizeof(header)));
    const size_t step = NLMSG_ALIGN(header.nla_len);
    if (step >= attributes.size()) return;
    attributes = attributes.subspan(step);
  }
}

// Attribute values. A value of the wrong size reads as zero or empty.
uint32_t attribute_u32(Bytes value);
std::string attribute_text(Bytes value);

// A socket in the network namespace of the thread that makes it. Not for two threads at once.
class NetlinkSocket {
 public:
  using Visit = std::function<void(const NetlinkMessage&)>;

  NetlinkSocket();

  // Sends and waits for the acknowledgement; messages before it go to `visit`. Throws SysError named `operation` with the
  // kernel's own words, where it has some.
  void request(NetlinkRequest& request, const char* operation, const Visit& visit = {});
  // Asks for a whole table. False when the table changed meanwhile, so that the answer may be inconsistent.
  [[nodiscard]] bool dump(NetlinkRequest& request, const char* operation, const Visit& visit);

 private:
  bool exchange(Bytes message, const char* operation, const Visit& visit);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::vector<uint8_t> inbox_;
};

}  // namespace weft

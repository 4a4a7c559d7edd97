#include "sys/netlink.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sys/sys_error.h"

namespace weft {

namespace {

constexpr size_t kInboxBytes = 64 * 1024;  // the kernel's dumps come in pieces of at most 32 KiB
constexpr uint16_t kCapped = 0x100;        // NLM_F_CAPPED: the request is not echoed
constexpr uint16_t kAckAttributes = 0x200;  // NLM_F_ACK_TLVS

// NLMSG_ERROR: errno of the answer, 0 for an acknowledgement; throws it.
void throw_refusal(const NetlinkMessage& message, uint16_t flags, const char* operation) {
  nlmsgerr error;
  if (!message.read(error)) throw SysError(EBADMSG, operation);
  if (error.error == 0) return;
  std::string words;
  if ((flags & kAckAttributes) != 0) {
    size_t offset = sizeof(error);
    if ((flags & kCapped) == 0) offset += NLMSG_ALIGN(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    if (offset < message.body.size()) {
      for_each_attribute(message.body.subspan(offset), [&](uint16_t type, Bytes value) {
        if (type == NLMSGERR_ATTR_MSG) words = attribute_text(value);
      });
    }
  }
  throw SysError(-error.error, operation, words);
}

}  // namespace

void NetlinkRequest::start(uint16_t type, uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  append(&header, sizeof(header));
}

void NetlinkRequest::append(const void* data, size_t size) {
  const size_t offset = buffer_.size();
  buffer_.resize(offset + NLMSG_ALIGN(size));
  if (size != 0) std::memcpy(buffer_.data() + offset, data, size);
}

NetlinkRequest& NetlinkRequest::bytes(uint16_t type, Bytes value) {
  const nlattr header{static_cast<uint16_t>(sizeof(nlattr) + value.size()), type};
  append(&header, sizeof(header));
  append(value.data(), value.size());
  return *this;
}

NetlinkRequest& NetlinkRequest::text(uint16_t type, std::string_view value) {
  const std::string terminated(value);
  return bytes(type, {reinterpret_cast<const uint8_t*>(terminated.c_str()), terminated.size() + 1});
}

NetlinkRequest& NetlinkRequest::u32(uint16_t type, uint32_t value) {
  return bytes(type, {reinterpret_cast<const uint8_t*>(&value), sizeof(value)});
}

Bytes NetlinkRequest::finish(uint32_t sequence, uint16_t extra_flags) {
  nlmsghdr header;
  std::memcpy(&header, buffer_.data(), sizeof(header));
  header.nlmsg_len = static_cast<uint32_t>(buffer_.size());
  header.nlmsg_flags |= extra_flags;
  header.nlmsg_seq = sequence;
  std::memcpy(buffer_.data(), &header, sizeof(header));
  return buffer_;
}

uint32_t attribute_u32(Bytes value) {
  uint32_t number = 0;
  if (value.size() == sizeof(number)) std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

std::string attribute_text(Bytes value) {
  const auto* text = reinterpret_cast<const char*>(value.data());
  return {text, strnlen(text, value.size())};
}

NetlinkSocket::NetlinkSocket() : inbox_(kInboxBytes) {
  fd_ = UniqueFd(check(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "socket"));
  const int on = 1;
  // Older kernels do without: the only loss is the explanation beside the errno.
  ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  ::setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
}

void NetlinkSocket::request(NetlinkRequest& request, const char* operation, const Visit& visit) {
  exchange(request.finish(++sequence_, NLM_F_ACK), operation, visit);
}

bool NetlinkSocket::dump(NetlinkRequest& request, const char* operation, const Visit& visit) {
  return exchange(request.finish(++sequence_, NLM_F_DUMP), operation, visit);
}

bool NetlinkSocket::exchange(Bytes message, const char* operation, const Visit& visit) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  check(::sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)), operation);
  bool consistent = true;
  for (;;) {
    sockaddr_nl sender{};
    socklen_t sender_size = sizeof(sender);
    const ssize_t received = ::recvfrom(fd_.get(), inbox_.data(), inbox_.size(), MSG_TRUNC,
                                        reinterpret_cast<sockaddr*>(&sender), &sender_size);
    if (received < 0 && errno == EINTR) continue;
    check(received, operation);
    if (static_cast<size_t>(received) > inbox_.size()) throw SysError(EMSGSIZE, operation);
    if (sender.nl_pid != 0) continue;  // another process may write to our address
    Bytes rest(inbox_.data(), static_cast<size_t>(received));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof(header));
      if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.size()) throw SysError(EBADMSG, operation);
      if (header.nlmsg_seq == sequence_) {
        const NetlinkMessage answer{header.nlmsg_type, rest.subspan(sizeof(header), header.nlmsg_len - sizeof(header))};
        if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) consistent = false;
        if (answer.type == NLMSG_DONE) {
          int32_t error = 0;
          if (answer.read(error) && error < 0) throw SysError(-error, operation);
          return consistent;
        }
        if (answer.type == NLMSG_ERROR) {
          throw_refusal(answer, header.nlmsg_flags, operation);
          return consistent;
        }
        if (visit && answer.type >= NLMSG_MIN_TYPE) visit(answer);
      }
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
  }
}

}  // namespace weft

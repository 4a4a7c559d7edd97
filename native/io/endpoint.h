// An IPv4 or IPv6 address with a UDP port, kept in the form that the socket calls take.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

namespace weft {

enum class Family : uint8_t { ipv4 = 0, ipv6 = 1 };

// An address without a port, IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2), so that one table holds both families.
struct AddressKey {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const AddressKey&, const AddressKey&) = default;
};

class Endpoint {
 public:
  Endpoint() { std::memset(&storage_, 0, sizeof storage_); }

  // A numeric address; nothing when `text` is not one.
  static std::optional<Endpoint> parse(const std::string& text, uint16_t port);
  // The wildcard address of a family.
  static Endpoint any(Family family, uint16_t port);
  // `bytes` are 4 or 16, as they lie in a packet; the port is 0.
  static Endpoint of(Family family, const uint8_t* bytes);

  Family family() const { return storage_.v6.sin6_family == AF_INET6 ? Family::ipv6 : Family::ipv4; }
  const sockaddr* address() const { return &storage_.generic; }
  sockaddr* address() { return &storage_.generic; }
  socklen_t length() const { return family() == Family::ipv6 ? sizeof storage_.v6 : sizeof storage_.v4; }
  static constexpr socklen_t capacity() { return sizeof(sockaddr_in6); }
  uint16_t port() const { return ntohs(storage_.v4.sin_port); }
  AddressKey key() const;
  std::string text() const;  // the address alone
  // The address as it lies in a packet: 4 or 16 bytes.
  const uint8_t* bytes() const {
    return family() == Family::ipv6 ? storage_.v6.sin6_addr.s6_addr : reinterpret_cast<const uint8_t*>(&storage_.v4.sin_addr);
  }

 private:
  union {
    sockaddr generic;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
};

}  // namespace weft

#include "io/endpoint.h"

#include <arpa/inet.h>

namespace weft {

std::optional<Endpoint> Endpoint::parse(const std::string& text, uint16_t port) {
  Endpoint endpoint;
  if (inet_pton(AF_INET, text.c_str(), &endpoint.storage_.v4.sin_addr) == 1) {
    endpoint.storage_.v4.sin_family = AF_INET;
    endpoint.storage_.v4.sin_port = htons(port);
    return endpoint;
  }
  if (inet_pton(AF_INET6, text.c_str(), &endpoint.storage_.v6.sin6_addr) == 1) {
    endpoint.storage_.v6.sin6_family = AF_INET6;
    endpoint.storage_.v6.sin6_port = htons(port);
    return endpoint;
  }
  return std::nullopt;
}

Endpoint Endpoint::any(Family family, uint16_t port) {
  Endpoint endpoint;
  endpoint.storage_.v6.sin6_family = family == Family::ipv6 ? AF_INET6 : AF_INET;
  endpoint.storage_.v6.sin6_port = htons(port);
  return endpoint;
}

Endpoint Endpoint::of(Family family, const uint8_t* bytes) {
  Endpoint endpoint = any(family, 0);
  if (family == Family::ipv4) std::memcpy(&endpoint.storage_.v4.sin_addr, bytes, 4);
  else std::memcpy(&endpoint.storage_.v6.sin6_addr, bytes, 16);
  return endpoint;
}

AddressKey Endpoint::key() const {
  AddressKey key;
  if (family() == Family::ipv4) {
    key.low = 0xffff00000000ull | ntohl(storage_.v4.sin_addr.s_addr);
    return key;
  }
  uint64_t words[2];
  std::memcpy(words, &storage_.v6.sin6_addr, sizeof words);
  key.high = be64toh(words[0]);
  key.low = be64toh(words[1]);
  return key;
}

std::string Endpoint::text() const {
  char text[INET6_ADDRSTRLEN] = "?";
  if (family() == Family::ipv4) {
    inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace weft

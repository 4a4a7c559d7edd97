#include "napi/engine_arguments.h"

#include <errno.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "sys/sys_error.h"

namespace weft {

std::string string_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::String>().Utf8Value(); }
uint32_t number_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Number>().Uint32Value(); }
bool bool_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Boolean>().Value(); }

Mac mac_of(const std::string& text) {
  unsigned octet[6];
  int used = 0;
  if (sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &octet[0], &octet[1], &octet[2], &octet[3], &octet[4], &octet[5], &used) != 6 ||
      static_cast<size_t>(used) != text.size()) {
    throw SysError(EINVAL, "MAC", text);
  }
  Mac mac = 0;
  for (const unsigned byte : octet) mac = mac << 8 | byte;
  return mac;
}

namespace {

Endpoint endpoint_of(const std::string& address, uint32_t port) {
  const auto endpoint = Endpoint::parse(address, static_cast<uint16_t>(port));
  if (!endpoint) throw SysError(EINVAL, "address", address);
  return *endpoint;
}

}  // namespace

std::optional<Endpoint> own_address_of(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  return endpoint_of(value.As<Napi::String>().Utf8Value(), 0);
}

Destination where_of(const Napi::Object& where) {
  if (where.Has("port")) return {DestinationKind::port, static_cast<uint16_t>(number_of(where, "port"))};
  return {DestinationKind::peer, static_cast<uint16_t>(number_of(where, "peer"))};
}

NetworkOptions network_options_of(const Napi::Object& object) {
  const Napi::Object fdb = object.Get("fdb").As<Napi::Object>();
  return {
      .vni = number_of(object, "vni"),
      .mtu = number_of(object, "mtu"),
      .vlan = bool_of(object, "vlan"),
      .fdb = {.age = number_of(fdb, "age"),
              .limit = number_of(fdb, "limit"),
              .limit_per_port = number_of(fdb, "limitPerPort"),
              .move_count = number_of(fdb, "moveCount"),
              .move_window = number_of(fdb, "moveWindow"),
              .move_freeze = number_of(fdb, "moveFreeze")},
  };
}

PeerOptions peer_options_of(const Napi::Object& object) {
  return {.endpoint = endpoint_of(string_of(object, "address"), number_of(object, "port")),
          .zero_checksum = bool_of(object, "zeroChecksum"),
          .offload = bool_of(object, "offload"),
          .mtu = number_of(object, "mtu")};
}

std::shared_ptr<const Guard> guard_of(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  const Napi::Object guard = value.As<Napi::Object>();
  const Napi::Array texts = guard.Get("addresses").As<Napi::Array>();
  std::vector<Endpoint> addresses;
  for (uint32_t i = 0; i < texts.Length(); ++i) {
    addresses.push_back(endpoint_of(texts.Get(i).As<Napi::String>().Utf8Value(), 0));
  }
  return std::make_shared<const Guard>(mac_of(string_of(guard, "mac")), std::move(addresses));
}

}  // namespace weft

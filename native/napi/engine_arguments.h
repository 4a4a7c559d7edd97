// What JS gives to the Engine class (daemon/datapath/native.d.ts), as plain structs. SysError EINVAL for what cannot be read.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "engine/guard.h"
#include "engine/tables.h"

namespace weft {

std::string string_of(const Napi::Object& object, const char* name);
uint32_t number_of(const Napi::Object& object, const char* name);
bool bool_of(const Napi::Object& object, const char* name);

// `aa:bb:cc:dd:ee:ff`
Mac mac_of(const std::string& text);
// A numeric address without port; nothing for null and undefined.
std::optional<Endpoint> own_address_of(const Napi::Object& object, const char* name);
Destination where_of(const Napi::Object& where);
NetworkOptions network_options_of(const Napi::Object& object);
PeerOptions peer_options_of(const Napi::Object& object);
// Null for null and undefined.
std::shared_ptr<const Guard> guard_of(const Napi::Value& value);

}  // namespace weft

// What the Engine class tells JS (daemon/datapath/native.d.ts): counters and events.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "engine/engine.h"
#include "engine/events.h"

namespace weft {

// `aa:bb:cc:dd:ee:ff`
std::string mac_text(Mac mac);
Napi::Number number(Napi::Env env, uint64_t value);
Napi::Object where_object(Napi::Env env, Destination where);
Napi::Object entry_object(Napi::Env env, const FdbEntry& entry);
// Those that happened.
Napi::Array drops_array(Napi::Env env, const DropLog& log);
Napi::Object event_object(Napi::Env env, const Event& event);
// Control thread.
Napi::Object all_counters(Napi::Env env, const Engine& engine);
// Control thread.
Napi::Array all_peer_counters(Napi::Env env, const Engine& engine);

}  // namespace weft

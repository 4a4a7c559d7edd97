// What JS says of captures, and is told of them (daemon/datapath/native.d.ts).
#pragma once

#include <napi.h>

#include "engine/engine.h"
#include "sys/unique_fd.h"

namespace weft {

// SysError EINVAL for what cannot be read.
CaptureOptions capture_options_of(const Napi::Object& object);
// A descriptor of our own for the socket in `fd`.
UniqueFd capture_socket_of(const Napi::Object& object);
CaptureInterface capture_interface_of(const Napi::Object& object);
Napi::Array captures_array(Napi::Env env, const Engine& engine);
Napi::Object ended_capture_object(Napi::Env env, const Engine::EndedCapture& ended);

}  // namespace weft

// The offload check (engine/offload_check.h) as JS sees it.
#pragma once

#include <napi.h>

#include "engine/events.h"
#include "engine/offload_check.h"

namespace weft {

// From OffloadBurst of native.d.ts.
OffloadRequest offload_burst_of(uint16_t peer, const Napi::Object& object);

// Sets the fields of an `offload-report` event.
void set_offload_report(Napi::Object object, const Event& event);

}  // namespace weft

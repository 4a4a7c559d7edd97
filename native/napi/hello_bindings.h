// The hello and the queries between weft hosts, from JS and to it.
#pragma once

#include <napi.h>

#include "engine/engine.h"

namespace weft {

// `host` is a Uint8Array of 16 bytes.
HostSelf host_self_of(const Napi::Object& object);
void set_hello_answer(Napi::Object object, const Event& event);
QueryMail query_mail_of(uint16_t peer, const Napi::Object& object, bool reply);
Napi::Object query_event(Napi::Env env, const QueryMail& mail);

}  // namespace weft

#include "napi/offload_bindings.h"

#include <errno.h>

#include "sys/sys_error.h"

namespace weft {

OffloadRequest offload_burst_of(uint16_t peer, const Napi::Object& object) {
  const auto number = [&](const char* name) { return object.Get(name).As<Napi::Number>().Uint32Value(); };
  const uint32_t datagrams = number("datagrams");
  if (datagrams == 0 || datagrams > UINT16_MAX) throw SysError(EINVAL, "datagrams", "1 to 65535");
  bool lossless = false;
  return {.peer = peer,
          .nonce = object.Get("nonce").As<Napi::BigInt>().Uint64Value(&lossless),
          .datagrams = static_cast<uint16_t>(datagrams),
          .bytes = number("bytes"),
          .segmented = object.Get("segmented").As<Napi::Boolean>().Value(),
          .flow = static_cast<uint16_t>(number("flow"))};
}

void set_offload_report(Napi::Object object, const Event& event) {
  const Napi::Env env = object.Env();
  object.Set("peer", event.where.index);
  object.Set("nonce", Napi::BigInt::New(env, event.nonce));
  object.Set("error", event.error == 0 ? env.Null() : Napi::String::New(env, errno_name(event.error)));
  object.Set("sent", event.probes);
  Napi::Array missing = Napi::Array::New(env);
  for (uint16_t i = 0; i < event.probes; ++i) {
    if (!event.arrived.has(i)) missing.Set(missing.Length(), i);
  }
  object.Set("missing", missing);
}

}  // namespace weft

// Module entry: hands every room's bindings to Node.
#include <napi.h>

#include "napi/bindings.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, WEFT_VERSION));
  weft::init_engine(env, exports);
  weft::init_sys(env, exports);
  weft::init_device(env, exports);
  weft::init_capture(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(weft, init)

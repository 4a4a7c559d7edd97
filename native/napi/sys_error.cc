#include "napi/bindings.h"

namespace weft {

Napi::Error to_js_error(Napi::Env env, const SysError& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Value().Set("code", Napi::String::New(env, errno_name(error.error())));
  result.Value().Set("syscall", Napi::String::New(env, error.operation()));
  return result;
}

}  // namespace weft

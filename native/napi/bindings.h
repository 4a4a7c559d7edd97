// The parts of the addon: each adds its names to `exports`. daemon/datapath/native.d.ts is the contract.
#pragma once

#include <napi.h>

#include <exception>
#include <utility>

#include "sys/sys_error.h"

namespace weft {

void init_engine(Napi::Env env, Napi::Object exports);
void init_sys(Napi::Env env, Napi::Object exports);
void init_device(Napi::Env env, Napi::Object exports);
void init_capture(Napi::Env env, Napi::Object exports);

// The JS Error for what the kernel refused: `code` is the errno's name, `syscall` the operation.
Napi::Error to_js_error(Napi::Env env, const SysError& error);

// Runs `body`, whose C++ exceptions come out as JS ones. Every function that JS calls is wrapped in it.
template <class Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Napi::Error&) {
    throw;
  } catch (const SysError& error) {
    throw to_js_error(env, error);
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  }
}

}  // namespace weft

#include "napi/bindings.h"
namespace weft {
void init_device(Napi::Env, Napi::Object) {}
}

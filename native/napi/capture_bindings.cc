#include "napi/capture_bindings.h"

#include <errno.h>
#include <fcntl.h>

#include "capture/filter_compiler.h"
#include "napi/bindings.h"
#include "napi/engine_arguments.h"
#include "napi/engine_reports.h"

namespace weft {
namespace {

// Numbers that need more than 32 bits; JS has 53.
uint64_t large_number_of(const Napi::Object& object, const char* name) {
  const double value = object.Get(name).As<Napi::Number>().DoubleValue();
  if (!(value >= 0 && value <= 9007199254740991.0)) throw SysError(EINVAL, "capture", name);
  return static_cast<uint64_t>(value);
}

CaptureTarget target_of(const Napi::Value& value) {
  if (value.IsNull()) return {};
  const Napi::Object object = value.As<Napi::Object>();
  const std::pair<const char*, CaptureTarget::Kind> kinds[] = {
      {"port", CaptureTarget::Kind::port}, {"peer", CaptureTarget::Kind::peer}, {"network", CaptureTarget::Kind::network}};
  for (const auto& [name, kind] : kinds) {
    if (object.Has(name)) return {kind, static_cast<uint16_t>(number_of(object, name))};
  }
  throw SysError(EINVAL, "capture", "target");
}

std::vector<BpfInstruction> program_of(const Napi::Array& array) {
  if (array.Length() > BpfProgram::kMostInstructions) throw SysError(EINVAL, "filter", "the program is too long");
  std::vector<BpfInstruction> program;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Array one = array.Get(i).As<Napi::Array>();
    const auto at = [&one](uint32_t index) { return one.Get(index).As<Napi::Number>().Uint32Value(); };
    program.push_back({static_cast<uint16_t>(at(0)), static_cast<uint8_t>(at(1)), static_cast<uint8_t>(at(2)), at(3)});
  }
  return program;
}

const char* name_of(Capture::End end) {
  switch (end) {
    case Capture::End::running:
      return "running";
    case Capture::End::frames:
      return "frames";
    case Capture::End::bytes:
      return "bytes";
    case Capture::End::time:
      return "time";
    case Capture::End::asked:
      return "asked";
    case Capture::End::reader_gone:
      return "reader-gone";
  }
  return "";
}

void set_counts(Napi::Env env, Napi::Object& object, const CaptureCounts& counts) {
  object.Set("frames", number(env, counts.frames));
  object.Set("bytes", number(env, counts.bytes));
  object.Set("lost", number(env, counts.lost));
}

Napi::Value compile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const auto compiled = compile_filter(info[0].As<Napi::String>().Utf8Value());
    if (std::holds_alternative<NoLibpcap>(compiled)) return env.Null();
    Napi::Object result = Napi::Object::New(env);
    if (const auto* problem = std::get_if<FilterProblem>(&compiled)) {
      result.Set("problem", problem->text);
      return result;
    }
    const auto& program = std::get<std::vector<BpfInstruction>>(compiled);
    Napi::Array array = Napi::Array::New(env, program.size());
    for (uint32_t i = 0; i < program.size(); ++i) {
      Napi::Array one = Napi::Array::New(env, 4);
      one.Set(0u, program[i].code);
      one.Set(1u, program[i].jump_true);
      one.Set(2u, program[i].jump_false);
      one.Set(3u, program[i].k);
      array.Set(i, one);
    }
    result.Set("program", array);
    return result;
  });
}

}  // namespace

CaptureInterface capture_interface_of(const Napi::Object& object) {
  return {where_of(object.Get("where").As<Napi::Object>()), static_cast<NetworkIndex>(number_of(object, "network")),
          string_of(object, "name"), string_of(object, "description")};
}

CaptureOptions capture_options_of(const Napi::Object& object) {
  CaptureOptions options{.target = target_of(object.Get("target")),
                         .in = bool_of(object, "in"),
                         .out = bool_of(object, "out"),
                         .snaplen = number_of(object, "snaplen"),
                         .filter = program_of(object.Get("filter").As<Napi::Array>()),
                         .filter_text = string_of(object, "filterText"),
                         .preamble = string_of(object, "preamble"),
                         .application = string_of(object, "application"),
                         .comment = string_of(object, "comment"),
                         .most_frames = large_number_of(object, "mostFrames"),
                         .most_bytes = large_number_of(object, "mostBytes"),
                         .most_milliseconds = number_of(object, "mostMilliseconds")};
  const Napi::Array interfaces = object.Get("interfaces").As<Napi::Array>();
  for (uint32_t i = 0; i < interfaces.Length(); ++i) {
    options.interfaces.push_back(capture_interface_of(interfaces.Get(i).As<Napi::Object>()));
  }
  return options;
}

UniqueFd capture_socket_of(const Napi::Object& object) {
  return UniqueFd(check(fcntl(object.Get("fd").As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0), "fcntl"));
}

Napi::Array captures_array(Napi::Env env, const Engine& engine) {
  const auto running = engine.captures();
  Napi::Array array = Napi::Array::New(env, running.size());
  uint32_t at = 0;
  for (const Capture* capture : running) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("capture", number(env, capture->id()));
    set_counts(env, object, capture->counts());
    array.Set(at++, object);
  }
  return array;
}

Napi::Object ended_capture_object(Napi::Env env, const Engine::EndedCapture& ended) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("type", "capture-ended");
  object.Set("capture", number(env, ended.id));
  object.Set("end", name_of(ended.end));
  set_counts(env, object, ended.counts);
  return object;
}

void init_capture(Napi::Env env, Napi::Object exports) { exports.Set("compileFilter", Napi::Function::New(env, compile)); }

}  // namespace weft

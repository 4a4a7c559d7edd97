// RawDevice: a plain TAP or TUN for JS, without the engine.
//
// One FrameReader, and with it one thread, serves all devices of an environment (the main thread, or a worker). It hands over
// through one thread-safe function, of which at most one call is under way.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "napi/bindings.h"
#include "sys/frame_reader.h"
#include "sys/link.h"
#include "sys/tun_device.h"

namespace weft {

namespace {

constexpr int kFramesPerTurn = 64;  // of one device, before the event loop gets its turn

class RawDevice;

// What the devices of one environment share. All on its thread, except the reader's wake.
class DeviceHub {
 public:
  explicit DeviceHub(Napi::Env env) : env_(env) {}

  FrameReader::Id open(int fd, RawDevice* device);
  void close(FrameReader::Id id);
  FrameReader& reader() { return *reader_; }
  // Ends the thread; the environment is going away.
  void stop() { reader_.reset(); }

 private:
  void start();
  static void deliver(napi_env env, napi_value, void* context, void*);

  Napi::Env env_;
  napi_threadsafe_function wake_ = nullptr;
  std::unique_ptr<FrameReader> reader_;
  std::map<FrameReader::Id, RawDevice*> devices_;
};

class RawDevice : public Napi::ObjectWrap<RawDevice> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  explicit RawDevice(const Napi::CallbackInfo& info);
  ~RawDevice() override { close_descriptor(); }

  // Gives what was read to JS, on its thread.
  void deliver();

 private:
  Napi::Value name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), name_); }
  Napi::Value ifindex(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), ifindex_); }
  Napi::Value write(const Napi::CallbackInfo& info);
  void pause(const Napi::CallbackInfo&);
  void resume(const Napi::CallbackInfo&);
  void close(const Napi::CallbackInfo&) { close_device(); }

  void close_device();
  void close_descriptor();

  std::shared_ptr<DeviceHub> hub_;
  UniqueFd fd_;
  FrameReader::Id id_ = 0;
  std::string name_;
  int ifindex_ = 0;
  bool paused_ = false;
  Napi::FunctionReference on_frame_;
  Napi::FunctionReference on_error_;
};

FrameReader::Id DeviceHub::open(int fd, RawDevice* device) {
  if (!reader_) start();
  const FrameReader::Id id = reader_->add(fd);
  // An open device keeps the process alive, as an open socket does.
  if (devices_.empty()) napi_ref_threadsafe_function(env_, wake_);
  devices_.emplace(id, device);
  return id;
}

void DeviceHub::close(FrameReader::Id id) {
  if (reader_) reader_->remove(id);
  if (devices_.erase(id) != 0 && devices_.empty() && reader_) napi_unref_threadsafe_function(env_, wake_);
}

void DeviceHub::start() {
  const napi_status status =
      napi_create_threadsafe_function(env_, nullptr, nullptr, Napi::String::New(env_, "weft:RawDevice"), 0, 1, nullptr, nullptr,
                                      this, &DeviceHub::deliver, &wake_);
  if (status != napi_ok) throw Napi::Error::New(env_);
  reader_ = std::make_unique<FrameReader>([wake = wake_] { napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking); });
  // Hooks run in reverse order: this one ends the thread before Node frees the function that the thread calls.
  env_.AddCleanupHook([this] { stop(); });
}

void DeviceHub::deliver(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is going away, and with it the hub
  auto* hub = static_cast<DeviceHub*>(context);
  for (const FrameReader::Id id : hub->reader_->take_ready()) {
    const auto found = hub->devices_.find(id);
    if (found == hub->devices_.end()) continue;
    try {
      found->second->deliver();
    } catch (const Napi::Error& error) {
      // The listener's own: an uncaughtException, where Node by itself would only warn. What is left comes in another turn.
      hub->reader_->remind(id);
      napi_fatal_exception(env, error.Value());
    }
  }
}

void RawDevice::define(Napi::Env env, Napi::Object exports) {
  auto* hub = new std::shared_ptr<DeviceHub>(std::make_shared<DeviceHub>(env));
  exports.Set("RawDevice", DefineClass(env, "RawDevice",
                                       {
                                           InstanceAccessor<&RawDevice::name>("name"),
                                           InstanceAccessor<&RawDevice::ifindex>("ifindex"),
                                           InstanceMethod<&RawDevice::write>("write"),
                                           InstanceMethod<&RawDevice::pause>("pause"),
                                           InstanceMethod<&RawDevice::resume>("resume"),
                                           InstanceMethod<&RawDevice::close>("close"),
                                       },
                                       hub));
  // Devices hold the hub as well: their finalizers may run later.
  env.AddCleanupHook([hub] { delete hub; });
}

RawDevice::RawDevice(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RawDevice>(info), hub_(*static_cast<std::shared_ptr<DeviceHub>*>(info.Data())) {
  const Napi::Env env = info.Env();
  const std::string kind = info[0].As<Napi::String>().Utf8Value();
  if (kind != "tap" && kind != "tun") throw Napi::TypeError::New(env, "kind is 'tap' or 'tun'");
  const std::string wanted = info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string();
  if (!info[2].IsFunction() || !info[3].IsFunction()) throw Napi::TypeError::New(env, "onFrame and onError are functions");
  on_frame_ = Napi::Persistent(info[2].As<Napi::Function>());
  on_error_ = Napi::Persistent(info[3].As<Napi::Function>());
  guarded(env, [&] {
    fd_ = open_tun();
    name_ = set_tun_interface(fd_.get(), wanted, kind == "tap" ? TunKind::tap : TunKind::tun, false);
    NetlinkSocket netlink;
    ifindex_ = require_link(netlink, name_).ifindex;
    id_ = hub_->open(fd_.get(), this);
  });
  Ref();  // open means alive, with or without somebody holding the object
}

void RawDevice::deliver() {
  const Napi::Env env = Env();
  const Napi::HandleScope outer(env);
  const Napi::Object keep = Value();  // close() in a listener gives up the reference of the constructor
  FrameReader& reader = hub_->reader();
  for (int i = 0; fd_ && !paused_; i++) {
    if (i == kFramesPerTurn) {
      reader.remind(id_);
      return;
    }
    const std::optional<FrameReader::Frame> frame = reader.next(id_);
    const Napi::HandleScope scope(env);
    if (frame) {
      on_frame_.Call(keep, {Napi::Buffer<uint8_t>::Copy(env, frame->data(), frame->size())});
      continue;
    }
    if (const int error = reader.error(id_); error != 0) {
      close_device();
      on_error_.Call(keep, {to_js_error(env, SysError(error, "read")).Value()});
    }
    return;
  }
}

Napi::Value RawDevice::write(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsTypedArray()) throw Napi::TypeError::New(env, "a frame is a Uint8Array");
  const auto frame = info[0].As<Napi::Uint8Array>();
  return guarded(env, [&] {
    if (!fd_) throw SysError(EBADF, "write", "closed");
    ssize_t written;
    do {
      written = ::write(fd_.get(), frame.Data(), frame.ByteLength());
    } while (written < 0 && errno == EINTR);
    if (written < 0 && errno != EAGAIN && errno != ENOBUFS) throw_errno("write");
    return Napi::Boolean::New(env, written >= 0);
  });
}

void RawDevice::pause(const Napi::CallbackInfo&) {
  if (!fd_ || paused_) return;
  paused_ = true;
  hub_->reader().pause(id_);
}

void RawDevice::resume(const Napi::CallbackInfo&) {
  if (!fd_ || !paused_) return;
  paused_ = false;
  hub_->reader().resume(id_);
}

void RawDevice::close_device() {
  if (!fd_) return;
  close_descriptor();
  Unref();
}

void RawDevice::close_descriptor() {
  if (!fd_) return;
  hub_->close(id_);
  fd_.reset();
}

}  // namespace

void init_device(Napi::Env env, Napi::Object exports) { RawDevice::define(env, exports); }

}  // namespace weft

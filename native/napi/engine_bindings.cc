// The Engine class for JS: what it is given is read in engine_arguments.h, what it tells is written in engine_reports.h.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/drop.h"
#include "engine/engine.h"
#include "napi/bindings.h"
#include "napi/capture_bindings.h"
#include "napi/engine_arguments.h"
#include "napi/engine_reports.h"
#include "napi/hello_bindings.h"
#include "napi/offload_bindings.h"

namespace weft {
namespace {

// Owns the descriptors until the engine does, so that none is lost when a call throws.
class OwnedQueue {
 public:
  explicit OwnedQueue(const Napi::Array& fds) {
    for (uint32_t i = 0; i < fds.Length(); ++i) {
      queues_.push_back(std::make_unique<KernelTapQueue>(fds.Get(i).As<Napi::Number>().Int32Value()));
    }
  }
  // One worker serves one queue of each TAP.
  std::unique_ptr<TapQueue> take() {
    if (queues_.size() != 1) throw SysError(EINVAL, "port", "one queue a port");
    return std::move(queues_.front());
  }

 private:
  std::vector<std::unique_ptr<KernelTapQueue>> queues_;
};

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Engine",
                       {
                           InstanceMethod<&EngineObject::start>("start"),
                           InstanceMethod<&EngineObject::stop>("stop"),
                           InstanceMethod<&EngineObject::set_underlay>("setUnderlay"),
                           InstanceMethod<&EngineObject::set_source_ports>("setSourcePorts"),
                           InstanceMethod<&EngineObject::offer_receiver>("offerReceiver"),
                           InstanceMethod<&EngineObject::close_offered>("closeOffered"),
                           InstanceMethod<&EngineObject::receivers>("receivers"),
                           InstanceMethod<&EngineObject::set_port_offloads>("setPortOffloads"),
                           InstanceMethod<&EngineObject::add_network>("addNetwork"),
                           InstanceMethod<&EngineObject::update_network>("updateNetwork"),
                           InstanceMethod<&EngineObject::remove_network>("removeNetwork"),
                           InstanceMethod<&EngineObject::add_port>("addPort"),
                           InstanceMethod<&EngineObject::remove_port>("removePort"),
                           InstanceMethod<&EngineObject::set_guard>("setGuard"),
                           InstanceMethod<&EngineObject::announce>("announce"),
                           InstanceMethod<&EngineObject::add_peer>("addPeer"),
                           InstanceMethod<&EngineObject::update_peer>("updatePeer"),
                           InstanceMethod<&EngineObject::remove_peer>("removePeer"),
                           InstanceMethod<&EngineObject::send_offload_burst>("sendOffloadBurst"),
                           InstanceMethod<&EngineObject::ask_about_burst>("askAboutBurst"),
                           InstanceMethod<&EngineObject::set_offload_corrupts>("setOffloadCorrupts"),
                           InstanceMethod<&EngineObject::set_carry_checksum>("setCarryChecksum"),
                           InstanceMethod<&EngineObject::set_busy_poll>("setBusyPoll"),
                           InstanceMethod<&EngineObject::set_self>("setSelf"),
                           InstanceMethod<&EngineObject::send_hello>("sendHello"),
                           InstanceMethod<&EngineObject::send_query>("sendQuery"),
                           InstanceMethod<&EngineObject::send_reply>("sendReply"),
                           InstanceMethod<&EngineObject::send_unfinished>("sendUnfinished"),
                           InstanceMethod<&EngineObject::start_capture>("startCapture"),
                           InstanceMethod<&EngineObject::end_capture>("endCapture"),
                           InstanceMethod<&EngineObject::describe_capture>("describeCapture"),
                           InstanceMethod<&EngineObject::captures>("captures"),
                           InstanceMethod<&EngineObject::fdb_add>("fdbAdd"),
                           InstanceMethod<&EngineObject::fdb_learn>("fdbLearn"),
                           InstanceMethod<&EngineObject::fdb_remove>("fdbRemove"),
                           InstanceMethod<&EngineObject::fdb_flush>("fdbFlush"),
                           InstanceMethod<&EngineObject::fdb_dump>("fdbDump"),
                           InstanceMethod<&EngineObject::fdb_find>("fdbFind"),
                           InstanceMethod<&EngineObject::fdb_learned>("fdbLearned"),
                           InstanceMethod<&EngineObject::drops_at>("dropsAt"),
                           InstanceMethod<&EngineObject::counters>("counters"),
                           InstanceMethod<&EngineObject::peer_counters>("peerCounters"),
                           InstanceMethod<&EngineObject::rounds>("rounds"),
                           InstanceMethod<&EngineObject::take_events>("takeEvents"),
                       });
  }

  explicit EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    source_ports_ = number_of(options, "sourcePorts");
    // One pending call is enough: it takes all events. It must not keep the process alive.
    wake_ = Napi::ThreadSafeFunction::New(info.Env(), options.Get("onEvents").As<Napi::Function>(), "weft-events", 1, 1);
    wake_.Unref(info.Env());
    // The worker calls wake_, so it is joined before the environment takes that away.
    cleanup_ = info.Env().AddCleanupHook(std::function<void()>([this] { engine_.reset(); }));
    guarded(info.Env(), [&] {
      engine_ = std::make_unique<Engine>(Engine::Options{
          .fdb_capacity = number_of(options, "fdbCapacity"),
          .merge_tcp = bool_of(options, "mergeTcp"),
          .merge_udp = bool_of(options, "mergeUdp"),
          .wake = [wake = wake_]() mutable { wake.NonBlockingCall(); },
      });
    });
  }

  ~EngineObject() override {
    cleanup_.Remove(Env());
    engine_.reset();
    wake_.Abort();
  }

 private:
  void start(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->start(); });
  }

  void stop(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->stop(); });
  }

  void set_underlay(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      const Napi::Object object = info[0].As<Napi::Object>();
      UnderlayOptions options{.ipv4 = own_address_of(object, "ipv4"),
                              .ipv6 = own_address_of(object, "ipv6"),
                              .ports = {},
                              .source_ports = source_ports_,
                              .accept_any = bool_of(object, "acceptAny"),
                              .udp_gso = bool_of(object, "udpGso"),
                              .udp_gro = bool_of(object, "udpGro")};
      const Napi::Array ports = object.Get("ports").As<Napi::Array>();
      for (uint32_t i = 0; i < ports.Length(); ++i) {
        options.ports.push_back(static_cast<uint16_t>(ports.Get(i).As<Napi::Number>().Uint32Value()));
      }
      engine_->set_underlay(options);
    });
  }

  void set_source_ports(const Napi::CallbackInfo& info) { source_ports_ = info[0].As<Napi::Number>().Uint32Value(); }

  Napi::Value offer_receiver(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const ReceiverKey key = engine_->offered_receivers().add(info[0].As<Napi::Number>().Int32Value());
      return receiver_object(info.Env(), key);
    });
  }

  void close_offered(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->offered_receivers().clear(); });
  }

  Napi::Value receivers(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Array array = Napi::Array::New(info.Env());
      const auto& underlay = engine_->tables().underlay;
      if (underlay == nullptr) return array;
      for (const auto& [key, receiver] : underlay->receivers_by_key()) {
        Napi::Object object = receiver_object(info.Env(), key);
        object.Set("fd", receiver->fd());
        array.Set(array.Length(), object);
      }
      return array;
    });
  }

  void set_port_offloads(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      const Napi::Object object = info[0].As<Napi::Object>();
      engine_->set_port_offloads({.tso = bool_of(object, "tso"),
                                  .uso = bool_of(object, "uso"),
                                  .coalesce_tcp = bool_of(object, "coalesceTcp"),
                                  .coalesce_udp = bool_of(object, "coalesceUdp")});
    });
  }

  Napi::Value add_network(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), engine_->add_network(network_options_of(info[0].As<Napi::Object>())));
    });
  }

  void update_network(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->update_network(handle(info[0]), network_options_of(info[1].As<Napi::Object>())); });
  }

  void remove_network(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->remove_network(handle(info[0])); });
  }

  Napi::Value add_port(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Object object = info[0].As<Napi::Object>();
      OwnedQueue queue(object.Get("fds").As<Napi::Array>());
      const PortOptions options{.network = static_cast<NetworkIndex>(number_of(object, "network")),
                                .group = number_of(object, "group"),
                                .guard = guard_of(object.Get("guard"))};
      return Napi::Number::New(info.Env(), engine_->add_port(options, queue.take()));
    });
  }

  void remove_port(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->remove_port(handle(info[0]), info[1].ToBoolean()); });
  }

  void set_guard(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->set_guard(handle(info[0]), guard_of(info[1])); });
  }

  void announce(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->announce(handle(info[0])); });
  }

  Napi::Value add_peer(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Number::New(info.Env(), engine_->add_peer(peer_options_of(info[0].As<Napi::Object>())));
    });
  }

  void update_peer(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->update_peer(handle(info[0]), peer_options_of(info[1].As<Napi::Object>())); });
  }

  void remove_peer(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->remove_peer(handle(info[0])); });
  }

  void send_offload_burst(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->check_offload(offload_burst_of(handle(info[0]), info[1].As<Napi::Object>())); });
  }

  void ask_about_burst(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      bool lossless = false;
      engine_->check_offload({.peer = handle(info[0]), .nonce = info[1].As<Napi::BigInt>().Uint64Value(&lossless)});
    });
  }

  void set_offload_corrupts(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->set_offload_corrupts(handle(info[0]), info[1].As<Napi::Boolean>().Value()); });
  }

  void set_busy_poll(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->set_busy_poll(info[0].As<Napi::Boolean>().Value()); });
  }

  void set_carry_checksum(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->set_carry_checksum(info[0].As<Napi::Boolean>().Value()); });
  }

  void set_self(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->set_self(host_self_of(info[0].As<Napi::Object>())); });
  }

  void send_hello(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      bool lossless = false;
      engine_->send_hello({.peer = handle(info[0]),
                           .nonce = info[1].As<Napi::BigInt>().Uint64Value(&lossless),
                           .bytes = info[2].As<Napi::Number>().Uint32Value()});
    });
  }

  void send_query(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->send_query(query_mail_of(handle(info[0]), info[1].As<Napi::Object>(), false)); });
  }

  void send_reply(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->send_query(query_mail_of(handle(info[0]), info[1].As<Napi::Object>(), true)); });
  }

  void send_unfinished(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->send_unfinished(handle(info[0]), info[1].As<Napi::Number>().Uint32Value()); });
  }

  Napi::Value start_capture(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Object object = info[0].As<Napi::Object>();
      return number(info.Env(), engine_->start_capture(capture_options_of(object), capture_socket_of(object)));
    });
  }

  void end_capture(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      engine_->end_capture(info[0].As<Napi::Number>().Uint32Value(), info[1].As<Napi::String>().Utf8Value());
    });
  }

  void describe_capture(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->describe_capture(capture_interface_of(info[0].As<Napi::Object>())); });
  }

  Napi::Value captures(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value { return captures_array(info.Env(), *engine_); });
  }

  void fdb_add(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      engine_->declare(handle(info[0]), mac_of(info[1].As<Napi::String>().Utf8Value()), where_of(info[2].As<Napi::Object>()));
    });
  }

  void fdb_learn(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      engine_->restore_learned(handle(info[0]), mac_of(info[1].As<Napi::String>().Utf8Value()), where_of(info[2].As<Napi::Object>()));
    });
  }

  Napi::Value fdb_remove(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), engine_->undeclare(handle(info[0]), mac_of(info[1].As<Napi::String>().Utf8Value())));
    });
  }

  void fdb_flush(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { engine_->flush_learned(optional_handle(info[0])); });
  }

  Napi::Value fdb_dump(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      const auto entries = engine_->dump_fdb(optional_handle(info[0]), info[1].As<Napi::Number>().Uint32Value());
      Napi::Array array = Napi::Array::New(env, entries.size());
      uint32_t at = 0;
      for (const FdbEntry& entry : entries) array.Set(at++, entry_object(env, entry));
      return array;
    });
  }

  Napi::Value fdb_find(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto entry = engine_->find_entry(handle(info[0]), mac_of(info[1].As<Napi::String>().Utf8Value()));
      return entry ? entry_object(info.Env(), *entry) : info.Env().Null();
    });
  }

  Napi::Value fdb_learned(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return number(info.Env(), engine_->fdb().learned_at(handle(info[0]), where_of(info[1].As<Napi::Object>())));
    });
  }

  Napi::Value drops_at(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      return drops_array(info.Env(), engine_->counters_of(where_of(info[0].As<Napi::Object>())).drops);
    });
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value { return all_counters(info.Env(), *engine_); });
  }

  Napi::Value peer_counters(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value { return all_peer_counters(info.Env(), *engine_); });
  }

  Napi::Value rounds(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value { return number(info.Env(), engine_->counters().rounds.get()); });
  }

  Napi::Value take_events(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      uint64_t lost = 0;
      const auto events = engine_->take_events(lost);
      Napi::Array array = Napi::Array::New(env, events.size());
      uint32_t at = 0;
      for (const Event& event : events) array.Set(at++, event_object(env, event));
      for (const QueryMail& mail : engine_->take_queries()) array.Set(at++, query_event(env, mail));
      for (const Engine::EndedCapture& ended : engine_->take_ended_captures()) array.Set(at++, ended_capture_object(env, ended));
      if (lost != 0) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("type", "events-lost");
        object.Set("count", number(env, lost));
        array.Set(at, object);
      }
      return array;
    });
  }

  static Napi::Object receiver_object(Napi::Env env, ReceiverKey key) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("family", key.first == Family::ipv6 ? "ipv6" : "ipv4");
    object.Set("port", key.second);
    return object;
  }
  static uint16_t handle(const Napi::Value& value) { return static_cast<uint16_t>(value.As<Napi::Number>().Uint32Value()); }
  static std::optional<NetworkIndex> optional_handle(const Napi::Value& value) {
    if (value.IsNull() || value.IsUndefined()) return std::nullopt;
    return handle(value);
  }

  uint32_t source_ports_ = 4;
  Napi::ThreadSafeFunction wake_;
  Napi::Env::CleanupHook<std::function<void()>> cleanup_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

void init_engine(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineObject::define(env));
  Napi::Array drops = Napi::Array::New(env, kDropCount);
  for (uint32_t i = 0; i < kDropCount; ++i) {
    Napi::Object drop = Napi::Object::New(env);
    drop.Set("name", kDropTable[i].name);
    drop.Set("fault", kDropTable[i].fault);
    drop.Set("stage", is_egress(static_cast<Drop>(i)) ? "egress" : "ingress");
    drop.Set("sentence", kDropTable[i].sentence);
    drops.Set(i, drop);
  }
  exports.Set("drops", drops);
}

}  // namespace weft

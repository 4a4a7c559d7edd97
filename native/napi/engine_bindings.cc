// The Engine class for JS: copies values into plain structs and back, nothing more.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/drop.h"
#include "engine/engine.h"
#include "napi/bindings.h"
#include "napi/offload_bindings.h"

namespace weft {
namespace {

std::string string_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::String>().Utf8Value(); }
uint32_t number_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Number>().Uint32Value(); }
bool bool_of(const Napi::Object& object, const char* name) { return object.Get(name).As<Napi::Boolean>().Value(); }

Mac mac_of(const std::string& text) {
  unsigned octet[6];
  int used = 0;
  if (sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%n", &octet[0], &octet[1], &octet[2], &octet[3], &octet[4], &octet[5], &used) != 6 ||
      static_cast<size_t>(used) != text.size()) {
    throw SysError(EINVAL, "MAC", text);
  }
  Mac mac = 0;
  for (const unsigned byte : octet) mac = mac << 8 | byte;
  return mac;
}

std::string mac_text(Mac mac) {
  char text[18];
  snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(mac >> 40 & 0xff),
           static_cast<unsigned>(mac >> 32 & 0xff), static_cast<unsigned>(mac >> 24 & 0xff), static_cast<unsigned>(mac >> 16 & 0xff),
           static_cast<unsigned>(mac >> 8 & 0xff), static_cast<unsigned>(mac & 0xff));
  return text;
}

Endpoint endpoint_of(const std::string& address, uint32_t port) {
  const auto endpoint = Endpoint::parse(address, static_cast<uint16_t>(port));
  if (!endpoint) throw SysError(EINVAL, "address", address);
  return *endpoint;
}

std::optional<Endpoint> own_address_of(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  return endpoint_of(value.As<Napi::String>().Utf8Value(), 0);
}

Destination where_of(const Napi::Object& where) {
  if (where.Has("port")) return {DestinationKind::port, static_cast<uint16_t>(number_of(where, "port"))};
  return {DestinationKind::peer, static_cast<uint16_t>(number_of(where, "peer"))};
}

Napi::Object where_object(Napi::Env env, Destination where) {
  Napi::Object object = Napi::Object::New(env);
  object.Set(where.kind == DestinationKind::port ? "port" : "peer", where.index);
  return object;
}

NetworkOptions network_options_of(const Napi::Object& object) {
  const Napi::Object fdb = object.Get("fdb").As<Napi::Object>();
  return {
      .vni = number_of(object, "vni"),
      .mtu = number_of(object, "mtu"),
      .vlan = bool_of(object, "vlan"),
      .fdb = {.age = number_of(fdb, "age"),
              .limit = number_of(fdb, "limit"),
              .limit_per_port = number_of(fdb, "limitPerPort"),
              .move_count = number_of(fdb, "moveCount"),
              .move_window = number_of(fdb, "moveWindow"),
              .move_freeze = number_of(fdb, "moveFreeze")},
  };
}

PeerOptions peer_options_of(const Napi::Object& object) {
  return {.endpoint = endpoint_of(string_of(object, "address"), number_of(object, "port")),
          .zero_checksum = bool_of(object, "zeroChecksum"),
          .offload = bool_of(object, "offload"),
          .mtu = number_of(object, "mtu")};
}

std::shared_ptr<const Guard> guard_of(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  const Napi::Object guard = value.As<Napi::Object>();
  const Napi::Array texts = guard.Get("addresses").As<Napi::Array>();
  std::vector<Endpoint> addresses;
  for (uint32_t i = 0; i < texts.Length(); ++i) {
    addresses.push_back(endpoint_of(texts.Get(i).As<Napi::String>().Utf8Value(), 0));
  }
  return std::make_shared<const Guard>(mac_of(string_of(guard, "mac")), std::move(addresses));
}

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }
Napi::Number number(Napi::Env env, const Counter& counter) { return number(env, counter.get()); }

Napi::Object counters_object(Napi::Env env, uint16_t handle, const DestinationCounters& counters) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("handle", handle);
  object.Set("rxFrames", number(env, counters.rx_frames));
  object.Set("rxBytes", number(env, counters.rx_bytes));
  object.Set("rxSuperFrames", number(env, counters.rx_super_frames));
  object.Set("rxDropped", number(env, counters.rx_dropped));
  object.Set("txFrames", number(env, counters.tx_frames));
  object.Set("txBytes", number(env, counters.tx_bytes));
  object.Set("txSuperFrames", number(env, counters.tx_super_frames));
  object.Set("txDropped", number(env, counters.tx_dropped));
  return object;
}

// Why an offload that is wanted is not used; null while it is used.
Napi::Value reason_value(Napi::Env env, const std::string& offload, const OffloadOff& off) {
  switch (off.state) {
    case OffloadState::refused:
      return Napi::String::New(env, offload + ": " + errno_name(off.error));
    case OffloadState::corrupts:
      return Napi::String::New(env, offload + ": what was sent did not arrive as it was");
    default:
      return env.Null();
  }
}

const char* name_of(Offload offload) {
  switch (offload) {
    case Offload::tcp_super_frames:
      return "TCP super-frames";
    case Offload::udp_super_frames:
      return "UDP super-frames";
    default:
      return "UDP_SEGMENT";
  }
}

// Of a port: both kinds of super-frames.
Napi::Value port_reason_value(Napi::Env env, const Port& port) {
  const Napi::Value tcp = reason_value(env, name_of(Offload::tcp_super_frames), port.tcp_super_frames.get());
  const Napi::Value udp = reason_value(env, name_of(Offload::udp_super_frames), port.udp_super_frames.get());
  if (tcp.IsNull() || udp.IsNull()) return tcp.IsNull() ? udp : tcp;
  return Napi::String::New(env, tcp.ToString().Utf8Value() + ", " + udp.ToString().Utf8Value());
}

Napi::Object event_object(Napi::Env env, const Event& event) {
  Napi::Object object = Napi::Object::New(env);
  const auto set_mac = [&](const char* type) {
    object.Set("type", type);
    object.Set("network", event.network);
    object.Set("mac", mac_text(event.mac));
    object.Set("where", where_object(env, event.where));
  };
  switch (event.type) {
    case EventType::mac_learned:
      set_mac("mac-learned");
      break;
    case EventType::mac_moved:
      set_mac("mac-moved");
      break;
    case EventType::mac_frozen:
      set_mac("mac-frozen");
      break;
    case EventType::port_gone:
      object.Set("type", "port-gone");
      object.Set("port", event.where.index);
      break;
    case EventType::port_error:
      object.Set("type", "port-error");
      object.Set("port", event.where.index);
      object.Set("error", errno_name(event.error));
      break;
    case EventType::peer_offload_disabled:
      object.Set("type", "peer-offload-disabled");
      object.Set("peer", event.where.index);
      object.Set("reason", reason_value(env, name_of(event.offload), event.off));
      break;
    case EventType::port_offload_disabled:
      object.Set("type", "port-offload-disabled");
      object.Set("port", event.where.index);
      object.Set("reason", reason_value(env, name_of(event.offload), event.off));
      break;
    case EventType::peer_too_big:
      object.Set("type", "peer-too-big");
      object.Set("peer", event.where.index);
      break;
    case EventType::address_conflict:
      set_mac("address-conflict");
      object.Set("port", event.port);
      object.Set("address", event.address.text());
      break;
    case EventType::offload_report:
      object.Set("type", "offload-report");
      set_offload_report(object, event);
      break;
    case EventType::stranger:
      object.Set("type", "stranger");
      object.Set("address", event.address.text());
      break;
  }
  return object;
}

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
                           InstanceMethod<&EngineObject::fdb_add>("fdbAdd"),
                           InstanceMethod<&EngineObject::fdb_remove>("fdbRemove"),
                           InstanceMethod<&EngineObject::fdb_flush>("fdbFlush"),
                           InstanceMethod<&EngineObject::fdb_dump>("fdbDump"),
                           InstanceMethod<&EngineObject::counters>("counters"),
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

  void fdb_add(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] {
      engine_->declare(handle(info[0]), mac_of(info[1].As<Napi::String>().Utf8Value()), where_of(info[2].As<Napi::Object>()));
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
      for (const FdbEntry& entry : entries) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("network", entry.network);
        object.Set("mac", mac_text(entry.mac));
        object.Set("where", where_object(env, entry.where));
        object.Set("declared", entry.declared);
        object.Set("frozen", entry.frozen);
        object.Set("idle", entry.idle);
        array.Set(at++, object);
      }
      return array;
    });
  }

  Napi::Value counters(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      const WorkerCounters& all = engine_->counters();
      const Tables& tables = engine_->tables();
      Napi::Object object = Napi::Object::New(env);
      object.Set("received", number(env, all.received));
      object.Set("unicast", number(env, all.unicast));
      object.Set("flooded", number(env, all.flooded));
      object.Set("consumed", number(env, all.consumed));
      object.Set("queued", number(env, all.queued));
      object.Set("sent", number(env, all.sent));
      object.Set("rounds", number(env, all.rounds));
      object.Set("pathMtuAnswered", number(env, all.path_mtu_answered));
      object.Set("pathMtuUnanswered", number(env, all.path_mtu_unanswered));
      Napi::Array dropped = Napi::Array::New(env, kDropCount);
      for (uint32_t i = 0; i < kDropCount; ++i) dropped.Set(i, number(env, all.dropped[i]));
      object.Set("dropped", dropped);
      object.Set("ports", port_counters(env, tables));
      object.Set("peers", peer_counters(env, tables));
      object.Set("networks", network_counters(env, tables));
      object.Set("fdb", fdb_counters(env));
      uint64_t overflow = 0;
      if (tables.underlay != nullptr) {
        for (const auto& receiver : tables.underlay->receivers()) overflow += receiver->overflow();
      }
      object.Set("underlayOverflow", number(env, overflow));
      return object;
    });
  }

  Napi::Array port_counters(Napi::Env env, const Tables& tables) const {
    Napi::Array array = Napi::Array::New(env);
    for (const Port* port : tables.ports) {
      if (port == nullptr) continue;
      Napi::Object object = counters_object(env, port->index, port->counters);
      object.Set("gone", port->gone.load(std::memory_order_relaxed));
      Napi::Array refused = Napi::Array::New(env, kGuardDrops);
      for (uint32_t i = 0; i < kGuardDrops; ++i) refused.Set(i, number(env, port->refused[i]));
      object.Set("refused", refused);
      object.Set("offloadDisabled", port_reason_value(env, *port));
      array.Set(array.Length(), object);
    }
    return array;
  }

  Napi::Array peer_counters(Napi::Env env, const Tables& tables) const {
    Napi::Array array = Napi::Array::New(env);
    for (const Peer* peer : tables.flood_peers) {
      Napi::Object object = counters_object(env, peer->index, peer->counters);
      object.Set("offloadDisabled", reason_value(env, name_of(Offload::udp_segment), peer->state->udp_segment.get()));
      const Seconds last = peer->state->last_received.load(std::memory_order_relaxed);
      object.Set("idle", last == 0 ? env.Null() : Napi::Number::New(env, Engine::now() - last));
      array.Set(array.Length(), object);
    }
    return array;
  }

  Napi::Array network_counters(Napi::Env env, const Tables& tables) const {
    Napi::Array array = Napi::Array::New(env);
    for (const Network& network : tables.networks) {
      if (!network.used) continue;
      const Fdb::Count count = engine_->fdb().count(network.index);
      Napi::Object object = Napi::Object::New(env);
      object.Set("handle", network.index);
      object.Set("learned", count.learned);
      object.Set("declared", count.declared);
      array.Set(array.Length(), object);
    }
    return array;
  }

  Napi::Object fdb_counters(Napi::Env env) const {
    const FdbCounters counters = engine_->fdb().counters();
    Napi::Object object = Napi::Object::New(env);
    object.Set("learned", number(env, counters.learned));
    object.Set("moved", number(env, counters.moved));
    object.Set("expired", number(env, counters.expired));
    object.Set("evicted", number(env, counters.evicted));
    object.Set("flushed", number(env, counters.flushed));
    object.Set("frozen", number(env, counters.frozen));
    object.Set("refusedPort", number(env, counters.refused_port));
    object.Set("refusedNetwork", number(env, counters.refused_network));
    object.Set("memoryBytes", number(env, engine_->fdb().memory_bytes()));
    return object;
  }

  Napi::Value take_events(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const Napi::Env env = info.Env();
      uint64_t lost = 0;
      const auto events = engine_->take_events(lost);
      Napi::Array array = Napi::Array::New(env, events.size());
      uint32_t at = 0;
      for (const Event& event : events) array.Set(at++, event_object(env, event));
      if (lost != 0) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("type", "events-lost");
        object.Set("count", number(env, lost));
        array.Set(at, object);
      }
      return array;
    });
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

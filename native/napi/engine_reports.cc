#include "napi/engine_reports.h"

#include <cstdio>

#include "napi/hello_bindings.h"
#include "napi/offload_bindings.h"
#include "sys/sys_error.h"

namespace weft {

std::string mac_text(Mac mac) {
  char text[18];
  snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(mac >> 40 & 0xff),
           static_cast<unsigned>(mac >> 32 & 0xff), static_cast<unsigned>(mac >> 24 & 0xff), static_cast<unsigned>(mac >> 16 & 0xff),
           static_cast<unsigned>(mac >> 8 & 0xff), static_cast<unsigned>(mac & 0xff));
  return text;
}

Napi::Number number(Napi::Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }
static Napi::Number number(Napi::Env env, const Counter& counter) { return number(env, counter.get()); }

Napi::Object where_object(Napi::Env env, Destination where) {
  Napi::Object object = Napi::Object::New(env);
  object.Set(where.kind == DestinationKind::port ? "port" : "peer", where.index);
  return object;
}

Napi::Object entry_object(Napi::Env env, const FdbEntry& entry) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("network", entry.network);
  object.Set("mac", mac_text(entry.mac));
  object.Set("where", where_object(env, entry.where));
  object.Set("declared", entry.declared);
  object.Set("frozen", entry.frozen);
  object.Set("idle", entry.idle);
  return object;
}

Napi::Array drops_array(Napi::Env env, const DropLog& log) {
  Napi::Array array = Napi::Array::New(env);
  const Seconds now = Engine::now();
  for (uint32_t i = 0; i < kDropCount; ++i) {
    const uint64_t frames = log.frames[i].get();
    const Seconds last = log.last[i].load(std::memory_order_relaxed);
    if (frames == 0) continue;
    Napi::Object object = Napi::Object::New(env);
    object.Set("reason", i);
    object.Set("frames", number(env, frames));
    object.Set("idle", now < last ? 0 : now - last);
    array.Set(array.Length(), object);
  }
  return array;
}

namespace {

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

Napi::Array port_counters(Napi::Env env, const Tables& tables) {
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

Napi::Array peer_counters(Napi::Env env, const Tables& tables) {
  Napi::Array array = Napi::Array::New(env);
  for (const Peer* peer : tables.flood_peers) {
    Napi::Object object = counters_object(env, peer->index, peer->counters);
    object.Set("offloadDisabled", reason_value(env, name_of(Offload::udp_segment), peer->state->udp_segment.get()));
    const Seconds last = peer->state->last_received.load(std::memory_order_relaxed);
    object.Set("carryChecksum", Engine::now() < peer->state->unfinished_until.load(std::memory_order_relaxed));
    object.Set("idle", last == 0 ? env.Null() : Napi::Number::New(env, Engine::now() - last));
    const Seconds hello = peer->state->last_hello.load(std::memory_order_relaxed);
    object.Set("helloIdle", hello == 0 ? env.Null() : Napi::Number::New(env, Engine::now() - hello));
    array.Set(array.Length(), object);
  }
  return array;
}

Napi::Array network_counters(Napi::Env env, const Engine& engine) {
  Napi::Array array = Napi::Array::New(env);
  for (const Network& network : engine.tables().networks) {
    if (!network.used) continue;
    const Fdb::Count count = engine.fdb().count(network.index);
    Napi::Object object = Napi::Object::New(env);
    object.Set("handle", network.index);
    object.Set("learned", count.learned);
    object.Set("declared", count.declared);
    array.Set(array.Length(), object);
  }
  return array;
}

Napi::Object fdb_counters(Napi::Env env, const Fdb& fdb) {
  const FdbCounters counters = fdb.counters();
  Napi::Object object = Napi::Object::New(env);
  object.Set("learned", number(env, counters.learned));
  object.Set("moved", number(env, counters.moved));
  object.Set("expired", number(env, counters.expired));
  object.Set("evicted", number(env, counters.evicted));
  object.Set("flushed", number(env, counters.flushed));
  object.Set("frozen", number(env, counters.frozen));
  object.Set("refusedPort", number(env, counters.refused_port));
  object.Set("refusedNetwork", number(env, counters.refused_network));
  object.Set("memoryBytes", number(env, fdb.memory_bytes()));
  return object;
}

}  // namespace

Napi::Array all_peer_counters(Napi::Env env, const Engine& engine) { return peer_counters(env, engine.tables()); }

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
    case EventType::hello_answer:
      object.Set("type", "hello-answer");
      set_hello_answer(object, event);
      break;
    case EventType::hello_failed:
      object.Set("type", "hello-failed");
      object.Set("peer", event.where.index);
      object.Set("nonce", Napi::BigInt::New(env, event.nonce));
      object.Set("error", errno_name(event.error));
      break;
    case EventType::hello_misplaced:
      object.Set("type", "hello-misplaced");
      object.Set("peer", event.where.index);
      object.Set("address", event.address.text());
      break;
    case EventType::stranger:
      object.Set("type", "stranger");
      object.Set("address", event.address.text());
      break;
  }
  return object;
}

Napi::Object all_counters(Napi::Env env, const Engine& engine) {
  const WorkerCounters& all = engine.counters();
  const Tables& tables = engine.tables();
  Napi::Object object = Napi::Object::New(env);
  object.Set("received", number(env, all.received));
  object.Set("unicast", number(env, all.unicast));
  object.Set("flooded", number(env, all.flooded));
  object.Set("consumed", number(env, all.consumed));
  object.Set("queued", number(env, all.queued));
  object.Set("sent", number(env, all.sent));
  object.Set("rounds", number(env, all.rounds));
  object.Set("polled", number(env, all.polled));
  object.Set("idleSeconds", static_cast<double>(all.waited_ns.get()) / 1e9);
  object.Set("pathMtuAnswered", number(env, all.path_mtu_answered));
  object.Set("pathMtuUnanswered", number(env, all.path_mtu_unanswered));
  Napi::Array dropped = Napi::Array::New(env, kDropCount);
  for (uint32_t i = 0; i < kDropCount; ++i) dropped.Set(i, number(env, all.dropped[i]));
  object.Set("dropped", dropped);
  object.Set("ports", port_counters(env, tables));
  object.Set("peers", peer_counters(env, tables));
  object.Set("networks", network_counters(env, engine));
  object.Set("fdb", fdb_counters(env, engine.fdb()));
  uint64_t overflow = 0;
  if (tables.underlay != nullptr) {
    for (const auto& receiver : tables.underlay->receivers()) overflow += receiver->overflow();
  }
  object.Set("underlayOverflow", number(env, overflow));
  return object;
}

}  // namespace weft

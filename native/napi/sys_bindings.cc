// native/sys for JS: copies values in and out, nothing more.
#include <optional>
#include <string>
#include <vector>

#include "io/self_test.h"
#include "napi/bindings.h"
#include "sys/credentials.h"
#include "sys/duplicate_address.h"
#include "sys/end_process.h"
#include "sys/link.h"
#include "sys/lock.h"
#include "sys/neighbour_table.h"
#include "sys/netns.h"
#include "sys/notify.h"
#include "sys/path.h"
#include "sys/path_probe.h"
#include "sys/probe.h"
#include "sys/tap.h"

namespace weft {

namespace {

// Of the start; only a busy host needs more than a tenth of it.
constexpr std::chrono::milliseconds kSelfTestLimit{500};

std::string text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

NetnsPath netns_path(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return std::nullopt;
  return text(value);
}

bool given(const Napi::Object& object, const char* key) { return !object.Get(key).IsUndefined(); }
uint32_t number(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::Number>().Uint32Value(); }
bool flag(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::Boolean>().Value(); }

Napi::Value text_or_null(Napi::Env env, const std::optional<std::string>& value) {
  return value ? static_cast<Napi::Value>(Napi::String::New(env, *value)) : env.Null();
}

Napi::Array to_array(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); i++) array.Set(i, values[i]);
  return array;
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Probe found = probe_system();
    const OffloadFaults faults = test_offloads(kSelfTestLimit);
    Napi::Object result = Napi::Object::New(env);
    result.Set("kernel", found.kernel);
    result.Set("tun", found.tun_error == 0);
    result.Set("tunError", found.tun_error == 0 ? env.Null() : Napi::String::New(env, errno_name(found.tun_error)));
    const auto fault = [&](bool has, const std::string& told) -> Napi::Value {
      if (!has) return Napi::String::New(env, "not in this kernel");
      return told.empty() ? env.Null() : Napi::String::New(env, told);
    };
    Napi::Object offloads = Napi::Object::New(env);
    offloads.Set("tso", fault(found.tso, {}));
    offloads.Set("uso", fault(found.uso, {}));
    offloads.Set("coalesceTcp", fault(found.tso, faults.tcp_super_frames));
    offloads.Set("coalesceUdp", fault(found.uso, faults.udp_super_frames));
    offloads.Set("udpGso", fault(found.udp_gso, faults.udp_segment));
    offloads.Set("udpGro", fault(found.udp_gro, faults.udp_gro));
    result.Set("offloads", offloads);
    result.Set("notTested", faults.not_tested.empty() ? env.Null() : Napi::String::New(env, faults.not_tested));
    result.Set("capNetAdmin", found.cap_net_admin);
    result.Set("capSysAdmin", found.cap_sys_admin);
    return result;
  });
}

Napi::Value js_netns_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const NetnsInfo found = netns_info(netns_path(info[0]));
    Napi::Object result = Napi::Object::New(env);
    result.Set("cookie", std::to_string(found.cookie));
    result.Set("inode", std::to_string(found.inode));
    return result;
  });
}

Napi::Object to_tap_result(Napi::Env env, Tap& tap) {
  Napi::Object result = Napi::Object::New(env);
  Napi::Array fds = Napi::Array::New(env, tap.queues.size());
  result.Set("fds", fds);
  result.Set("ifindex", tap.ifindex);
  result.Set("tso", tap.tso);
  result.Set("uso", tap.uso);
  for (uint32_t i = 0; i < tap.queues.size(); i++) fds.Set(i, tap.queues[i].get());
  for (UniqueFd& fd : tap.queues) fd.release();  // JS owns them now, after the last call that can throw
  return result;
}

Napi::Value tap_create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Object options = info[0].As<Napi::Object>();
    TapOptions wanted;
    wanted.netns = netns_path(options.Get("netns"));
    wanted.ifname = text(options.Get("ifname"));
    wanted.mac = text(options.Get("mac"));
    wanted.mtu = number(options, "mtu");
    const Napi::Array addresses = options.Get("addresses").As<Napi::Array>();
    for (uint32_t i = 0; i < addresses.Length(); i++) wanted.addresses.push_back(text(addresses.Get(i)));
    wanted.alias = text(options.Get("alias"));
    wanted.queues = static_cast<int>(number(options, "queues"));
    wanted.tso = flag(options, "tso");
    wanted.uso = flag(options, "uso");
    wanted.gso_max_size = number(options, "gsoMaxSize");
    wanted.gso_max_segs = number(options, "gsoMaxSegs");
    wanted.up = !given(options, "up") || flag(options, "up");
    Tap tap = create_tap(wanted);
    return to_tap_result(env, tap);
  });
}

Napi::Value tap_reattach(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Object options = info[0].As<Napi::Object>();
    TapReattachOptions wanted;
    wanted.netns = netns_path(options.Get("netns"));
    wanted.ifname = text(options.Get("ifname"));
    wanted.alias = text(options.Get("alias"));
    wanted.queues = static_cast<int>(number(options, "queues"));
    wanted.tso = flag(options, "tso");
    wanted.uso = flag(options, "uso");
    Tap tap = reattach_tap(wanted);
    return to_tap_result(env, tap);
  });
}

Napi::Value tap_identify(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const TapIdentity tap = identify_tap(info[0].As<Napi::Number>().Int32Value());
    Napi::Object result = Napi::Object::New(env);
    result.Set("ifname", tap.ifname);
    result.Set("alias", tap.alias);
    result.Set("cookie", std::to_string(tap.cookie));
    result.Set("pins", tap.pins);
    return result;
  });
}

Napi::Object to_js_link(Napi::Env env, const Link& link) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("ifindex", link.ifindex);
  result.Set("ifname", link.ifname);
  result.Set("mac", link.mac);
  result.Set("mtu", link.mtu);
  result.Set("up", link.up);
  result.Set("carrier", link.carrier);
  result.Set("alias", text_or_null(env, link.alias));
  result.Set("kind", text_or_null(env, link.kind));
  result.Set("qdisc", text_or_null(env, link.qdisc));
  result.Set("addresses", to_array(env, link.addresses));
  return result;
}

Napi::Array to_js_links(Napi::Env env, const std::vector<Link>& links) {
  Napi::Array result = Napi::Array::New(env, links.size());
  for (uint32_t i = 0; i < links.size(); i++) result.Set(i, to_js_link(env, links[i]));
  return result;
}

Napi::Value links(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const std::vector<Link> found = in_netns(netns_path(info[0]), [] {
      NetlinkSocket netlink;
      return list_links(netlink);
    });
    return to_js_links(env, found);
  });
}

Napi::Value links_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Array given = info[0].As<Napi::Array>();
    std::vector<std::string> paths;
    for (uint32_t i = 0; i < given.Length(); i++) paths.push_back(text(given.Get(i)));
    std::vector<std::vector<Link>> found(paths.size());
    const auto refused = in_each_netns(paths, [&](size_t i) {
      NetlinkSocket netlink;
      found[i] = list_links(netlink);
    });
    Napi::Array result = Napi::Array::New(env, paths.size());
    for (uint32_t i = 0; i < paths.size(); i++) {
      if (refused[i]) {
        result.Set(i, to_js_error(env, *refused[i]).Value());
      } else {
        result.Set(i, to_js_links(env, found[i]));
      }
    }
    return result;
  });
}

Napi::Value neighbour(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const std::string ifname = text(info[1]);
    const std::string address = text(info[2]);
    const std::optional<NeighbourEntry> found = in_netns(netns_path(info[0]), [&] {
      NetlinkSocket netlink;
      return find_neighbour(netlink, ifname, address);
    });
    if (!found) return env.Null();
    Napi::Object result = Napi::Object::New(env);
    result.Set("mac", found->mac.empty() ? env.Null() : Napi::String::New(env, found->mac));
    result.Set("failed", found->failed);
    return result;
  });
}

Napi::Value link_delete(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const std::string ifname = text(info[1]);
    const std::string alias_prefix = text(info[2]);
    const bool deleted = in_netns(netns_path(info[0]), [&] {
      NetlinkSocket netlink;
      return delete_tagged_link(netlink, ifname, alias_prefix);
    });
    return Napi::Boolean::New(env, deleted);
  });
}

void link_set(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const std::string ifname = text(info[1]);
    const Napi::Object wanted = info[2].As<Napi::Object>();
    LinkChange change;
    if (given(wanted, "mtu")) change.mtu = number(wanted, "mtu");
    if (given(wanted, "up")) change.up = flag(wanted, "up");
    if (given(wanted, "mac")) change.mac = text(wanted.Get("mac"));
    if (given(wanted, "alias")) change.alias = text(wanted.Get("alias"));
    if (given(wanted, "gsoMaxSize")) change.gso_max_size = number(wanted, "gsoMaxSize");
    if (given(wanted, "gsoMaxSegs")) change.gso_max_segs = number(wanted, "gsoMaxSegs");
    const bool noqueue = given(wanted, "noqueue") && flag(wanted, "noqueue");
    in_netns(netns_path(info[0]), [&] {
      NetlinkSocket netlink;
      const int ifindex = require_link(netlink, ifname).ifindex;
      change_link(netlink, ifindex, change);
      if (noqueue) set_noqueue(netlink, ifindex);
    });
  });
}

void change_address(const Napi::CallbackInfo& info, void (*change)(NetlinkSocket&, int, const std::string&)) {
  guarded(info.Env(), [&] {
    const std::string ifname = text(info[1]);
    const std::string address = text(info[2]);
    in_netns(netns_path(info[0]), [&] {
      NetlinkSocket netlink;
      change(netlink, require_link(netlink, ifname).ifindex, address);
    });
  });
}

void address_add(const Napi::CallbackInfo& info) { change_address(info, add_address); }
void address_remove(const Napi::CallbackInfo& info) { change_address(info, remove_address); }

Napi::Value js_path_mtu(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), path_mtu(text(info[0]))); });
}

Napi::Value js_source_address(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), source_address(text(info[0]))); });
}

std::chrono::milliseconds milliseconds(const Napi::Value& value) {
  return std::chrono::milliseconds(value.As<Napi::Number>().Uint32Value());
}

Napi::Value js_probe_paths(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Napi::Array wanted = info[0].As<Napi::Array>();
    std::vector<PathProbe> probes;
    for (uint32_t i = 0; i < wanted.Length(); i++) {
      const Napi::Object probe = wanted.Get(i).As<Napi::Object>();
      const uint16_t port = probe.Get("port").IsNull() ? uint16_t{0} : static_cast<uint16_t>(number(probe, "port"));
      probes.push_back({text(probe.Get("address")), port, number(probe, "bytes")});
    }
    const std::vector<PathAnswer> answers = probe_paths(probes, milliseconds(info[1]));
    Napi::Array result = Napi::Array::New(env, answers.size());
    for (uint32_t i = 0; i < answers.size(); i++) {
      const PathAnswer& answer = answers[i];
      Napi::Object told = Napi::Object::New(env);
      told.Set("answered", answer.answered);
      told.Set("error", answer.error == 0 ? env.Null() : Napi::String::New(env, errno_name(answer.error)));
      told.Set("from", answer.from.empty() ? env.Null() : Napi::String::New(env, answer.from));
      told.Set("mtu", answer.mtu == 0 ? env.Null() : Napi::Number::New(env, answer.mtu));
      result.Set(i, told);
    }
    return result;
  });
}

Napi::Value js_find_duplicate_address(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    return text_or_null(env, find_duplicate_address(text(info[0]), text(info[1]), milliseconds(info[2])));
  });
}

Napi::Value js_peer_credentials(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const PeerCredentials peer = peer_credentials(info[0].As<Napi::Number>().Int32Value());
    Napi::Object result = Napi::Object::New(env);
    result.Set("pid", peer.pid);
    result.Set("uid", peer.uid);
    result.Set("gid", peer.gid);
    return result;
  });
}

Napi::Value lock(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), take_lock(text(info[0]))); });
}

Napi::Value lock_file_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Boolean::New(info.Env(), lock_file(info[0].As<Napi::Number>().Int32Value()));
  });
}

Napi::Value notify(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::vector<int> fds;
    if (info[1].IsArray()) {
      const Napi::Array given_fds = info[1].As<Napi::Array>();
      for (uint32_t i = 0; i < given_fds.Length(); i++) fds.push_back(given_fds.Get(i).As<Napi::Number>().Int32Value());
    }
    return Napi::Boolean::New(info.Env(), notify_service_manager(text(info[0]), fds));
  });
}

Napi::Value end_process_with(const Napi::CallbackInfo& info) { end_process(info[0].As<Napi::Number>().Int32Value()); }

}  // namespace

void init_sys(Napi::Env env, Napi::Object exports) {
  exports.Set("probe", Napi::Function::New(env, probe, "probe"));
  exports.Set("netnsInfo", Napi::Function::New(env, js_netns_info, "netnsInfo"));
  exports.Set("tapCreate", Napi::Function::New(env, tap_create, "tapCreate"));
  exports.Set("tapReattach", Napi::Function::New(env, tap_reattach, "tapReattach"));
  exports.Set("tapIdentify", Napi::Function::New(env, tap_identify, "tapIdentify"));
  exports.Set("links", Napi::Function::New(env, links, "links"));
  exports.Set("linksOf", Napi::Function::New(env, links_of, "linksOf"));
  exports.Set("neighbour", Napi::Function::New(env, neighbour, "neighbour"));
  exports.Set("linkDelete", Napi::Function::New(env, link_delete, "linkDelete"));
  exports.Set("linkSet", Napi::Function::New(env, link_set, "linkSet"));
  exports.Set("addressAdd", Napi::Function::New(env, address_add, "addressAdd"));
  exports.Set("addressRemove", Napi::Function::New(env, address_remove, "addressRemove"));
  exports.Set("pathMtu", Napi::Function::New(env, js_path_mtu, "pathMtu"));
  exports.Set("sourceAddress", Napi::Function::New(env, js_source_address, "sourceAddress"));
  exports.Set("probePaths", Napi::Function::New(env, js_probe_paths, "probePaths"));
  exports.Set("findDuplicateAddress", Napi::Function::New(env, js_find_duplicate_address, "findDuplicateAddress"));
  exports.Set("peerCredentials", Napi::Function::New(env, js_peer_credentials, "peerCredentials"));
  exports.Set("lock", Napi::Function::New(env, lock, "lock"));
  exports.Set("lockFile", Napi::Function::New(env, lock_file_of, "lockFile"));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  exports.Set("endProcess", Napi::Function::New(env, end_process_with, "endProcess"));
}

}  // namespace weft

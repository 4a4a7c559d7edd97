#include "engine/engine.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <string>

#include "sys/sys_error.h"

namespace weft {
namespace {

constexpr size_t kMostCaptures = 4;
// For how long a reader that stalls is waited for once its capture has been ended, and when weftd stops.
constexpr uint32_t kPatienceMilliseconds = 2000;
constexpr uint32_t kLastWordsMilliseconds = 200;

Fdb::Seed random_seed() {
  Fdb::Seed seed{};
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) throw SysError(errno, "getrandom", "no random numbers");
  return seed;
}

}  // namespace

Engine::Engine(Options options)
    : events_(options.wake),
      fdb_(random_seed(), options.fdb_capacity),
      tables_(std::make_shared<Tables>()),
      port_offloads_{.coalesce_tcp = options.merge_tcp, .coalesce_udp = options.merge_udp},
      wake_(std::move(options.wake)),
      worker_(fdb_, events_, {}) {}

Engine::~Engine() { stop(); }

void Engine::start() { worker_.start(); }

void Engine::stop() {
  worker_.stop();
  for (const auto& capture : captures_) capture->end("weftd stops", kLastWordsMilliseconds);
  auto tables = next();
  tables->captures.clear();
  tables->underlay.reset();
  for (Port*& port : tables->ports) port = nullptr;
  for (Network& network : tables->networks) network.ports.clear();
  publish(std::move(tables));
  captures_.clear();
  // Whoever comes next may need the sockets' ports, and would share the queues of the TAPs.
  offered_.clear();
  for (auto& port : ports_) port.reset();
}

Seconds Engine::now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<Seconds>(now.tv_sec) + 1;
}

std::shared_ptr<Tables> Engine::next() const {
  auto tables = std::make_shared<Tables>(*tables_);
  ++tables->version;
  return tables;
}

void Engine::publish(std::shared_ptr<Tables> tables) {
  tables->flood_peers.clear();
  for (Peer* peer : tables->peers) {
    if (peer != nullptr) tables->flood_peers.push_back(peer);
  }
  tables->peer_index.build(tables->peers);
  tables->vni_index.build(tables->networks);
  tables->guarded.build(tables->ports);
  tables_ = tables;
  worker_.publish(std::move(tables));
}

template <typename IsFree>
size_t Engine::free_index(CaptureTarget::Kind kind, size_t size, size_t limit, const char* what, IsFree is_free) {
  const auto find = [&] {
    size_t index = 0;
    while (index < size && !(is_free(index) && !retired_.contains({kind, index}))) ++index;
    return index;
  };
  size_t index = find();
  if (index == limit && !retired_.empty()) {
    for (const auto& capture : captures_) end_capture(capture->id(), std::string("no number was left for another ") + what);
    retired_.clear();
    index = find();
  }
  if (index == limit) throw SysError(ENOSPC, what, std::string("no room for another ") + what);
  return index;
}

void Engine::set_underlay(const UnderlayOptions& options) {
  SocketError error;
  const auto former = tables_->underlay;
  auto underlay = Underlay::open(options, former.get(), offered_, error);
  if (underlay == nullptr) throw SysError(error.error, error.operation, error.text);
  // One that is closed leaves the worker's list by itself, unless the service manager has a copy of its descriptor.
  if (former != nullptr) {
    for (const auto& [key, receiver] : former->receivers_by_key()) {
      if (!underlay->receivers_by_key().contains(key)) worker_.unwatch(receiver->fd());
    }
  }
  auto tables = next();
  tables->underlay = underlay;
  publish(std::move(tables));
  for (const auto& receiver : underlay->receivers()) worker_.watch_receiver(receiver->fd());
}

void Engine::set_port_offloads(const PortOffloads& offloads) {
  port_offloads_ = offloads;
  for (const auto& port : ports_) {
    if (port != nullptr) apply_offloads(*port);
  }
}

void Engine::apply_offloads(Port& port) const {
  const TunOffloads taken = port.queue->set_offloads({port_offloads_.tso, port_offloads_.uso});
  const auto want = [](OffloadSwitch& offload, bool wanted) {
    if (wanted) {
      offload.take_back(OffloadState::unwanted);
    } else {
      offload.set(OffloadState::unwanted);
    }
  };
  want(port.tcp_super_frames, taken.tso && port_offloads_.coalesce_tcp);
  want(port.udp_super_frames, taken.uso && port_offloads_.coalesce_udp);
}

const Network& Engine::network_at(NetworkIndex index) const {
  if (index >= tables_->networks.size() || !tables_->networks[index].used) throw SysError(ENOENT, "network", "no such network");
  return tables_->networks[index];
}

Port& Engine::port_at(uint16_t index) const {
  if (index >= ports_.size() || ports_[index] == nullptr) throw SysError(ENOENT, "port", "no such port");
  return *ports_[index];
}

Peer& Engine::peer_at(uint16_t index) const {
  if (index >= peers_.size() || peers_[index] == nullptr) throw SysError(ENOENT, "peer", "no such peer");
  return *peers_[index];
}

NetworkIndex Engine::add_network(const NetworkOptions& options) {
  if (tables_->vni_index.find(options.vni) != VniIndex::kNone) throw SysError(EEXIST, "network", "the VNI is in use");
  const auto index = static_cast<NetworkIndex>(free_index(CaptureTarget::Kind::network, tables_->networks.size(), kMaxNetworks, "network",
                                                          [this](size_t at) { return !tables_->networks[at].used; }));
  auto tables = next();
  if (index == tables->networks.size()) tables->networks.emplace_back();
  tables->networks[index] = {.index = index, .used = true, .options = options, .ports = {}};
  fdb_.set_limits(index, options.fdb);
  publish(std::move(tables));
  return index;
}

void Engine::update_network(NetworkIndex index, const NetworkOptions& options) {
  network_at(index);
  const uint32_t holder = tables_->vni_index.find(options.vni);
  if (holder != VniIndex::kNone && holder != index) throw SysError(EEXIST, "network", "the VNI is in use");
  auto tables = next();
  tables->networks[index].options = options;
  fdb_.set_limits(index, options.fdb);
  publish(std::move(tables));
}

void Engine::remove_network(NetworkIndex index) {
  if (!network_at(index).ports.empty()) throw SysError(EBUSY, "network", "the network has ports");
  end_captures_of(CaptureTarget::Kind::network, index, "the network was removed");
  auto tables = next();
  tables->networks[index] = {};
  publish(std::move(tables));
  fdb_.flush_network(index);
  retire(CaptureTarget::Kind::network, index);
}

uint16_t Engine::add_port(const PortOptions& options, std::unique_ptr<TapQueue> queue) {
  network_at(options.network);
  const auto index = static_cast<uint16_t>(free_index(CaptureTarget::Kind::port, ports_.size(), kMaxDestinations - 1, "port",
                                                      [this](size_t at) { return ports_[at] == nullptr; }));
  auto tables = next();
  if (index == ports_.size()) {
    ports_.emplace_back();
    tables->ports.push_back(nullptr);
  }
  auto port = std::make_unique<Port>();
  port->index = index;
  port->options = options;
  port->queue = std::move(queue);
  apply_offloads(*port);
  tables->ports[index] = port.get();
  tables->networks[options.network].ports.push_back(port.get());
  ports_[index] = std::move(port);
  publish(std::move(tables));
  worker_.watch_port(*ports_[index]);
  return index;
}

void Engine::remove_port(uint16_t index, bool destroy) {
  Port& port = port_at(index);
  end_captures_of(CaptureTarget::Kind::port, index, "the port was removed");
  // First nothing points at the port any more, then the worker forgets it, then it is closed and its index is free.
  fdb_.flush_destination({DestinationKind::port, index});
  auto tables = next();
  tables->ports[index] = nullptr;
  std::erase(tables->networks[port.options.network].ports, &port);
  worker_.unwatch(port.queue->fd());
  publish(std::move(tables));
  // The worker may have learned from the port's last frames in between.
  fdb_.flush_destination({DestinationKind::port, index});
  if (destroy) port.queue->destroy_on_close();
  ports_[index].reset();
  retire(CaptureTarget::Kind::port, index);
}

void Engine::set_guard(uint16_t index, std::shared_ptr<const Guard> guard) {
  Port& port = port_at(index);
  port.options.guard = guard;
  publish(next());
  if (guard == nullptr) return;
  for (const FdbEntry& entry : fdb_.dump(port.options.network, now(), SIZE_MAX)) {
    const bool own = entry.declared || entry.mac == guard->mac();
    if (!own && entry.where == Destination{DestinationKind::port, index}) fdb_.remove(entry.network, entry.mac);
  }
}

void Engine::announce(uint16_t index) {
  Port& port = port_at(index);
  if (port.options.guard != nullptr) worker_.request_announcement(port);
}

uint16_t Engine::add_peer(const PeerOptions& options) {
  if (tables_->peer_index.find(options.endpoint.key()) != nullptr) throw SysError(EEXIST, "peer", "the address is in use");
  const auto index = static_cast<uint16_t>(free_index(CaptureTarget::Kind::peer, peers_.size(), kMaxDestinations - 1, "peer",
                                                      [this](size_t at) { return peers_[at] == nullptr; }));
  auto tables = next();
  if (index == peers_.size()) {
    peers_.emplace_back();
    tables->peers.push_back(nullptr);
  }
  auto peer = std::make_unique<Peer>();
  peer->index = index;
  peer->options = options;
  tables->peers[index] = peer.get();
  peers_[index] = std::move(peer);
  publish(std::move(tables));
  return index;
}

void Engine::update_peer(uint16_t index, const PeerOptions& options) {
  Peer& former = peer_at(index);
  const Peer* holder = tables_->peer_index.find(options.endpoint.key());
  if (holder != nullptr && holder != &former) throw SysError(EEXIST, "peer", "the address is in use");
  // The worker reads a peer's options at any time, so they change by a new object in the old one's place. Its index, and with it
  // the FDB entries that point there, stay.
  auto peer = std::make_unique<Peer>(former.state);
  peer->index = index;
  peer->options = options;
  // It may be another host now.
  peer->state->unfinished_until.store(0, std::memory_order_relaxed);
  if (options.offload != former.options.offload) peer->state->udp_segment.take_back(OffloadState::refused);
  auto tables = next();
  tables->peers[index] = peer.get();
  publish(std::move(tables));
  peers_[index] = std::move(peer);
}

void Engine::remove_peer(uint16_t index) {
  peer_at(index);
  end_captures_of(CaptureTarget::Kind::peer, index, "the peer was removed");
  fdb_.flush_destination({DestinationKind::peer, index});
  auto tables = next();
  tables->peers[index] = nullptr;
  publish(std::move(tables));
  fdb_.flush_destination({DestinationKind::peer, index});
  peers_[index].reset();
  retire(CaptureTarget::Kind::peer, index);
}

void Engine::check_offload(const OffloadRequest& request) {
  peer_at(request.peer);
  if (!worker_.request_offload_check(request)) throw SysError(EAGAIN, "offload check", "too many requests wait");
}

void Engine::set_offload_corrupts(uint16_t peer, bool corrupts) {
  OffloadSwitch& udp_segment = peer_at(peer).state->udp_segment;
  if (corrupts) {
    udp_segment.set(OffloadState::corrupts);
  } else {
    udp_segment.take_back(OffloadState::corrupts);
  }
}

void Engine::set_carry_checksum(bool carry) {
  carry_checksum_ = carry;
  worker_.set_features(carry ? kTakesUnfinishedChecksums : 0);
  if (carry) return;
  for (const auto& peer : peers_) {
    if (peer != nullptr) peer->state->unfinished_until.store(0, std::memory_order_relaxed);
  }
}

void Engine::set_self(const HostSelf& self) {
  auto tables = next();
  tables->self = self;
  publish(std::move(tables));
}

void Engine::send_query(const QueryMail& mail) {
  peer_at(mail.peer);
  if (!worker_.request_query(mail)) throw SysError(EAGAIN, "query", "too many requests wait");
}

void Engine::send_hello(const HelloRequest& request) {
  peer_at(request.peer);
  if (!worker_.request_hello(request)) throw SysError(EAGAIN, "hello", "too many requests wait");
}

void Engine::send_unfinished(uint16_t peer, Seconds seconds) {
  Peer& known = peer_at(peer);
  const Seconds until = seconds == 0 || !carry_checksum_ ? 0 : now() + seconds;
  known.state->unfinished_until.store(until, std::memory_order_relaxed);
}

void Engine::check_target(const CaptureTarget& target) const {
  switch (target.kind) {
    case CaptureTarget::Kind::all:
      break;
    case CaptureTarget::Kind::port:
      port_at(target.index);
      break;
    case CaptureTarget::Kind::peer:
      peer_at(target.index);
      break;
    case CaptureTarget::Kind::network:
      network_at(target.index);
      break;
  }
}

uint32_t Engine::start_capture(CaptureOptions options, UniqueFd to) {
  check_target(options.target);
  if (captures_.size() == kMostCaptures) throw SysError(EBUSY, "capture", "as many captures run as may");
  captures_.push_back(std::make_unique<Capture>(last_capture_ + 1, std::move(options), std::move(to), wake_));
  ++last_capture_;
  publish_captures();
  return last_capture_;
}

void Engine::end_capture(uint32_t id, const std::string& reason) {
  for (const auto& capture : captures_) {
    if (capture->id() != id) continue;
    // First the worker, so that nothing comes behind what is taken for the last frame.
    publish_captures(capture.get());
    capture->end(reason, kPatienceMilliseconds);
    return;
  }
}

void Engine::end_captures_of(CaptureTarget::Kind kind, uint16_t index, const char* reason) {
  for (const auto& capture : captures_) {
    if (capture->target().kind == kind && capture->target().index == index) end_capture(capture->id(), reason);
  }
}

void Engine::describe_capture(const CaptureInterface& interface) {
  for (const auto& capture : captures_) capture->describe(interface);
}

std::vector<const Capture*> Engine::captures() const {
  std::vector<const Capture*> running;
  for (const auto& capture : captures_) running.push_back(capture.get());
  return running;
}

std::vector<Engine::EndedCapture> Engine::take_ended_captures() {
  std::vector<EndedCapture> ended;
  for (const auto& capture : captures_) {
    if (capture->how_it_ended() != Capture::End::running) ended.push_back({capture->id(), capture->how_it_ended(), capture->counts()});
  }
  if (ended.empty()) return ended;
  // The worker lets go of them before they are gone.
  publish_captures();
  std::erase_if(captures_, [&ended](const auto& capture) {
    return std::any_of(ended.begin(), ended.end(), [&capture](const EndedCapture& one) { return one.id == capture->id(); });
  });
  if (captures_.empty()) retired_.clear();
  return ended;
}

void Engine::publish_captures(const Capture* except) {
  auto tables = next();
  tables->captures.clear();
  for (const auto& capture : captures_) {
    if (capture.get() != except && !capture->closed()) tables->captures.push_back(capture.get());
  }
  publish(std::move(tables));
}

void Engine::retire(CaptureTarget::Kind kind, size_t index) {
  if (!captures_.empty()) retired_.insert({kind, index});
}

void Engine::check_where(NetworkIndex network, Destination where) const {
  network_at(network);
  if (where.kind == DestinationKind::peer) {
    peer_at(where.index);
  } else if (port_at(where.index).options.network != network) {
    throw SysError(EINVAL, "fdb", "the port is on another network");
  }
}

void Engine::declare(NetworkIndex network, Mac mac, Destination where) {
  check_where(network, where);
  if (!fdb_.declare(network, mac, where)) throw SysError(ENOSPC, "fdb", "the FDB is full");
}

void Engine::restore_learned(NetworkIndex network, Mac mac, Destination where) {
  check_where(network, where);
  fdb_.learn(network, mac, where, now());
}

bool Engine::undeclare(NetworkIndex network, Mac mac) {
  network_at(network);
  return fdb_.remove(network, mac);
}

void Engine::flush_learned(std::optional<NetworkIndex> network) { fdb_.flush_learned(network); }

const DestinationCounters& Engine::counters_of(Destination where) const {
  return where.kind == DestinationKind::port ? port_at(where.index).counters : peer_at(where.index).counters;
}

std::vector<FdbEntry> Engine::dump_fdb(std::optional<NetworkIndex> network, size_t limit) const {
  return fdb_.dump(network, now(), limit);
}

}  // namespace weft

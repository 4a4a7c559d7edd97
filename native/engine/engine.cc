#include "engine/engine.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

#include <string>

#include "sys/sys_error.h"

namespace weft {
namespace {

Fdb::Seed random_seed() {
  Fdb::Seed seed{};
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) throw SysError(errno, "getrandom", "no random numbers");
  return seed;
}

// The first free index of a table with holes; a new one at its end otherwise.
template <typename Entries, typename IsFree>
size_t free_index(const Entries& entries, IsFree is_free, size_t limit, const char* what) {
  size_t index = 0;
  while (index < entries.size() && !is_free(entries[index])) ++index;
  if (index == limit) throw SysError(ENOSPC, what, std::string("no room for another ") + what);
  return index;
}

}  // namespace

Engine::Engine(Options options)
    : events_(std::move(options.wake)),
      fdb_(random_seed(), options.fdb_capacity),
      tables_(std::make_shared<Tables>()),
      port_offloads_{.coalesce_tcp = options.merge_tcp, .coalesce_udp = options.merge_udp},
      worker_(fdb_, events_, {}) {}

Engine::~Engine() { stop(); }

void Engine::start() { worker_.start(); }

void Engine::stop() {
  worker_.stop();
  auto tables = next();
  tables->underlay.reset();
  publish(std::move(tables));
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

void Engine::set_underlay(const UnderlayOptions& options) {
  SocketError error;
  auto underlay = Underlay::open(options, tables_->underlay.get(), error);
  if (underlay == nullptr) throw SysError(error.error, error.operation, error.text);
  auto tables = next();
  tables->underlay = underlay;
  publish(std::move(tables));
  // One that is gone left the worker's list when it was closed with the former tables.
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
  auto tables = next();
  const auto index = static_cast<NetworkIndex>(
      free_index(tables->networks, [](const Network& network) { return !network.used; }, kMaxNetworks, "network"));
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
  auto tables = next();
  tables->networks[index] = {};
  publish(std::move(tables));
  fdb_.flush_network(index);
}

uint16_t Engine::add_port(const PortOptions& options, std::unique_ptr<TapQueue> queue) {
  network_at(options.network);
  auto tables = next();
  const auto index = static_cast<uint16_t>(
      free_index(ports_, [](const auto& port) { return port == nullptr; }, kMaxDestinations - 1, "port"));
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
  auto tables = next();
  const auto index = static_cast<uint16_t>(
      free_index(peers_, [](const auto& peer) { return peer == nullptr; }, kMaxDestinations - 1, "peer"));
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
  fdb_.flush_destination({DestinationKind::peer, index});
  auto tables = next();
  tables->peers[index] = nullptr;
  publish(std::move(tables));
  fdb_.flush_destination({DestinationKind::peer, index});
  peers_[index].reset();
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

void Engine::ask_features(uint16_t peer, uint64_t nonce) {
  peer_at(peer);
  if (!worker_.request_hello(peer, nonce)) throw SysError(EAGAIN, "hello", "too many requests wait");
}

void Engine::send_unfinished(uint16_t peer, Seconds seconds) {
  Peer& known = peer_at(peer);
  const Seconds until = seconds == 0 || !carry_checksum_ ? 0 : now() + seconds;
  known.state->unfinished_until.store(until, std::memory_order_relaxed);
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

bool Engine::undeclare(NetworkIndex network, Mac mac) {
  network_at(network);
  return fdb_.remove(network, mac);
}

void Engine::flush_learned(std::optional<NetworkIndex> network) { fdb_.flush_learned(network); }

std::vector<FdbEntry> Engine::dump_fdb(std::optional<NetworkIndex> network, size_t limit) const {
  return fdb_.dump(network, now(), limit);
}

}  // namespace weft

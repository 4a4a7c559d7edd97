// The data plane as its control sees it: networks, ports, peers, declared FDB entries, sockets. Every method is for one control
// thread; none blocks longer than the worker's current round. Handles are the indexes of tables.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/capture.h"
#include "engine/events.h"
#include "engine/tables.h"
#include "engine/worker.h"
#include "fdb/fdb.h"

namespace weft {

class Engine {
 public:
  struct Options {
    uint32_t fdb_capacity = 1u << 20;
    bool merge_tcp = true;  // PortOffloads::coalesce_tcp and coalesce_udp to begin with
    bool merge_udp = true;
    std::function<void()> wake;  // called on the worker's thread when take_events() has something
  };
  explicit Engine(Options options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void start();
  void stop();

  // Throws SysError (EADDRINUSE and others) and leaves the former sockets in use.
  void set_underlay(const UnderlayOptions& options);
  // Sockets of a former process that set_underlay may use in the place of new ones.
  OfferedReceivers& offered_receivers() { return offered_; }

  // For the ports there are and those to come. Takes effect at once: guests lose and get the offloads of their devices.
  void set_port_offloads(const PortOffloads& offloads);

  NetworkIndex add_network(const NetworkOptions& options);
  void update_network(NetworkIndex index, const NetworkOptions& options);
  void remove_network(NetworkIndex index);

  uint16_t add_port(const PortOptions& options, std::unique_ptr<TapQueue> queue);
  // `destroy` ends a persistent TAP with its descriptor; else its link stays.
  void remove_port(uint16_t index, bool destroy);

  // Null lets the port send what it likes. Other MACs than the guard's that were learned from the port are forgotten: they may
  // have been another's.
  void set_guard(uint16_t index, std::shared_ptr<const Guard> guard);

  // Announces the addresses of a guarded port to the rest of its network (announcement.h), as if the port had sent the frames:
  // its MAC is learned there, and they count as received from it. Returns before it is done; not done at all for a port without
  // a guard.
  void announce(uint16_t index);

  uint16_t add_peer(const PeerOptions& options);
  void update_peer(uint16_t index, const PeerOptions& options);
  void remove_peer(uint16_t index);

  // Sends a burst of probes to a peer, or asks again about the last one. The answer comes as an event, if at all. Throws SysError
  // (EAGAIN) while too many requests wait.
  void check_offload(const OffloadRequest& request);
  // Whether bursts to the peer arrive damaged: UDP_SEGMENT is then not used until they are said to arrive well.
  void set_offload_corrupts(uint16_t peer, bool corrupts);

  // Whether this host takes unfinished checksums from weft hosts, and sends them to those that take them. Off to begin with; when
  // it is switched off, all peers get finished ones at once.
  void set_carry_checksum(bool carry);
  // Whether the worker may look for work before it sleeps, with CPU time that nobody else wants. It may to begin with.
  void set_busy_poll(bool allowed) { worker_.set_busy_poll(allowed); }
  // What hellos say of this host. Before the first call only those are answered that do not ask.
  void set_self(const HostSelf& self);
  // Sends a hello. The answer comes as an event, if at all. Throws SysError (EAGAIN) while too many wait.
  void send_hello(const HelloRequest& request);
  // Sends a query or a reply. Throws SysError (EAGAIN) while too many wait.
  void send_query(const QueryMail& mail);
  // The queries and replies that came; Options::wake is called for them too.
  std::vector<QueryMail> take_queries() { return worker_.take_queries(); }
  // The peer takes unfinished checksums for so long from now on, unless its options change; 0: no more. Nothing happens while it
  // is switched off.
  void send_unfinished(uint16_t peer, Seconds seconds);

  // Frames of the target are written as pcapng to `to` from now on (capture.h). The number of the capture, which is never given again.
  // Throws SysError: EINVAL, ENOENT, ENOMEM; EBUSY while as many run as may.
  uint32_t start_capture(CaptureOptions options, UniqueFd to);
  // Ends it, unless it has ended: what was captured is still sent for a moment, and it is then among those that take_ended_captures()
  // gives.
  void end_capture(uint32_t id, const std::string& reason);
  // Of captures that run.
  void describe_capture(const CaptureInterface& interface);
  std::vector<const Capture*> captures() const;
  struct EndedCapture {
    uint32_t id;
    Capture::End end;
    CaptureCounts counts;
  };
  // Those that ended since the last call. Options::wake is called when there are some.
  std::vector<EndedCapture> take_ended_captures();

  void declare(NetworkIndex network, Mac mac, Destination where);
  // As if a frame had come from there just now. Before start() only.
  void restore_learned(NetworkIndex network, Mac mac, Destination where);
  bool undeclare(NetworkIndex network, Mac mac);
  void flush_learned(std::optional<NetworkIndex> network);
  std::optional<FdbEntry> find_entry(NetworkIndex network, Mac mac) const { return fdb_.entry(network, mac, now()); }
  // Throws SysError when there is no such port or peer.
  const DestinationCounters& counters_of(Destination where) const;
  std::vector<FdbEntry> dump_fdb(std::optional<NetworkIndex> network, size_t limit) const;

  const Fdb& fdb() const { return fdb_; }
  const WorkerCounters& counters() const { return worker_.counters(); }
  const Tables& tables() const { return *tables_; }
  std::vector<Event> take_events(uint64_t& lost) { return events_.take(lost); }
  // The engine's clock, for ages.
  static Seconds now();

 private:
  std::shared_ptr<Tables> next() const;
  void publish(std::shared_ptr<Tables> tables);
  const Network& network_at(NetworkIndex index) const;
  Port& port_at(uint16_t index) const;
  Peer& peer_at(uint16_t index) const;
  void apply_offloads(Port& port) const;
  void check_where(NetworkIndex network, Destination where) const;
  void check_target(const CaptureTarget& target) const;
  // Ends the captures of what is about to be removed.
  void end_captures_of(CaptureTarget::Kind kind, uint16_t index, const char* reason);
  void publish_captures(const Capture* except = nullptr);
  // The index of an object that is gone: frames of it may still wait to be written down under its name.
  void retire(CaptureTarget::Kind kind, size_t index);
  // The first of `size` that is free and not retired, or the next one. When there is none the captures end: they are worth less than a port.
  template <typename IsFree>
  size_t free_index(CaptureTarget::Kind kind, size_t size, size_t limit, const char* what, IsFree is_free);

  EventRing events_;
  OfferedReceivers offered_;
  Fdb fdb_;
  std::shared_ptr<const Tables> tables_;
  PortOffloads port_offloads_;
  bool carry_checksum_ = false;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Peer>> peers_;
  const std::function<void()> wake_;
  std::vector<std::unique_ptr<Capture>> captures_;
  uint32_t last_capture_ = 0;
  std::set<std::pair<CaptureTarget::Kind, size_t>> retired_;  // indexes that were freed while captures run
  Worker worker_;
};

}  // namespace weft

// One worker: a thread that reads frames, decides, and writes, run to completion. Nothing on the way of a frame allocates, locks,
// or calls the kernel once per small frame where the kernel offers more (a TAP read takes one frame by its nature).
//
// All memory a frame may live in is allocated here at start: frames lie in the inbox (TAP reads) or in the receivers' buffers
// (datagrams) from the moment they are read until flush(), and everything in between only points at them.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "capture/frame_ring.h"
#include "engine/counters.h"
#include "engine/events.h"
#include "engine/frame.h"
#include "engine/hello_exchange.h"
#include "engine/last_decision.h"
#include "engine/offload_check.h"
#include "engine/outbox.h"
#include "engine/patience.h"
#include "engine/query_exchange.h"
#include "engine/tables.h"
#include "fdb/fdb.h"
#include "offload/coalesce.h"

namespace weft {

class Worker {
 public:
  // `limits` says which super-frames the kernel takes on TAP writes.
  Worker(Fdb& fdb, EventRing& events, const Coalescer::Limits& limits);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // ---- control thread ----------------------------------------------------------------------------------------------------
  void start();
  void stop();
  // Makes `tables` the ones to forward by. Returns when the worker uses them and has let go of all earlier ones; at once when
  // it is not running.
  void publish(std::shared_ptr<const Tables> tables);
  // Starts and ends watching a descriptor; the order to publish() does not matter.
  void watch_port(const Port& port);
  void unwatch(int fd);
  void watch_receiver(int fd);
  // Has the worker announce the addresses of the port's guard (it has one) when it is woken by this; once for several requests.
  void request_announcement(Port& port);
  // False while too many requests wait.
  bool request_offload_check(const OffloadRequest& request);
  // What hellos of peers are answered with.
  void set_features(uint64_t features) { hello_exchange_.set_own(features); }
  // False while too many wait.
  bool request_hello(const HelloRequest& request);
  bool request_query(const QueryMail& mail);
  std::vector<QueryMail> take_queries() { return query_exchange_.take(); }
  // Whether it may look for work before it sleeps (patience.h). It may to begin with.
  void set_busy_poll(bool allowed) { busy_poll_.store(allowed, std::memory_order_relaxed); }
  const WorkerCounters& counters() const { return counters_; }

  // ---- the worker's thread, or a test that plays it ---------------------------------------------------------------------------
  // Waits for work for at most `timeout_ms`, and does it.
  void round(int timeout_ms);
  void serve_port(Port& port);
  void serve_receiver(VtepReceiver& receiver);
  void flush();
  void set_time(Seconds now) {
    now_ = now;
    counters_.now.store(now, std::memory_order_relaxed);
  }

 private:
  void run();
  // As epoll_wait, but looks for a while before it sleeps where that is worth it.
  int wait(epoll_event* ready, int most, int timeout_ms);
  void adopt_tables();

  // Room for segment headers, valid until the next flush.
  uint8_t* take_blocks(size_t bytes);

  // receive.cc: what a read gave becomes frames.
  void receive_from_port(Port& port, uint8_t* read, size_t bytes);
  void receive_burst(const Burst& burst);
  void receive_datagram(Peer* peer, const Burst& burst, uint8_t* data, uint32_t bytes, uint32_t udp_gso_size);
  bool receive_control(Peer& peer, const Endpoint& source, const uint8_t* frame, uint32_t bytes);
  void notice_misplaced(const Burst& burst);
  void report_stranger(const Endpoint& source);

  // forward.cc: the decision, and the two ways out.
  void forward(Frame& frame);
  // False when the source is declared elsewhere.
  bool learn(const Frame& frame, Mac from);
  void unicast(Frame& frame, const Network& network, Destination to);
  void replicate(Frame& frame, const Network& network);
  static bool floods_to(const Frame& frame, const Port& port);
  void send_to_port(Port& port, Frame& frame);
  // False when the frame is larger than fits to the peer, may not be cut, and was dropped.
  bool send_to_peer(Peer& peer, const Network& network, Frame& frame, L4Checksums checksums);
  void finish_for_peers(Frame& frame, L4Checksums checksums);
  L4Checksums checksums_for(const Peer& peer, const Frame& frame) const;
  static size_t block_stride(const Frame& frame);

  // path_mtu.cc: frames that are larger than fits to a peer.
  static bool fits(const Peer& peer, const Network& network, const Frame& frame) {
    const bool super = frame.vnet.is_super_frame();
    const uint32_t bytes = super ? frame.plan.header_length + frame.plan.payload_of(0) : frame.packet.length;
    const uint32_t ip_end = super ? bytes : frame.packet.ip_end;
    return bytes <= peer.options.mtu + kUntaggedHeaderBytes && ip_end <= network.options.mtu + frame.packet.l3_offset;
  }
  static uint32_t ip_room(const Peer& peer, const Network& network, const Packet& packet);
  // False when the frame may not be cut.
  bool send_in_pieces(Peer& peer, const Network& network, Frame& frame);
  // The same for a UDP super-frame, whose datagrams are larger than `room` bytes of IP.
  bool send_datagrams_in_pieces(Peer& peer, const Network& network, Frame& frame, uint32_t room);
  void drop_too_big(Peer& peer, const Frame& frame);
  void tell_path_mtu(const Peer& peer, const Network& network, Frame& frame);

  // forward.cc: the verdicts. Each received frame passes exactly one of accept, drop_received and drop_datagrams.
  void accept(const Frame& frame, Counter& verdict);
  void drop_received(const Frame& frame, Drop reason);
  void refuse(const Frame& frame, Drop reason);  // by the guard of its port
  void drop_datagrams(Peer* peer, uint32_t bytes, uint32_t datagrams, Drop reason);
  void count_received(DestinationCounters* source, uint32_t wire_frames, uint32_t bytes);
  DestinationCounters* counters_of(Destination source);

  // capture_frames.cc: copies for the captures that run. Called only where there are some.
  void capture_received(const Frame& frame, std::optional<Drop> reason);
  void capture_queued(const Peer& peer, const Network& network, const Frame& frame, bool cut, std::optional<Drop> reason);
  // Behind the write, so that it tells what became of it.
  void capture_written(const Port& port, const TapWrite& write, const VnetHeader& vnet);
  void offer(CapturedFrame& frame, Destination where, const FramePieces& pieces);

  // neighbours.cc: announcing addresses, and defending them.
  static bool may_claim(const Packet& packet);
  void watch_claim(const Frame& frame);
  void defend();
  void announce_requested();
  void announce(Port& port, const Endpoint& address);

  // deliver.cc: writing to TAPs.
  void write_ports();
  static int write_once(Port& port, const iovec* iov, size_t count, bool super_frame);
  void write_super_frame(Port& port, const TapWrite& write, const VnetHeader& vnet);
  // Cuts a super-frame and writes its segments. True when at least one passed, and the whole should have passed too.
  bool write_cut(Port& port, const TapWrite& write, const VnetHeader& vnet);
  void written(Port& port, uint32_t frames, uint32_t bytes);
  void write_failed(Port& port, uint32_t frames, int error);
  void port_gone(Port& port);

  static constexpr uint32_t kUntaggedHeaderBytes = 14;
  static constexpr size_t kBlockBytes = 512 * 1024;

  Fdb& fdb_;
  EventRing& events_;
  WorkerCounters counters_;
  LastDecision last_;
  Outbox outbox_;
  OffloadCheck offload_check_;
  HelloExchange hello_exchange_;
  QueryExchange query_exchange_;
  Coalescer coalescer_;
  std::unique_ptr<uint8_t[]> inbox_;
  size_t inbox_used_ = 0;
  std::unique_ptr<uint8_t[]> blocks_;  // segment headers of the round's super-frames, kBlockBytes
  size_t blocks_used_ = 0;

  std::unique_ptr<uint8_t[]> cut_frame_;    // a super-frame that is written segment by segment, in one piece ...
  std::unique_ptr<uint8_t[]> cut_headers_;  // ... and the headers of its segments

  // Announcements that wait to be sent, each with room for a VXLAN header before it and its IP header at a multiple of 8.
  static constexpr size_t kAnnouncements = 64;
  static constexpr size_t kAnnouncementHeadroom = 10;
  static constexpr size_t kAnnouncementStride = 96;
  std::unique_ptr<uint8_t[]> announcements_;
  size_t announcements_used_ = 0;
  std::array<GuardedIndex::Entry, 32> defences_;  // claimed in this round, to be announced at its end
  size_t defences_used_ = 0;
  std::atomic<bool> announcements_requested_{false};

  std::shared_ptr<const Tables> tables_;  // the worker's own
  const std::vector<Capture*>* captures_ = nullptr;  // those of the tables, while there are any
  std::optional<Drop> write_drop_;                   // of what was written to a port since it was last captured
  std::shared_ptr<const Tables> next_;    // handed over under `published_version_`
  std::atomic<uint64_t> published_version_{0};
  std::atomic<uint64_t> adopted_version_{0};

  Seconds now_ = 1;
  uint64_t last_sweep_ms_ = 0;
  Seconds last_stranger_ = 0;
  Patience patience_;
  std::atomic<bool> busy_poll_{true};
  size_t round_bytes_ = 0;  // that were received since the last wait
  int epoll_ = -1;
  int wake_ = -1;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<std::thread> thread_;
};

}  // namespace weft

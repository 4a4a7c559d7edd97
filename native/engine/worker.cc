#include "engine/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

namespace weft {
namespace {

constexpr size_t kReadBytes = 65536 + 64;  // room for the largest super-frame with its virtio header
constexpr size_t kInboxBytes = 256 * 1024 + kReadBytes;
// What one port may take of a round, so that another does not wait long.
constexpr unsigned kFramesAVisit = 256;
constexpr size_t kBytesAVisit = 256 * 1024;
constexpr unsigned kEventsARound = 64;
constexpr int kIdleMilliseconds = 250;  // the counter of rounds shows progress at least this often
constexpr uint64_t kSweepMilliseconds = 50;

// The Ethernet header begins 10 bytes (virtio header) into a read, so IP headers lie at 24 behind a multiple of 8: aligned.
constexpr size_t kReadAlignment = 8;

enum class Watched : uint32_t { wake, port, receiver };

uint64_t tag(Watched kind, uint32_t index) { return uint64_t{static_cast<uint32_t>(kind)} << 32 | index; }

uint64_t milliseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

uint64_t nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Worker::Worker(Fdb& fdb, EventRing& events, const Coalescer::Limits& limits)
    : fdb_(fdb),
      events_(events),
      outbox_(counters_, events),
      offload_check_(counters_, events),
      hello_exchange_(counters_, events),
      query_exchange_(counters_, events),
      coalescer_(limits),
      inbox_(new uint8_t[kInboxBytes]),
      blocks_(new uint8_t[kBlockBytes]),
      cut_frame_(new uint8_t[kReadBytes]),
      cut_headers_(new uint8_t[size_t{kMaxSegments} * kMaxSegmentHeaderBytes]),
      announcements_(new uint8_t[kAnnouncements * kAnnouncementStride]),
      tables_(std::make_shared<Tables>()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{.events = EPOLLIN, .data = {.u64 = tag(Watched::wake, 0)}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
}

Worker::~Worker() {
  stop();
  ::close(epoll_);
  ::close(wake_);
}

void Worker::start() {
  stopping_ = false;
  thread_ = std::make_unique<std::thread>([this] { run(); });
  pthread_setname_np(thread_->native_handle(), "weft-worker");
}

void Worker::stop() {
  if (thread_ == nullptr) return;
  stopping_ = true;
  eventfd_write(wake_, 1);
  thread_->join();
  thread_.reset();
}

void Worker::publish(std::shared_ptr<const Tables> tables) {
  const uint64_t version = tables->version;
  next_ = std::move(tables);
  published_version_.store(version, std::memory_order_release);
  if (thread_ == nullptr) {
    adopt_tables();
    return;
  }
  eventfd_write(wake_, 1);
  for (uint64_t seen = adopted_version_.load(); seen != version; seen = adopted_version_.load()) adopted_version_.wait(seen);
}

void Worker::adopt_tables() {
  const uint64_t version = published_version_.load(std::memory_order_acquire);
  if (version == adopted_version_.load(std::memory_order_relaxed)) return;
  tables_ = next_;
  outbox_.use(tables_->underlay, tables_->flood_peers.size());
  captures_ = tables_->captures.empty() ? nullptr : &tables_->captures;
  write_drop_.reset();
  adopted_version_.store(version);
  adopted_version_.notify_all();
}

void Worker::watch_port(const Port& port) {
  if (port.queue->fd() < 0) return;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = tag(Watched::port, port.index)}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, port.queue->fd(), &event);
}

// A socket that is shared with the former underlay is watched already.
void Worker::watch_receiver(int fd) {
  if (fd < 0) return;
  epoll_event event{.events = EPOLLIN, .data = {.u64 = tag(Watched::receiver, static_cast<uint32_t>(fd))}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Worker::unwatch(int fd) {
  if (fd >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

bool Worker::request_offload_check(const OffloadRequest& request) {
  const bool taken = offload_check_.request(request);
  eventfd_write(wake_, 1);
  return taken;
}

bool Worker::request_hello(const HelloRequest& request) {
  const bool taken = hello_exchange_.ask(request);
  eventfd_write(wake_, 1);
  return taken;
}

bool Worker::request_query(const QueryMail& mail) {
  const bool taken = query_exchange_.post(mail);
  eventfd_write(wake_, 1);
  return taken;
}

void Worker::run() {
  while (!stopping_.load(std::memory_order_relaxed)) round(kIdleMilliseconds);
}

void Worker::round(int timeout_ms) {
  epoll_event ready[kEventsARound];
  const int count = wait(ready, kEventsARound, timeout_ms);
  adopt_tables();
  const uint64_t now_ms = milliseconds();
  set_time(static_cast<Seconds>(now_ms / 1000) + 1);

  for (int i = 0; i < count; ++i) {
    const uint32_t index = static_cast<uint32_t>(ready[i].data.u64);
    switch (static_cast<Watched>(ready[i].data.u64 >> 32)) {
      case Watched::wake: {
        eventfd_t ignored;
        eventfd_read(wake_, &ignored);
        announce_requested();
        offload_check_.serve(*tables_);
        hello_exchange_.serve(*tables_);
        query_exchange_.serve(*tables_);
        break;
      }
      case Watched::port: {
        // The port may have been removed since the event was raised. Its index is given to no other before the next round: whoever removes
        // a port waits until the worker has let go of it.
        Port* port = index < tables_->ports.size() ? tables_->ports[index] : nullptr;
        if (port == nullptr) break;
        if ((ready[i].events & (EPOLLERR | EPOLLHUP)) != 0) {
          port_gone(*port);
        } else {
          serve_port(*port);
        }
        break;
      }
      case Watched::receiver:
        // Told by its descriptor, so that no receiver is read twice before what it gave first was flushed.
        if (tables_->underlay == nullptr) break;
        for (const auto& receiver : tables_->underlay->receivers()) {
          if (receiver->fd() == static_cast<int>(index)) serve_receiver(*receiver);
        }
        break;
    }
  }
  flush();
  patience_.worked(round_bytes_);
  round_bytes_ = 0;

  if (now_ms - last_sweep_ms_ >= kSweepMilliseconds) {
    last_sweep_ms_ = now_ms;
    fdb_.sweep(now_);
  }
  counters_.rounds.add(1);
}

int Worker::wait(epoll_event* ready, int most, int timeout_ms) {
  const uint64_t began = nanoseconds();
  int count = 0;
  if (busy_poll_.load(std::memory_order_relaxed) && patience_.worth_polling() && timeout_ms > 0) {
    uint64_t yielded = 0;
    for (uint64_t now = began; now - began < Patience::kLimitNanoseconds && yielded < Patience::kCrowdedNanoseconds;) {
      count = epoll_wait(epoll_, ready, most, 0);
      if (count != 0) break;
      const uint64_t before = nanoseconds();
      sched_yield();
      now = nanoseconds();
      yielded = now - before;
    }
    if (count != 0) counters_.polled.add(1);
  }
  if (count == 0) count = epoll_wait(epoll_, ready, most, timeout_ms);
  const uint64_t waited = nanoseconds() - began;
  counters_.waited_ns.add(waited);
  patience_.waited(waited);
  return count;
}

void Worker::serve_port(Port& port) {
  size_t visit_bytes = 0;
  for (unsigned i = 0; i < kFramesAVisit && visit_bytes < kBytesAVisit; ++i) {
    if (inbox_used_ + kReadBytes > kInboxBytes) flush();
    uint8_t* at = inbox_.get() + inbox_used_;
    const ssize_t bytes = port.queue->read(at, kReadBytes);
    if (bytes < 0) {
      if (bytes == -EBADFD) port_gone(port);
      return;
    }
    inbox_used_ += (static_cast<size_t>(bytes) + kReadAlignment - 1) & ~(kReadAlignment - 1);
    visit_bytes += static_cast<size_t>(bytes);
    round_bytes_ += static_cast<size_t>(bytes);
    receive_from_port(port, at, static_cast<size_t>(bytes));
  }
}

void Worker::serve_receiver(VtepReceiver& receiver) {
  Burst bursts[kMaxBursts];
  const unsigned count = receiver.receive(bursts);
  for (unsigned i = 0; i < count; ++i) {
    round_bytes_ += bursts[i].length;
    receive_burst(bursts[i]);
  }
}

void Worker::flush() {
  defend();
  last_.forget();
  outbox_.flush(now_);
  write_ports();
  inbox_used_ = 0;
  blocks_used_ = 0;
  announcements_used_ = 0;
}

uint8_t* Worker::take_blocks(size_t bytes) {
  if (blocks_used_ + bytes > kBlockBytes) {
    // Whatever refers to the blocks goes out now; the frames themselves stay where they are.
    outbox_.flush(now_);
    blocks_used_ = 0;
  }
  uint8_t* at = blocks_.get() + blocks_used_;
  blocks_used_ += bytes;
  return at;
}

}  // namespace weft

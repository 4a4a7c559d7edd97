#include "engine/capture.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>

#include "engine/drop.h"
#include "engine/tables.h"
#include "sys/sys_error.h"

namespace weft {
namespace {

constexpr int kNice = 10;

uint64_t nanoseconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::optional<BpfProgram> checked(const std::vector<BpfInstruction>& filter) {
  if (filter.empty()) return std::nullopt;
  auto program = BpfProgram::check(filter);
  if (!program) throw SysError(EINVAL, "filter", "the program cannot be run, or is too long");
  return program;
}

const char* name_of(uint8_t gso_type) {
  switch (gso_type & ~kGsoEcn) {
    case kGsoTcp4:
      return "TCP over IPv4";
    case kGsoTcp6:
      return "TCP over IPv6";
    default:
      return "UDP";
  }
}

}  // namespace

void describe_frame(const CapturedFrame& frame, std::string& to) {
  to.clear();
  const auto add = [&to](const std::string& sentence) {
    if (!to.empty()) to += "; ";
    to += sentence;
  };
  if (frame.gso_type != kGsoNone) {
    add("super-frame: " + std::to_string(frame.wire_frames) + " frames, " + std::to_string(frame.gso_size) +
        " bytes of payload each (" + name_of(frame.gso_type) + ")");
  }
  if (frame.cut != 0) add("cut to fit the path");
  if (frame.unfinished != 0) add("checksum unfinished: left to the receiving device");
  if (frame.drop != CapturedFrame::kKept) add(std::string("dropped: ") + kDropTable[frame.drop].name);
}

Capture::Capture(uint32_t id, CaptureOptions options, UniqueFd to, std::function<void()> ended)
    : id_(id),
      options_(std::move(options)),
      filter_(checked(options_.filter)),
      to_(std::move(to)),
      wake_(check(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      ended_(std::move(ended)),
      ring_(options_.ring_bytes),
      started_(nanoseconds(CLOCK_REALTIME)),
      started_monotonic_(nanoseconds(CLOCK_MONOTONIC)) {
  for (const CaptureInterface& one : options_.interfaces) described_[key_of(one.where, one.network)] = one;
  out_.assign(options_.preamble.begin(), options_.preamble.end());
  pcapng::section_header(out_, options_.application, options_.comment);
  if (!options_.interfaces.empty()) {
    const CaptureInterface& first = options_.interfaces.front();
    announce(key_of(first.where, first.network), first);
  }
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "weft-capture");
}

Capture::~Capture() {
  if (!was_asked_to_end()) end("", 0);
  thread_.join();
}

bool Capture::wants(Destination where, NetworkIndex network, bool out) const {
  if (!(out ? options_.out : options_.in) || closed_.load(std::memory_order_relaxed)) return false;
  switch (options_.target.kind) {
    case CaptureTarget::Kind::all:
      return true;
    case CaptureTarget::Kind::network:
      return network == options_.target.index;
    case CaptureTarget::Kind::port:
      return where == Destination{DestinationKind::port, options_.target.index};
    case CaptureTarget::Kind::peer:
      return where == Destination{DestinationKind::peer, options_.target.index};
  }
  return false;
}

void Capture::offer(CapturedFrame& frame, const FramePieces& pieces) {
  if (filter_ && !filter_->matches(pieces)) return;
  frame.time = nanoseconds(CLOCK_REALTIME);
  frame.length = pieces.length;
  frame.captured = std::min(pieces.length, options_.snaplen);
  ring_.push(frame, pieces);
}

CaptureCounts Capture::counts() const { return {frames_.get(), bytes_.get(), ring_.lost()}; }

void Capture::end(const std::string& reason, uint32_t patience_ms) {
  closed_.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    const uint64_t until = nanoseconds(CLOCK_MONOTONIC) + uint64_t{patience_ms} * 1'000'000;
    patience_until_ = patience_until_ == 0 ? until : std::min(patience_until_, until);
    if (reason_.empty()) reason_ = reason;
  }
  eventfd_write(wake_.get(), 1);
}

void Capture::describe(const CaptureInterface& interface) {
  const std::lock_guard lock(mutex_);
  described_[key_of(interface.where, interface.network)] = interface;
}

Capture::Key Capture::key_of(Destination where, NetworkIndex network) {
  return static_cast<Key>(where.kind) << 32 | static_cast<Key>(where.index) << 16 | network;
}

void Capture::run() {
  // Of this thread alone. The systemd unit does not allow it; there the reader, which has a lower priority than the whole of weftd, holds the
  // thread back instead.
  (void)setpriority(PRIO_PROCESS, 0, kNice);
  End end = End::reader_gone;
  for (;;) {
    const uint64_t before = written_frames_;
    const Collected collected = collect();
    if (collected == Collected::last) write_statistics();
    if (!send_out()) break;
    if (collected == Collected::last) {
      end = closing_;
      break;
    }
    const int milliseconds = written_frames_ == before ? kPollMilliseconds : kBusyPollMilliseconds;
    if (collected == Collected::all && !pause(milliseconds, false)) break;
  }
  closed_.store(true, std::memory_order_relaxed);
  // The reader sees the end at once, whatever else has the socket.
  shutdown(to_.get(), SHUT_RDWR);
  end_.store(end, std::memory_order_release);
  ended_();
}

Capture::Collected Capture::collect() {
  close_in_time();
  // Read first: what is in the ring once end() has set it is all that will ever be.
  const bool closed = closed_.load(std::memory_order_acquire);
  if (closed && closing_ == End::running) closing_ = End::asked;
  CapturedFrame frame;
  while (out_.size() < kChunkBytes) {
    if (!ring_.peek(frame)) return closed ? Collected::last : Collected::all;
    write_frame(frame);
    if (closing_ == End::frames || closing_ == End::bytes) return Collected::last;
  }
  return Collected::some;
}

void Capture::close_with(End end) {
  closed_.store(true, std::memory_order_relaxed);
  closing_ = end;
}

// Also while the reader stalls: what comes later is not of this capture, however much room there is.
void Capture::close_in_time() {
  if (options_.most_milliseconds == 0 || closing_ != End::running) return;
  const uint64_t age = (nanoseconds(CLOCK_MONOTONIC) - started_monotonic_) / 1'000'000;
  if (age >= options_.most_milliseconds) close_with(End::time);
}

void Capture::write_frame(const CapturedFrame& frame) {
  Interface& interface = interface_of(frame);
  const size_t before = out_.size();
  const size_t begin = pcapng::begin_packet(out_, interface.number, frame);
  out_.resize(out_.size() + frame.captured);
  ring_.take(frame, out_.data() + out_.size() - frame.captured);
  describe_frame(frame, text_);
  pcapng::finish_packet(out_, begin, frame, text_);
  if (options_.most_bytes != 0 && written_bytes_ + waiting_bytes() > options_.most_bytes) {
    out_.resize(before);
    return close_with(End::bytes);
  }
  ++interface.frames;
  if (++written_frames_ == options_.most_frames) close_with(End::frames);
}

Capture::Interface& Capture::interface_of(const CapturedFrame& frame) {
  const Destination where{static_cast<DestinationKind>(frame.kind), frame.index};
  const Key key = key_of(where, frame.network);
  const auto known = interfaces_.find(key);
  if (known != interfaces_.end()) return known->second;
  if (interfaces_.size() == kMostInterfaces) return interfaces_.begin()->second;
  CaptureInterface described{where, frame.network, "", ""};
  {
    const std::lock_guard lock(mutex_);
    const auto found = described_.find(key);
    if (found != described_.end()) described = found->second;
  }
  if (described.name.empty()) {
    described.name = where.kind == DestinationKind::port ? "port" : where.index == kStranger ? "a host that is no peer" : "peer";
  }
  announce(key, described);
  return interfaces_.at(key);
}

uint32_t Capture::announce(Key key, const CaptureInterface& described) {
  const auto number = static_cast<uint32_t>(interfaces_.size());
  pcapng::interface_description(out_, described.name, described.description, options_.filter_text, options_.snaplen);
  interfaces_.emplace(key, Interface{number});
  return number;
}

void Capture::write_statistics() {
  std::string reason;
  {
    const std::lock_guard lock(mutex_);
    reason = reason_;
  }
  switch (closing_) {
    case End::frames:
      reason = "the number of frames was reached";
      break;
    case End::bytes:
      reason = "the size was reached";
      break;
    case End::time:
      reason = "the time was over";
      break;
    default:
      break;
  }
  const uint64_t now = nanoseconds(CLOCK_REALTIME);
  const uint64_t lost = ring_.lost();
  for (const auto& [key, interface] : interfaces_) {
    // Which of the interfaces the lost frames were of is not known.
    const uint64_t dropped = interface.number == 0 ? lost : 0;
    std::string comment = "the capture ended: " + reason;
    if (interface.number == 0 && interfaces_.size() > 1) comment += "; frames dropped are those of all interfaces";
    pcapng::interface_statistics(out_, interface.number,
                                 {.start = started_, .end = now, .received = interface.frames + dropped, .dropped = dropped}, comment);
  }
}

size_t Capture::waiting_bytes() const { return out_.size() - (written_bytes_ == 0 ? options_.preamble.size() : 0); }

bool Capture::send_out() {
  while (out_sent_ != out_.size()) {
    const ssize_t sent = send(to_.get(), out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      out_sent_ += static_cast<size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (!pause(kPollMilliseconds, true)) return false;
  }
  bytes_.add(waiting_bytes());
  written_bytes_ = bytes_.get();
  frames_.add(written_frames_ - frames_.get());
  out_.clear();
  out_sent_ = 0;
  return true;
}

bool Capture::pause(int milliseconds, bool until_writable) {
  pollfd polled[] = {{to_.get(), static_cast<short>(until_writable ? POLLOUT : 0), 0}, {wake_.get(), POLLIN, 0}};
  if (poll(polled, 2, milliseconds) > 0 && (polled[0].revents & (POLLERR | POLLHUP)) != 0) return false;
  eventfd_t ignored;
  eventfd_read(wake_.get(), &ignored);
  close_in_time();
  return !until_writable || !out_of_patience();
}

bool Capture::was_asked_to_end() {
  const std::lock_guard lock(mutex_);
  return patience_until_ != 0;
}

bool Capture::out_of_patience() {
  const std::lock_guard lock(mutex_);
  return patience_until_ != 0 && nanoseconds(CLOCK_MONOTONIC) >= patience_until_;
}

}  // namespace weft

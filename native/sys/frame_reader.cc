#include "sys/frame_reader.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "sys/sys_error.h"

namespace weft {

namespace {

constexpr size_t kScratchBytes = 70'000;  // the largest MTU of a TAP is 65,521, and a VLAN tag may stand before it
constexpr size_t kQueueFrames = 64;       // a source
constexpr size_t kResumeBelow = kQueueFrames / 2;

}  // namespace

FrameReader::FrameReader(std::function<void()> wake)
    : wake_(std::move(wake)),
      epoll_(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      stop_(check(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      scratch_(kScratchBytes) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event), "epoll_ctl");
  thread_ = std::thread([this] { loop(); });
}

FrameReader::~FrameReader() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

FrameReader::Id FrameReader::add(int fd) {
  const std::lock_guard guard(mutex_);
  const Id id = ++last_id_;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = id;
  check(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  Source& source = sources_[id];
  source.fd = fd;
  source.armed = true;
  return id;
}

void FrameReader::remove(Id id) {
  const std::lock_guard guard(mutex_);
  const auto found = sources_.find(id);
  if (found == sources_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  sources_.erase(found);
}

void FrameReader::pause(Id id) {
  const std::lock_guard guard(mutex_);
  if (const auto found = sources_.find(id); found != sources_.end()) found->second.paused = true;
}

void FrameReader::resume(Id id) {
  bool wake = false;
  {
    const std::lock_guard guard(mutex_);
    const auto found = sources_.find(id);
    if (found == sources_.end()) return;
    Source& source = found->second;
    source.paused = false;
    arm(id, source);
    if (!source.frames.empty() || source.error != 0) wake = mark_ready(id, source);
  }
  if (wake) wake_();
}

void FrameReader::remind(Id id) {
  bool wake = false;
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = sources_.find(id); found != sources_.end()) wake = mark_ready(id, found->second);
  }
  if (wake) wake_();
}

std::vector<FrameReader::Id> FrameReader::take_ready() {
  const std::lock_guard guard(mutex_);
  for (const Id id : ready_) {
    if (const auto found = sources_.find(id); found != sources_.end()) found->second.ready = false;
  }
  return std::exchange(ready_, {});
}

std::optional<FrameReader::Frame> FrameReader::next(Id id) {
  const std::lock_guard guard(mutex_);
  const auto found = sources_.find(id);
  if (found == sources_.end() || found->second.frames.empty()) return std::nullopt;
  Source& source = found->second;
  Frame frame = std::move(source.frames.front());
  source.frames.pop_front();
  if (source.frames.size() < kResumeBelow) arm(id, source);
  return frame;
}

int FrameReader::error(Id id) {
  const std::lock_guard guard(mutex_);
  const auto found = sources_.find(id);
  return found == sources_.end() || !found->second.frames.empty() ? 0 : found->second.error;
}

void FrameReader::loop() {
  std::array<epoll_event, 32> events;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    bool wake = false;
    for (int i = 0; i < count; i++) {
      const Id id = events[static_cast<size_t>(i)].data.u64;
      if (id == 0) return;
      const std::lock_guard guard(mutex_);
      const auto found = sources_.find(id);
      if (found == sources_.end()) continue;
      Source& source = found->second;
      source.armed = false;
      if (!source.paused) read_some(source, (events[static_cast<size_t>(i)].events & EPOLLERR) != 0);
      arm(id, source);
      if (!source.frames.empty() || source.error != 0) wake |= mark_ready(id, source);
    }
    if (wake) wake_();
  }
}

// `failed`: epoll saw an error, so that "nothing to read" is the end and no reason to wait.
void FrameReader::read_some(Source& source, bool failed) {
  while (source.frames.size() < kQueueFrames) {
    const ssize_t size = ::read(source.fd, scratch_.data(), scratch_.size());
    if (size >= 0) {
      source.frames.emplace_back(scratch_.begin(), scratch_.begin() + size);
    } else if (errno == EAGAIN) {
      if (failed) source.error = EBADFD;
      return;
    } else if (errno != EINTR) {
      source.error = errno;
      return;
    }
  }
}

void FrameReader::arm(Id id, Source& source) {
  if (source.armed || source.paused || source.error != 0 || source.frames.size() >= kQueueFrames) return;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, source.fd, &event) == 0) source.armed = true;
}

// True when the consumer has to be woken: it was not told yet.
bool FrameReader::mark_ready(Id id, Source& source) {
  if (source.ready) return false;
  source.ready = true;
  ready_.push_back(id);
  return ready_.size() == 1;
}

}  // namespace weft

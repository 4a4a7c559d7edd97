// Reads frames from any number of plain TAP and TUN descriptors with one thread, for a consumer on another thread.
//
// The consumer is told once ("wake") that something is ready, takes what it wants, and is told again when there is more. A
// descriptor whose queue is full is not read until the consumer has caught up, so memory is bounded and the kernel drops instead.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sys/unique_fd.h"

namespace weft {

class FrameReader {
 public:
  using Id = uint64_t;  // never used twice
  using Frame = std::vector<uint8_t>;

  // `wake` runs on the reader's thread or on that of the caller of resume() and remind(); it must not call back into the reader.
  explicit FrameReader(std::function<void()> wake);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  // The functions below are for any thread.

  // Starts to read `fd`, which is non-blocking and stays the caller's until remove().
  Id add(int fd);
  // `fd` is not touched any more once this returns.
  void remove(Id id);
  void pause(Id id);
  void resume(Id id);
  // Puts `id` on the ready list again: the consumer stopped before it had everything.
  void remind(Id id);

  // The descriptors that have frames or an error. Clears the list.
  std::vector<Id> take_ready();
  std::optional<Frame> next(Id id);
  // The errno that ended the reading, once all frames are taken; 0 before.
  int error(Id id);

 private:
  struct Source {
    int fd = -1;
    std::deque<Frame> frames;
    int error = 0;
    bool paused = false;
    bool armed = false;
    bool ready = false;
  };

  void loop();
  void read_some(Source& source, bool failed);
  void arm(Id id, Source& source);
  [[nodiscard]] bool mark_ready(Id id, Source& source);

  const std::function<void()> wake_;
  UniqueFd epoll_;
  UniqueFd stop_;
  std::mutex mutex_;  // guards all below
  std::map<Id, Source> sources_;
  std::vector<Id> ready_;
  Id last_id_ = 0;  // 0 is the stop event's
  std::vector<uint8_t> scratch_;  // the reader's thread only
  std::thread thread_;
};

}  // namespace weft

// One capture: which frames it is of, and the thread that writes them down.
//
// The worker offers what it receives and sends to every capture of its tables (capture_frames.cc). One that wants a frame runs its filter
// over it where it lies, and copies its beginning into a ring (frame_ring.h); that is all that a capture costs the worker, and it pays
// nothing for frames of others but the question whose they are. What has no room is lost, counted, and told.
//
// The thread takes the frames out again and sends them as pcapng (capture/pcapng.h) to a socket: no frame ever passes the control plane. It
// has a lower priority than the worker, and is never waited for by it: a reader that stalls loses frames, and nothing else. Since nobody
// wakes the thread, it looks for frames every kPollMilliseconds.
//
// A capture ends when a limit is reached, when its reader goes away, or when end() is called. Its statistics are the last thing that is
// sent; a stream without them was cut off.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "capture/bpf.h"
#include "capture/frame_ring.h"
#include "capture/pcapng.h"
#include "engine/counters.h"
#include "fdb/fdb.h"
#include "sys/unique_fd.h"
#include "wire/virtio.h"

namespace weft {

struct CaptureTarget {
  enum class Kind : uint8_t { all, port, peer, network };
  Kind kind = Kind::all;
  uint16_t index = 0;
};

// How the interface of a port or a peer is called in the file. A peer has one for each network.
struct CaptureInterface {
  Destination where;
  NetworkIndex network = 0;
  std::string name;
  std::string description;
};

struct CaptureOptions {
  CaptureTarget target = {};
  bool in = true;   // what weft receives from there
  bool out = true;  // what it sends there
  uint32_t snaplen = 262144;  // bytes of a frame that are kept
  std::vector<BpfInstruction> filter = {};  // none: every frame
  std::string filter_text = {};
  std::string preamble = {};  // sent before the file
  std::string application = {};
  std::string comment = {};
  std::vector<CaptureInterface> interfaces = {};  // the first is told at once, the others with their first frame
  // 0: no limit.
  uint64_t most_frames = 0;
  uint64_t most_bytes = 0;  // that are sent
  uint32_t most_milliseconds = 0;
  size_t ring_bytes = size_t{16} << 20;
};

struct CaptureCounts {
  uint64_t frames = 0;  // sent to the reader
  uint64_t bytes = 0;
  uint64_t lost = 0;    // for want of room
};

class Capture {
 public:
  enum class End : uint8_t { running, frames, bytes, time, asked, reader_gone };

  // `to` is a connected stream socket, non-blocking. `ended` is called on the capture's thread once, when nothing is sent any more. Throws
  // SysError: EINVAL for a filter that cannot be run, ENOMEM.
  Capture(uint32_t id, CaptureOptions options, UniqueFd to, std::function<void()> ended);
  // Waits for the thread, as long as end() said, or not for its reader when nobody called it. The worker knows nothing of the capture any
  // more.
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  // ---- worker --------------------------------------------------------------------------------------------------------------
  bool wants(Destination where, NetworkIndex network, bool out) const;
  // `frame` is described but for its time and how much of it is captured. Runs the filter.
  void offer(CapturedFrame& frame, const FramePieces& pieces);

  // ---- control thread ------------------------------------------------------------------------------------------------------
  uint32_t id() const { return id_; }
  const CaptureTarget& target() const { return options_.target; }
  CaptureCounts counts() const;
  // Nothing more is captured; what was may still be sent.
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  End how_it_ended() const { return end_.load(std::memory_order_acquire); }
  // From now on nothing more is captured, and the worker knows nothing of the capture any more. What was is sent for at most `patience_ms`
  // more, with `reason` in the statistics.
  void end(const std::string& reason, uint32_t patience_ms);
  // Of a port or peer that came while the capture runs; before its first frame.
  void describe(const CaptureInterface& interface);

 private:
  static constexpr int kPollMilliseconds = 10;
  static constexpr int kBusyPollMilliseconds = 1;
  static constexpr size_t kChunkBytes = size_t{256} << 10;
  static constexpr size_t kMostInterfaces = 65536;

  struct Interface {
    uint32_t number;
    uint64_t frames = 0;
  };
  using Key = uint64_t;
  static Key key_of(Destination where, NetworkIndex network);

  enum class Collected : uint8_t { some, all, last };

  void run();
  // Frames as blocks, until there are enough to be sent (some), none are left (all), or there will be no more (last).
  Collected collect();
  void write_frame(const CapturedFrame& frame);
  Interface& interface_of(const CapturedFrame& frame);
  uint32_t announce(Key key, const CaptureInterface& described);
  void write_statistics();
  // Of the file, in out_.
  size_t waiting_bytes() const;
  bool send_out();
  // False when there is nothing more to wait for.
  bool pause(int milliseconds, bool until_writable);
  void close_with(End end);
  void close_in_time();
  bool was_asked_to_end();
  bool out_of_patience();

  const uint32_t id_;
  const CaptureOptions options_;
  const std::optional<BpfProgram> filter_;
  const UniqueFd to_;
  const UniqueFd wake_;
  const std::function<void()> ended_;
  FrameRing ring_;
  std::atomic<bool> closed_{false};  // nothing more is captured
  std::atomic<End> end_{End::running};
  Counter frames_;
  Counter bytes_;

  std::mutex mutex_;  // guards the next three
  std::map<Key, CaptureInterface> described_;
  std::string reason_;
  uint64_t patience_until_ = 0;

  // The capture's thread.
  End closing_ = End::running;
  std::map<Key, Interface> interfaces_;
  std::string text_;  // of the frame that is written
  pcapng::Bytes out_;
  size_t out_sent_ = 0;
  uint64_t written_bytes_ = 0;
  uint64_t written_frames_ = 0;
  const uint64_t started_;            // CLOCK_REALTIME, nanoseconds
  const uint64_t started_monotonic_;  // CLOCK_MONOTONIC
  std::thread thread_;
};

// Of the frame's contents as text, for the comment; empty when there is nothing to say.
void describe_frame(const CapturedFrame& frame, std::string& to);

}  // namespace weft

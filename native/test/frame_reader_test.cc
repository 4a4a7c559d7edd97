// FrameReader on datagram socket pairs, which behave as a TAP does: one read, one frame.
#include <doctest/doctest.h>

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <string>

#include "sys/frame_reader.h"
#include "sys/link.h"
#include "sys/sys_error.h"
#include "sys/tun_device.h"

using namespace weft;

namespace {

struct Cable {
  Cable() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    near = UniqueFd(ends[0]);
    far = UniqueFd(ends[1]);
  }
  bool send(const std::string& frame) const { return ::send(far.get(), frame.data(), frame.size(), MSG_DONTWAIT) >= 0; }
  UniqueFd near;
  UniqueFd far;
};

// Counts the wake-ups, and waits for them.
class Bell {
 public:
  std::function<void()> ringer() {
    return [this] {
      const std::lock_guard guard(mutex_);
      rings_++;
      rung_.notify_all();
    };
  }
  int rings() {
    const std::lock_guard guard(mutex_);
    return rings_;
  }
  // Waits for one ring more than were answered so far.
  bool wait() {
    std::unique_lock guard(mutex_);
    const bool rang = rung_.wait_for(guard, std::chrono::seconds(60), [this] { return rings_ > answered_; });
    answered_ = rings_;
    return rang;
  }

 private:
  std::mutex mutex_;
  std::condition_variable rung_;
  int rings_ = 0;
  int answered_ = 0;
};

std::string text(const FrameReader::Frame& frame) { return {frame.begin(), frame.end()}; }

// Takes frames, waiting for each.
std::vector<std::string> take(FrameReader& reader, Bell& bell, FrameReader::Id id, size_t count) {
  std::vector<std::string> frames;
  while (frames.size() < count) {
    if (const auto frame = reader.next(id)) {
      frames.push_back(text(*frame));
      continue;
    }
    REQUIRE(bell.wait());
    reader.take_ready();
  }
  return frames;
}

}  // namespace

TEST_CASE("frames come out whole, in order, from several sources") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const Cable first;
  const Cable second;
  const FrameReader::Id a = reader.add(first.near.get());
  const FrameReader::Id b = reader.add(second.near.get());
  CHECK(a != b);
  REQUIRE(first.send("one"));
  REQUIRE(second.send("uno"));
  REQUIRE(first.send("two"));
  CHECK(take(reader, bell, a, 2) == std::vector<std::string>{"one", "two"});
  CHECK(take(reader, bell, b, 1) == std::vector<std::string>{"uno"});
  CHECK_FALSE(reader.next(a));
  CHECK(reader.error(a) == 0);
}

TEST_CASE("a ready source is announced once until it is asked about") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const Cable first;
  const Cable second;
  const FrameReader::Id a = reader.add(first.near.get());
  const FrameReader::Id b = reader.add(second.near.get());
  REQUIRE(first.send("x"));
  REQUIRE(bell.wait());
  REQUIRE(second.send("y"));
  REQUIRE(first.send("z"));
  std::vector<std::string> taken;
  while (taken.size() < 3) {
    for (const FrameReader::Id id : {a, b}) {
      while (const auto frame = reader.next(id)) taken.push_back(text(*frame));
    }
  }
  CHECK(bell.rings() == 1);
  CHECK_FALSE(reader.take_ready().empty());
  const int rings = bell.rings();
  reader.remind(a);
  reader.remind(a);
  CHECK(bell.rings() == rings + 1);
  CHECK(reader.take_ready() == std::vector<FrameReader::Id>{a});
  CHECK(reader.take_ready().empty());
}

TEST_CASE("a consumer that does not take keeps the rest in the kernel, and loses nothing") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const Cable cable;
  int size = 1 << 20;
  REQUIRE(::setsockopt(cable.far.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
  const FrameReader::Id id = reader.add(cable.near.get());
  constexpr size_t kFrames = 5000;  // more than the queue of a source and the socket's together
  size_t sent = 0;
  std::vector<std::string> received;
  bool was_refused = false;
  while (received.size() < kFrames) {
    if (sent < kFrames && cable.send(std::to_string(sent))) {
      sent++;
      continue;
    }
    was_refused |= sent < kFrames;
    received.push_back(take(reader, bell, id, 1)[0]);
  }
  CHECK(was_refused);  // neither the queue nor the socket took everything: back-pressure reached the sender
  for (size_t i = 0; i < kFrames; i++) CHECK(received[i] == std::to_string(i));
}

TEST_CASE("a paused source is not read, and goes on where it was") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const Cable cable;
  const Cable other;
  const FrameReader::Id id = reader.add(cable.near.get());
  const FrameReader::Id witness = reader.add(other.near.get());
  reader.pause(id);
  REQUIRE(cable.send("later"));
  REQUIRE(other.send("now"));
  CHECK(take(reader, bell, witness, 1) == std::vector<std::string>{"now"});
  CHECK_FALSE(reader.next(id));
  reader.resume(id);
  CHECK(take(reader, bell, id, 1) == std::vector<std::string>{"later"});
}

TEST_CASE("what was read before a pause is announced again by resume") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const Cable cable;
  const FrameReader::Id id = reader.add(cable.near.get());
  REQUIRE(cable.send("x"));
  REQUIRE(bell.wait());
  reader.pause(id);
  CHECK(reader.take_ready() == std::vector<FrameReader::Id>{id});
  reader.resume(id);
  CHECK(reader.take_ready() == std::vector<FrameReader::Id>{id});
  CHECK(take(reader, bell, id, 1) == std::vector<std::string>{"x"});
}

TEST_CASE("a removed source is forgotten, and its descriptor free for others") {
  Bell bell;
  FrameReader reader(bell.ringer());
  FrameReader::Id former = 0;
  {
    const Cable cable;
    former = reader.add(cable.near.get());
    REQUIRE(cable.send("x"));
    REQUIRE(bell.wait());
    CHECK(reader.take_ready() == std::vector<FrameReader::Id>{former});
    reader.remove(former);
    reader.remove(former);
  }
  CHECK_FALSE(reader.next(former));
  CHECK(reader.error(former) == 0);
  reader.resume(former);
  reader.remind(former);
  const Cable cable;  // most likely with the same numbers
  const FrameReader::Id id = reader.add(cable.near.get());
  CHECK(id != former);
  REQUIRE(cable.send("y"));
  CHECK(take(reader, bell, id, 1) == std::vector<std::string>{"y"});
}

TEST_CASE("a device that vanishes ends with an error, once") {
  Bell bell;
  FrameReader reader(bell.ringer());
  const UniqueFd tun = open_tun();
  const std::string name = set_tun_interface(tun.get(), temporary_ifname(), TunKind::tap, false);
  const FrameReader::Id id = reader.add(tun.get());
  NetlinkSocket netlink;
  delete_link(netlink, require_link(netlink, name).ifindex);
  while (reader.error(id) == 0) REQUIRE(bell.wait());
  CHECK(reader.error(id) == EBADFD);
  CHECK_FALSE(reader.next(id));
}

TEST_CASE("add refuses what cannot be waited for") {
  Bell bell;
  FrameReader reader(bell.ringer());
  CHECK_THROWS_AS(reader.add(-1), SysError);
}

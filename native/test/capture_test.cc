// Captures: which frames they are of, what is told of each, and how they end. The worker is that of the rig; what comes out is read from
// the stream as a reader would.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/capture.h"
#include "sys/sys_error.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

const char* const kPeer = "10.0.0.2";

uint32_t word(const Bytes& bytes, size_t at) {
  uint32_t value;
  memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Block {
  uint32_t type = 0;
  Bytes body;  // without type, lengths

  // The value of an option, from where the options begin.
  std::optional<Bytes> option(size_t from, uint16_t wanted) const {
    for (size_t at = from; at + 4 <= body.size();) {
      const uint16_t code = static_cast<uint16_t>(word(body, at));
      const size_t length = word(body, at) >> 16;
      if (code == 0) break;
      if (code == wanted) return Bytes(body.begin() + static_cast<long>(at + 4), body.begin() + static_cast<long>(at + 4 + length));
      at += 4 + ((length + 3) & ~size_t{3});
    }
    return std::nullopt;
  }
};

struct Recorded {
  uint32_t interface = 0;
  uint32_t length = 0;
  Bytes bytes;
  bool out = false;
  uint64_t lost = 0;
  std::string comment;
};

std::string text(const std::optional<Bytes>& bytes) { return bytes ? std::string(bytes->begin(), bytes->end()) : ""; }

struct Pcapng {
  std::vector<Block> blocks;
  std::vector<std::string> interfaces;
  std::vector<Recorded> packets;
  uint64_t received = 0;
  uint64_t dropped = 0;
  std::string end;

  explicit Pcapng(const Bytes& stream) {
    for (size_t at = 0; at < stream.size();) {
      REQUIRE(at + 12 <= stream.size());
      const uint32_t bytes = word(stream, at + 4);
      REQUIRE(bytes % 4 == 0);
      REQUIRE(at + bytes <= stream.size());
      REQUIRE(word(stream, at + bytes - 4) == bytes);
      read({word(stream, at), Bytes(stream.begin() + static_cast<long>(at + 8), stream.begin() + static_cast<long>(at + bytes - 4))});
      at += bytes;
    }
  }

  void read(Block block) {
    if (block.type == 1) interfaces.push_back(text(block.option(8, 2)));
    if (block.type == 5) {
      received += word(*block.option(12, 4), 0);
      dropped += word(*block.option(12, 5), 0);
      end = text(block.option(12, 1));
    }
    if (block.type == 6) {
      Recorded packet;
      packet.interface = word(block.body, 0);
      packet.length = word(block.body, 16);
      const size_t captured = word(block.body, 12);
      REQUIRE(packet.interface < interfaces.size());
      packet.bytes.assign(block.body.begin() + 20, block.body.begin() + 20 + static_cast<long>(captured));
      const size_t options = 20 + ((captured + 3) & ~size_t{3});
      packet.comment = text(block.option(options, 1));
      packet.out = word(*block.option(options, 2), 0) == 2;
      if (const auto lost = block.option(options, 4)) packet.lost = word(*lost, 0);
      packets.push_back(std::move(packet));
    }
    blocks.push_back(std::move(block));
  }
};

// A connection to a reader.
struct Reader {
  explicit Reader(int send_buffer = 0) {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    if (send_buffer != 0) setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    here.reset(fds[0]);
    there.reset(fds[1]);
  }
  UniqueFd here, there;

  Bytes read_to_end() {
    Bytes all;
    uint8_t buffer[65536];
    for (;;) {
      pollfd ready{here.get(), POLLIN, 0};
      REQUIRE(poll(&ready, 1, 30'000) == 1);
      const ssize_t got = ::read(here.get(), buffer, sizeof buffer);
      if (got <= 0) return all;
      all.insert(all.end(), buffer, buffer + got);
    }
  }
};

struct CaptureRig : Rig {
  NetworkIndex network = add_network(42);
  NetworkIndex other_network = add_network(43);
  PortHandle a = add_port(network);
  PortHandle b = add_port(network);
  PortHandle c = add_port(other_network);
  PortHandle d = add_port(other_network);
  Peer* peer = add_peer(kPeer);
  Reader reader;
  std::atomic<int> ended{0};
  std::unique_ptr<Capture> capture;

  CaptureRig() {
    from_guest(a, ethernet(kBroadcast, kMacA));
    from_guest(b, ethernet(kBroadcast, kMacB));
    from_underlay(kPeer, vxlan(42, ethernet(kBroadcast, kMacC)));
    from_guest(c, ethernet(kBroadcast, 0x020000000011));
    from_guest(d, ethernet(kBroadcast, 0x020000000012));
  }

  void start(CaptureOptions wanted) {
    capture = std::make_unique<Capture>(1, std::move(wanted), std::move(reader.there), [this] { ++ended; });
    tables.captures = {capture.get()};
    publish();
  }
  // What was captured, once it has ended because it was asked to.
  Pcapng finish() {
    tables.captures = {};
    publish();
    capture->end("asked", 30'000);
    const Pcapng read(reader.read_to_end());
    capture.reset();
    CHECK(ended == 1);
    return read;
  }
};

CaptureOptions of_port(const Rig::PortHandle& port) {
  return {.target = {CaptureTarget::Kind::port, port.port->index},
          .interfaces = {{{DestinationKind::port, port.port->index}, port.port->options.network, "web", "the port web"}}};
}

const uint16_t kSegment = 1000;

weft::test::Frame super_spec(size_t payload) {
  weft::test::Frame spec;
  spec.payload = Bytes(payload, 0x77);
  spec.unfinished = true;
  return spec;
}

const VnetHeader kSuper{.flags = kVnetNeedsChecksum, .gso_type = kGsoTcp4, .gso_size = kSegment, .checksum_start = 34, .checksum_offset = 16};

}  // namespace

TEST_CASE("a port's capture has what it sends and what it gets, and nothing else") {
  CaptureRig rig;
  rig.start(of_port(rig.a));
  const Bytes there = ethernet(kMacB, kMacA, 100), back = ethernet(kMacA, kMacB, 200), between = ethernet(kMacC, kMacB, 60);
  const Bytes from_peer = ethernet(kMacA, kMacC, 300);
  rig.from_guest(rig.a, there);
  rig.from_guest(rig.b, back);
  rig.from_guest(rig.b, between);
  rig.from_underlay(kPeer, vxlan(42, from_peer));
  rig.from_guest(rig.c, ethernet(kBroadcast, 0x020000000011));

  const Pcapng file = rig.finish();
  CHECK(file.interfaces == std::vector<std::string>{"web"});
  REQUIRE(file.packets.size() == 3);
  CHECK(file.packets[0].bytes == there);
  CHECK_FALSE(file.packets[0].out);
  CHECK(file.packets[1].bytes == back);
  CHECK(file.packets[1].out);
  CHECK(file.packets[2].bytes == from_peer);
  for (const Recorded& packet : file.packets) CHECK(packet.comment.empty());
  CHECK(file.received == 3);
  CHECK(file.dropped == 0);
  CHECK(file.end == "the capture ended: asked");
}

TEST_CASE("a network's capture has a frame where it comes in and where it goes out, on interfaces of their own") {
  CaptureRig rig;
  rig.start({.target = {CaptureTarget::Kind::network, rig.network},
             .interfaces = {{{DestinationKind::port, 0}, rig.network, "a", ""}, {{DestinationKind::port, 1}, rig.network, "b", ""}}});
  rig.from_guest(rig.b, ethernet(kBroadcast, kMacB, 80));
  rig.from_guest(rig.c, ethernet(kBroadcast, 0x020000000011));
  const Pcapng file = rig.finish();
  std::vector<std::pair<std::string, bool>> seen;
  for (const Recorded& packet : file.packets) seen.push_back({file.interfaces[packet.interface], packet.out});
  CHECK(seen == std::vector<std::pair<std::string, bool>>{{"b", false}, {"peer", true}, {"a", true}});
}

TEST_CASE("a peer's capture has the frames of all networks, without VXLAN") {
  CaptureRig rig;
  rig.start({.target = {CaptureTarget::Kind::peer, rig.peer->index},
             .interfaces = {{{DestinationKind::peer, 0}, rig.network, "p/blue", ""}, {{DestinationKind::peer, 0}, rig.other_network, "p/red", ""}}});
  const Bytes out = ethernet(kMacC, kMacA, 90), in = ethernet(0x020000000011, 0x020000000021, 90);
  rig.from_guest(rig.a, out);
  rig.from_underlay(kPeer, vxlan(43, in));
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  const Pcapng file = rig.finish();
  REQUIRE(file.packets.size() == 2);
  CHECK(file.packets[0].bytes == out);
  CHECK(file.packets[0].out);
  CHECK(file.interfaces[file.packets[0].interface] == "p/blue");
  CHECK(file.packets[1].bytes == in);
  CHECK_FALSE(file.packets[1].out);
  CHECK(file.interfaces[file.packets[1].interface] == "p/red");
}

TEST_CASE("one direction only") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.in = false;
  rig.start(std::move(options));
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  rig.from_guest(rig.b, ethernet(kMacA, kMacB));
  const Pcapng file = rig.finish();
  REQUIRE(file.packets.size() == 1);
  CHECK(file.packets[0].out);
}

TEST_CASE("a frame that is dropped is told with the reason") {
  CaptureRig rig;
  rig.start({});
  rig.from_guest(rig.a, ethernet(kMacA, kMacA));
  rig.b.tap->write_error = EIO;
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  rig.b.tap->write_error = 0;
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  const Pcapng file = rig.finish();
  std::vector<std::string> comments;
  for (const Recorded& packet : file.packets) comments.push_back(packet.comment);
  CHECK(comments == std::vector<std::string>{"dropped: same_port", "", "dropped: port_down", "", ""});
}

TEST_CASE("a super-frame is captured whole where it comes in, where it goes to a peer, and as it is written to a port") {
  CaptureRig rig;
  rig.start({});
  const Bytes frame = with_macs(build(super_spec(2500)), kMacC, kMacA);
  rig.from_guest(rig.a, frame, kSuper);
  const Bytes local = with_macs(build(super_spec(2500)), kMacB, kMacA);
  rig.from_guest(rig.a, local, kSuper);
  const Pcapng file = rig.finish();
  REQUIRE(file.packets.size() == 4);
  for (const Recorded& packet : file.packets) {
    CHECK(packet.length == frame.size());
    CHECK(packet.comment ==
          "super-frame: 3 frames, 1000 bytes of payload each (TCP over IPv4); checksum unfinished: left to the receiving device");
  }
  CHECK(file.packets[0].bytes == frame);
  CHECK(file.packets[1].bytes == frame);
  CHECK(file.packets[2].bytes == local);
}

TEST_CASE("frames that are joined for a guest are captured joined, and an unfinished checksum of a peer is told") {
  CaptureRig rig;
  rig.start({});
  for (uint32_t i = 0; i < 3; ++i) {
    weft::test::Frame spec;
    spec.id = static_cast<uint16_t>(1 + i);
    spec.sequence = 1000 + i * kSegment;
    spec.payload = Bytes(kSegment, 5);
    spec.unfinished = i == 0;
    rig.receiver->arrivals.push_back({kPeer, vxlan(42, with_macs(build(spec), kMacA, kMacC))});
  }
  rig.run_underlay();
  const Pcapng file = rig.finish();
  REQUIRE(file.packets.size() == 4);
  CHECK(file.packets[0].comment == "checksum unfinished: left to the receiving device");
  CHECK(file.packets[1].comment == "");
  CHECK(file.packets[3].out);
  CHECK(file.packets[3].length == 14 + 40 + 3 * kSegment);
  CHECK(file.packets[3].comment.starts_with("super-frame: 3 frames, 1000 bytes of payload each"));
}

TEST_CASE("the filter sees the whole frame, and only the beginning is kept") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.snaplen = 20;
  options.filter = {{0x30, 0, 0, 100}, {0x15, 0, 1, 0x5a}, {6, 0, 0, 1}, {6, 0, 0, 0}};  // a byte behind them
  rig.start(std::move(options));
  rig.from_guest(rig.a, ethernet(kMacB, kMacA, 50));
  rig.from_guest(rig.a, ethernet(kMacB, kMacA, 150));
  const Pcapng file = rig.finish();
  REQUIRE(file.packets.size() == 1);
  CHECK(file.packets[0].length == 164);
  CHECK(file.packets[0].bytes.size() == 20);
}

TEST_CASE("a filter that cannot be run is refused") {
  Reader reader;
  CHECK_THROWS_AS(Capture(1, {.filter = {{5, 0, 0, 9}}}, std::move(reader.there), [] {}), SysError);
}

TEST_CASE("it ends by itself with the last frame that was asked for") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.most_frames = 2;
  rig.start(std::move(options));
  for (int i = 0; i < 5; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  const Pcapng file(rig.reader.read_to_end());
  CHECK(file.packets.size() == 2);
  CHECK(file.end == "the capture ended: the number of frames was reached");
  CHECK(rig.capture->closed());
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));  // the worker knows it still
}

TEST_CASE("it ends before it is larger than was asked for") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.most_bytes = 3000;
  rig.start(std::move(options));
  for (int i = 0; i < 5; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
  const Pcapng file(rig.reader.read_to_end());
  CHECK(file.packets.size() == 2);
  CHECK(file.end == "the capture ended: the size was reached");
}

TEST_CASE("it ends when its time is over, with what was captured until then") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.most_milliseconds = 100;
  rig.start(std::move(options));
  rig.from_guest(rig.a, ethernet(kMacB, kMacA));
  const Pcapng file(rig.reader.read_to_end());
  CHECK(file.packets.size() == 1);
  CHECK(file.end == "the capture ended: the time was over");
}

TEST_CASE("a reader that stalls loses frames and not the worker's time; what was lost is told, and adds up") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.ring_bytes = 1 << 16;
  rig.start(std::move(options));
  constexpr uint64_t kFrames = 5000;
  for (uint64_t i = 0; i < kFrames; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
  CHECK(rig.balanced());
  CHECK(rig.b.tap->written.size() >= kFrames);
  CHECK(rig.capture->counts().lost > 0);
  const Pcapng file = rig.finish();
  uint64_t lost = 0;
  for (const Recorded& packet : file.packets) lost += packet.lost;
  CHECK(file.packets.size() + file.dropped == kFrames);
  CHECK(file.received == kFrames);
  CHECK(lost <= file.dropped);
}

TEST_CASE("it ends when its reader goes away, whether frames come or not") {
  for (const bool frames : {false, true}) {
    CaptureRig rig;
    rig.start(of_port(rig.a));
    rig.reader.here.reset();
    while (rig.ended == 0) {
      if (frames) rig.from_guest(rig.a, ethernet(kMacB, kMacA));
      std::this_thread::yield();
    }
    CHECK(rig.capture->how_it_ended() == Capture::End::reader_gone);
  }
}

TEST_CASE("a reader that stalls is not waited for without end") {
  CaptureRig rig;
  rig.start(of_port(rig.a));
  for (int i = 0; i < 2000; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
  rig.capture->end("asked", 50);
  while (rig.ended == 0) std::this_thread::yield();
  CHECK(rig.capture->how_it_ended() == Capture::End::reader_gone);
}

TEST_CASE("captures of a running engine come and go with their targets, and an index is not given again meanwhile") {
  std::atomic<int> woken{0};
  Engine engine({.fdb_capacity = 1u << 16, .merge_tcp = true, .merge_udp = true, .wake = [&woken] { ++woken; }});
  engine.start();
  const NetworkIndex network = engine.add_network({.vni = 42, .fdb = {}});
  const uint16_t port = engine.add_port({.network = network}, std::make_unique<FakeTap>());
  Reader of_the_port, of_the_network;
  engine.start_capture({.target = {CaptureTarget::Kind::port, port}}, std::move(of_the_port.there));
  const uint32_t second = engine.start_capture({.target = {CaptureTarget::Kind::network, network}}, std::move(of_the_network.there));
  CHECK(second == 2);

  engine.remove_port(port, false);
  CHECK(Pcapng(of_the_port.read_to_end()).packets.empty());
  CHECK(engine.add_port({.network = network}, std::make_unique<FakeTap>()) == port + 1);
  while (woken == 0) std::this_thread::yield();
  CHECK(engine.take_ended_captures().size() == 1);
  CHECK(engine.captures().size() == 1);

  engine.end_capture(second, "asked");
  of_the_network.read_to_end();
  while (engine.take_ended_captures().empty()) std::this_thread::yield();
  CHECK(engine.captures().empty());
  CHECK(engine.add_port({.network = network}, std::make_unique<FakeTap>()) == port);

  CHECK_THROWS_AS(engine.start_capture({.target = {CaptureTarget::Kind::peer, 3}}, {}), SysError);
  std::vector<Reader> readers(5);
  for (int i = 0; i < 4; ++i) engine.start_capture({}, std::move(readers[static_cast<size_t>(i)].there));
  CHECK_THROWS_AS(engine.start_capture({}, std::move(readers[4].there)), SysError);
  engine.stop();
  CHECK(Pcapng(readers[0].read_to_end()).blocks.size() == 1);
}

TEST_CASE("when the time is over, a reader that stalls is no reason to go on") {
  CaptureRig rig;
  CaptureOptions options = of_port(rig.a);
  options.most_milliseconds = 200;
  rig.start(std::move(options));
  int before = 0;
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!rig.capture->closed()) {
    REQUIRE(std::chrono::steady_clock::now() < late);
    rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
    ++before;
  }
  for (int i = 0; i < 10; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
  const Pcapng file(rig.reader.read_to_end());
  CHECK(file.received >= static_cast<uint64_t>(before - 1));
  CHECK(file.received <= static_cast<uint64_t>(before));
  CHECK(file.end == "the capture ended: the time was over");
}

TEST_CASE("one that was asked to end is not hurried when it is taken away") {
  CaptureRig rig;
  rig.start(of_port(rig.a));
  for (int i = 0; i < 2000; ++i) rig.from_guest(rig.a, ethernet(kMacB, kMacA, 1000));
  rig.tables.captures = {};
  rig.publish();
  rig.capture->end("weftd stops", 30'000);
  Bytes read;
  std::thread reader([&] { read = rig.reader.read_to_end(); });
  rig.capture.reset();
  reader.join();
  const Pcapng file(read);
  CHECK(file.packets.size() == 2000);
  CHECK(file.end == "the capture ended: weftd stops");
}

TEST_CASE("no network takes the number of another one while a capture knows it by its name") {
  Engine engine({.fdb_capacity = 1u << 16, .merge_tcp = true, .merge_udp = true, .wake = [] {}});
  Reader reader;
  engine.start_capture({}, std::move(reader.there));
  for (uint32_t i = 0; i < 3; ++i) {
    const NetworkIndex index = engine.add_network({.vni = 5000 + i, .fdb = {}});
    CHECK(index == i);
    engine.remove_network(index);
  }
  engine.end_capture(1, "asked");
  reader.read_to_end();
  while (engine.take_ended_captures().empty()) std::this_thread::yield();
  CHECK(engine.add_network({.vni = 42, .fdb = {}}) == 0);
}

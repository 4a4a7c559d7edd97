// The engine as its control sees it, with a running worker: objects come and go while frames flow.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "sys/sys_error.h"
#include "test/rig.h"

using namespace weft;
using namespace weft::test;

namespace {

// A TAP made of a socket pair that keeps the bounds of frames; the other end is the guest.
struct Guest {
  Guest() { REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) == 0); }
  ~Guest() { ::close(fds[0]); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  // Once only: the queue owns its end.
  std::unique_ptr<TapQueue> queue() { return std::make_unique<KernelTapQueue>(fds[1]); }

  void send(const Bytes& frame) {
    Bytes bytes(sizeof(VnetHeader));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    (void)!::write(fds[0], bytes.data(), bytes.size());
  }

  // Waits for a frame; empty after half a minute.
  Bytes receive() {
    pollfd ready{fds[0], POLLIN, 0};
    poll(&ready, 1, 30'000);
    Bytes bytes(70000);
    const ssize_t got = recv(fds[0], bytes.data(), bytes.size(), 0);
    return got < 0 ? Bytes{} : Bytes(bytes.begin() + sizeof(VnetHeader), bytes.begin() + got);
  }

  int fds[2];
};

int error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const SysError& error) {
    return error.error();
  }
  return 0;
}

Engine::Options quiet() { return {.fdb_capacity = 1u << 16, .merge_tcp = true, .merge_udp = true, .wake = [] {}}; }

}  // namespace

TEST_CASE("frames flow between two ports of a running engine, and stop when one is removed") {
  Engine engine(quiet());
  engine.start();
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b;
  const auto port_a = engine.add_port({.network = network, .group = 0}, a.queue());
  const auto port_b = engine.add_port({.network = network, .group = 0}, b.queue());
  const Bytes frame = ethernet(kBroadcast, kMacA);
  a.send(frame);
  CHECK(b.receive() == frame);
  CHECK(engine.fdb().find(network, kMacA) == Destination{DestinationKind::port, port_a});
  engine.remove_port(port_a, true);
  CHECK_FALSE(engine.fdb().find(network, kMacA).has_value());
  CHECK(error_of([&] { engine.remove_port(port_a, true); }) == ENOENT);
  CHECK(error_of([&] { engine.remove_network(network); }) == EBUSY);
  engine.remove_port(port_b, true);
  engine.remove_network(network);
  CHECK(engine.tables().networks[network].used == false);
}

TEST_CASE("a worker looks for work before it sleeps only while it may") {
  Engine engine(quiet());
  engine.set_busy_poll(false);
  engine.start();
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b;
  engine.add_port({.network = network, .group = 0}, a.queue());
  engine.add_port({.network = network, .group = 0}, b.queue());
  const Bytes frame = ethernet(kBroadcast, kMacA);
  const auto pass = [&] {
    a.send(frame);
    CHECK(b.receive() == frame);
  };
  for (int i = 0; i < 2000; ++i) pass();
  CHECK(engine.counters().polled.get() == 0);

  engine.set_busy_poll(true);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (engine.counters().polled.get() == 0 && std::chrono::steady_clock::now() < deadline) pass();
  CHECK(engine.counters().polled.get() > 0);
}

TEST_CASE("the guard of a port comes, changes and goes while its guest sends") {
  Engine engine(quiet());
  engine.start();
  const NetworkIndex network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b;
  const uint16_t index = engine.add_port({.network = network}, a.queue());
  const uint16_t other = engine.add_port({.network = network}, b.queue());
  const Destination at_a{DestinationKind::port, index}, at_b{DestinationKind::port, other};
  const auto guard_of = [](Mac mac) { return std::make_shared<const Guard>(mac, std::vector<Endpoint>{}); };
  const auto refused = [&] { return engine.tables().ports[index]->refused[guard_drop_index(Drop::spoofed_mac)].get(); };
  const auto passes = [&](Mac from) {
    const uint64_t before = refused();
    a.send(ethernet(kBroadcast, from));
    a.send(ethernet(kBroadcast, kMacA));  // never refused below, and so the end of the wait
    bool seen = false;
    for (;;) {
      const Bytes got = b.receive();
      if (got == ethernet(kBroadcast, kMacA)) break;
      seen = seen || got == ethernet(kBroadcast, from);
    }
    CHECK(refused() == before + (seen ? 0 : 1));
    return seen;
  };
  engine.declare(network, 0x0200000000dd, at_a);
  b.send(ethernet(kBroadcast, kMacB));
  CHECK(a.receive() == ethernet(kBroadcast, kMacB));
  CHECK(passes(kMacC));
  CHECK(engine.fdb().find(network, kMacC) == at_a);

  engine.set_guard(index, guard_of(kMacA));
  // What the port taught before of other MACs is forgotten, and nothing else.
  CHECK_FALSE(engine.fdb().find(network, kMacC).has_value());
  CHECK(engine.fdb().find(network, kMacA) == at_a);
  CHECK(engine.fdb().find(network, kMacB) == at_b);
  CHECK(engine.fdb().find(network, 0x0200000000dd) == at_a);
  CHECK_FALSE(passes(kMacC));
  CHECK_FALSE(engine.fdb().find(network, kMacC).has_value());

  engine.set_guard(index, nullptr);
  CHECK(passes(kMacC));
  CHECK(error_of([&] { engine.set_guard(77, nullptr); }) == ENOENT);

  // The worker holds on to the guard of its tables, whatever becomes of it meanwhile.
  for (int i = 0; i < 300; ++i) {
    a.send(ethernet(kBroadcast, kMacA));
    engine.set_guard(index, i % 3 == 0 ? nullptr : guard_of(kMacA));
    engine.announce(index);
    CHECK(b.receive() == ethernet(kBroadcast, kMacA));
  }
  engine.stop();
}

TEST_CASE("a running engine announces guarded ports when it is asked to, and those that are gone no more") {
  Engine engine(quiet());
  engine.start();
  const NetworkIndex network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b, plain;
  const auto guard = std::make_shared<const Guard>(kMacA, std::vector<Endpoint>{*Endpoint::parse("10.0.0.1", 0)});
  const uint16_t first = engine.add_port({.network = network, .guard = guard}, a.queue());
  const uint16_t second = engine.add_port({.network = network}, b.queue());

  engine.announce(first);
  const Bytes announcement = b.receive();
  REQUIRE(announcement.size() == 42);
  CHECK(load_mac(announcement.data()) == kBroadcast);
  CHECK(load_mac(announcement.data() + 6) == kMacA);

  // The MAC was learned there.
  b.send(ethernet(kMacA, kMacB));
  CHECK(a.receive() == ethernet(kMacA, kMacB));

  // Nothing comes of one without a guard; the next frame that a gets is the one behind it.
  engine.announce(second);
  b.send(ethernet(kMacA, kMacB, 50));
  CHECK(a.receive() == ethernet(kMacA, kMacB, 50));

  for (int i = 0; i < 200; ++i) {
    Guest other;
    const uint16_t index = engine.add_port({.network = network, .guard = guard}, other.queue());
    engine.announce(index);
    engine.remove_port(index, false);
  }
  CHECK(error_of([&] { engine.announce(77); }) == ENOENT);
  engine.stop();
  const WorkerCounters& c = engine.counters();
  CHECK(c.received.get() == c.unicast.get() + c.flooded.get());
}

TEST_CASE("what cannot be is refused and changes nothing") {
  Engine engine(quiet());
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  const auto other = engine.add_network({.vni = 43, .mtu = 1450, .vlan = false, .fdb = {}});
  CHECK(error_of([&] { engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}}); }) == EEXIST);
  CHECK(error_of([&] { engine.update_network(other, {.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}}); }) == EEXIST);
  CHECK(error_of([&] { engine.update_network(99, {}); }) == ENOENT);
  const PeerOptions peer{.endpoint = *Endpoint::parse("10.0.0.2", 4789)};
  const auto index = engine.add_peer(peer);
  CHECK(error_of([&] { engine.add_peer(peer); }) == EEXIST);
  CHECK(error_of([&] { engine.remove_peer(17); }) == ENOENT);
  Guest guest;
  const auto port = engine.add_port({.network = network, .group = 0}, guest.queue());
  CHECK(error_of([&] { engine.declare(other, kMacA, {DestinationKind::port, port}); }) == EINVAL);
  CHECK(error_of([&] { engine.declare(network, kMacA, {DestinationKind::peer, 55}); }) == ENOENT);
  engine.declare(network, kMacA, {DestinationKind::peer, index});
  CHECK(engine.undeclare(network, kMacA));
  CHECK_FALSE(engine.undeclare(network, kMacA));
}

TEST_CASE("a network changed while it is in use keeps its ports and its FDB") {
  Engine engine(quiet());
  engine.start();
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b;
  engine.add_port({.network = network, .group = 0}, a.queue());
  engine.add_port({.network = network, .group = 0}, b.queue());
  a.send(ethernet(kBroadcast, kMacA));
  REQUIRE_FALSE(b.receive().empty());
  engine.update_network(network, {.vni = 44, .mtu = 1400, .vlan = true, .fdb = {}});
  CHECK(engine.tables().networks[network].ports.size() == 2);
  CHECK(engine.fdb().find(network, kMacA).has_value());
  b.send(ethernet(kMacA, kMacB));
  CHECK_FALSE(a.receive().empty());
}

TEST_CASE("objects come and go under traffic: no crash, no frame to a closed port, the counters balance") {
  Engine engine(quiet());
  engine.start();
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest steady, sink;
  engine.add_port({.network = network, .group = 0}, steady.queue());
  engine.add_port({.network = network, .group = 0}, sink.queue());
  std::atomic<bool> stop{false};
  std::thread traffic([&] {
    uint32_t i = 0;
    Bytes bytes(70000);
    while (!stop) {
      steady.send(ethernet(i % 3 == 0 ? kBroadcast : kMacB, 0x020000000100 + (i % 50)));
      ++i;
      while (recv(sink.fds[0], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
      }
    }
  });
  for (int i = 0; i < 300; ++i) {
    Guest guest;
    const auto port = engine.add_port({.network = network, .group = 0}, guest.queue());
    const auto peer = engine.add_peer({.endpoint = *Endpoint::parse("10.0.0." + std::to_string(2 + i % 200), 4789)});
    guest.send(ethernet(kBroadcast, kMacC));
    engine.declare(network, kMacB, {DestinationKind::port, port});
    engine.flush_learned(i % 2 == 0 ? std::optional<NetworkIndex>(network) : std::nullopt);
    engine.dump_fdb(std::nullopt, 100);
    engine.remove_port(port, true);
    engine.remove_peer(peer);
  }
  stop = true;
  traffic.join();
  engine.stop();
  const WorkerCounters& c = engine.counters();
  uint64_t ingress = 0, egress = 0;
  for (size_t i = 0; i < kDropCount; ++i) (is_egress(static_cast<Drop>(i)) ? egress : ingress) += c.dropped[i].get();
  CHECK(c.received.get() == c.unicast.get() + c.flooded.get() + c.consumed.get() + ingress);
  CHECK(c.queued.get() == c.sent.get() + egress);
  CHECK(c.received.get() > 300);
}

TEST_CASE("a port or a peer removed while its own frames arrive is never a place to send to") {
  Engine engine(quiet());
  engine.start();
  const auto network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest steady;
  engine.add_port({.network = network, .group = 0}, steady.queue());
  for (int i = 0; i < 300; ++i) {
    Guest guest;
    const auto port = engine.add_port({.network = network, .group = 0}, guest.queue());
    std::atomic<bool> stop{false};
    std::thread both_ways([&] {
      Bytes bytes(2000);
      while (!stop) {
        guest.send(ethernet(kMacA, kMacB));
        steady.send(ethernet(kMacB, kMacA));
        while (recv(steady.fds[0], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
        while (recv(guest.fds[0], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
      }
    });
    while (!engine.fdb().find(network, kMacB).has_value()) std::this_thread::yield();
    engine.remove_port(port, true);
    stop = true;
    both_ways.join();
    CHECK_FALSE(engine.fdb().find(network, kMacB).has_value());
  }
}

TEST_CASE("two networks exchange their VNIs by way of none, and a peer's counters outlive a change of its options") {
  Engine engine(quiet());
  const auto blue = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  const auto red = engine.add_network({.vni = 43, .mtu = 1450, .vlan = false, .fdb = {}});
  engine.update_network(blue, {.vni = kNoVni, .mtu = 1450, .vlan = false, .fdb = {}});
  engine.update_network(red, {.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  engine.update_network(blue, {.vni = 43, .mtu = 1450, .vlan = false, .fdb = {}});
  CHECK(engine.tables().vni_index.find(42) == red);
  CHECK(engine.tables().vni_index.find(43) == blue);
  const auto peer = engine.add_peer({.endpoint = *Endpoint::parse("10.0.0.2", 4789)});
  engine.tables().peers[peer]->counters.rx_frames.add(7);
  engine.update_peer(peer, {.endpoint = *Endpoint::parse("10.0.0.3", 4789)});
  CHECK(engine.tables().peers[peer]->counters.rx_frames.get() == 7);
  CHECK(engine.tables().peer_index.find(Endpoint::parse("10.0.0.2", 0)->key()) == nullptr);
}

TEST_CASE("a peer takes unfinished checksums only while that is switched on, for as long as was said, and not with other options") {
  Engine engine(quiet());
  PeerOptions options{.endpoint = *Endpoint::parse("10.0.0.2", 4789)};
  const auto peer = engine.add_peer(options);
  const auto takes = [&] { return Engine::now() < engine.tables().peers[peer]->state->unfinished_until.load(); };
  engine.send_unfinished(peer, 1000);
  CHECK_FALSE(takes());
  engine.set_carry_checksum(true);
  CHECK_FALSE(takes());
  engine.send_unfinished(peer, 1000);
  CHECK(takes());
  CHECK(engine.tables().peers[peer]->state->unfinished_until.load() <= Engine::now() + 1000);
  engine.send_unfinished(peer, 0);
  CHECK_FALSE(takes());
  engine.send_unfinished(peer, 1000);
  options.mtu = 1400;
  engine.update_peer(peer, options);
  CHECK_FALSE(takes());
  engine.send_unfinished(peer, 1000);
  engine.set_carry_checksum(false);
  CHECK_FALSE(takes());
  engine.set_carry_checksum(true);
  CHECK_FALSE(takes());
  CHECK_THROWS_AS(engine.send_hello({.peer = 7, .nonce = 1, .bytes = kFullHelloBytes}), SysError);
}

TEST_CASE("two engines on loopback: VXLAN over real sockets, options changed without a new socket, a taken port refused") {
  const auto underlay = [](uint16_t port) {
    return UnderlayOptions{.ipv4 = {}, .ipv6 = {}, .ports = {port}, .source_ports = 4, .accept_any = false, .udp_gso = true, .udp_gro = true};
  };
  // Below those that the kernel and weft choose from, and others for another process that runs this.
  const auto port = static_cast<uint16_t>(20'000 + getpid() % 4000 * 3);
  Engine one(quiet()), two(quiet());
  const auto port_two = static_cast<uint16_t>(port + 1), port_three = static_cast<uint16_t>(port + 2);
  one.set_underlay(underlay(port));
  CHECK(error_of([&] { two.set_underlay(underlay(port)); }) == EADDRINUSE);
  two.set_underlay(underlay(port_two));
  one.start();
  two.start();
  const auto network_one = one.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  const auto network_two = two.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest a, b;
  one.add_port({.network = network_one, .group = 0}, a.queue());
  two.add_port({.network = network_two, .group = 0}, b.queue());
  one.add_peer({.endpoint = *Endpoint::parse("127.0.0.1", port_two)});
  const auto back = two.add_peer({.endpoint = *Endpoint::parse("127.0.0.1", port)});
  const Bytes frame = ethernet(kBroadcast, kMacA);
  a.send(frame);
  CHECK(b.receive() == frame);
  CHECK(two.fdb().find(network_two, kMacA) == Destination{DestinationKind::peer, back});

  const int before = one.tables().underlay->receivers()[0]->fd();
  UnderlayOptions changed = underlay(port);
  changed.ports.push_back(port_three);
  changed.udp_gso = false;
  one.set_underlay(changed);
  CHECK(one.tables().underlay->receivers()[0]->fd() == before);
  CHECK(one.tables().underlay->max_segments() == 1);
  b.send(ethernet(kMacA, kMacB));
  CHECK_FALSE(a.receive().empty());
}

TEST_CASE("an engine that was stopped has nothing open, so that another one can take its place") {
  Engine engine(quiet());
  engine.start();
  const NetworkIndex network = engine.add_network({.vni = 42, .mtu = 1450, .vlan = false, .fdb = {}});
  Guest guest;
  const uint16_t port = engine.add_port({.network = network}, guest.queue());
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0);
  engine.offered_receivers().add(socket);

  engine.stop();
  CHECK(::fcntl(socket, F_GETFD) == -1);
  pollfd hung_up{guest.fds[0], 0, 0};
  REQUIRE(poll(&hung_up, 1, 0) == 1);
  CHECK((hung_up.revents & POLLHUP) != 0);
  CHECK(error_of([&] { engine.remove_port(port, false); }) == ENOENT);
  engine.remove_network(network);
}

// The MAC table as its users see it: which frames are unicast, flooded and dropped, exact to the frame, while MACs are learned,
// declared, moved, evicted and forgotten. The cases are those of Open vSwitch's tests of its MAC table.
#include <doctest/doctest.h>

#include "test/switch_world.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr Mac kAsker = 0x0200000000aa;

// A network of four ports, and a fifth whose MAC is declared, so that it takes no room in the table and can ask where frames go.
struct World {
  explicit World(FdbNetworkLimits limits = {}) : network(rig.add_network(42, {.fdb = limits})), watch(rig) {
    for (Rig::PortHandle& port : ports) port = rig.add_port(network);
    asker = rig.add_port(network);
    rig.add_peer("10.0.0.2");
    REQUIRE(rig.fdb.declare(network, kAsker, at(asker)));
  }

  static Destination at(const Rig::PortHandle& port) { return {DestinationKind::port, port.port->index}; }

  void speak(size_t port, Mac mac, Seconds now) {
    rig.worker.set_time(now);
    rig.from_guest(ports[port], ethernet(kBroadcast, mac));
  }

  // Sends one frame to the MAC; true when it went to this port and nowhere else.
  bool goes_only_to(const Rig::PortHandle& port, Mac mac) {
    watch.look();
    const size_t before = written();
    const size_t there = port.tap->written.size();
    const size_t sent = rig.sender->sent.size();
    rig.from_guest(asker, ethernet(mac, kAsker));
    return watch.look() == Verdicts{.unicast = 1} && port.tap->written.size() == there + 1 && written() == before + 1 &&
           rig.sender->sent.size() == sent;
  }

  // The same; true when it went to all four ports and to the peer.
  bool floods(Mac mac) {
    watch.look();
    const size_t before = written();
    const size_t sent = rig.sender->sent.size();
    rig.from_guest(asker, ethernet(mac, kAsker));
    return watch.look() == Verdicts{.flooded = 1} && written() == before + ports.size() && rig.sender->sent.size() == sent + 1;
  }

  size_t written() const {
    size_t sum = 0;
    for (const Rig::PortHandle& port : ports) sum += port.tap->written.size();
    return sum;
  }

  Rig rig;
  NetworkIndex network;
  std::array<Rig::PortHandle, 4> ports;
  Rig::PortHandle asker;
  Watch watch;
};

}  // namespace

TEST_CASE("overflow: a full table forgets the MAC that spoke the longest ago, and its frames are flooded until it speaks again") {
  World world({.limit = 10});
  for (uint32_t n = 1; n <= 10; ++n) world.speak(0, mac_of(1, n), n);
  world.speak(0, mac_of(1, 1), 11);
  for (uint32_t n = 1; n <= 10; ++n) CHECK(world.goes_only_to(world.ports[0], mac_of(1, n)));

  world.speak(0, mac_of(1, 11), 12);
  CHECK(world.floods(mac_of(1, 2)));
  for (const uint32_t n : {1, 3, 4, 5, 6, 7, 8, 9, 10, 11}) CHECK(world.goes_only_to(world.ports[0], mac_of(1, n)));

  world.speak(0, mac_of(1, 2), 13);
  CHECK(world.goes_only_to(world.ports[0], mac_of(1, 2)));
  CHECK(world.floods(mac_of(1, 3)));
  CHECK(world.rig.fdb.count(world.network).learned == 10);
  CHECK(world.rig.fdb.counters().evicted == 2);
  CHECK(world.rig.balanced());
}

TEST_CASE("overflow fairness: the port that learned the most gives way, and one that floods gets no more than its share") {
  World world({.limit = 10});
  for (uint32_t port = 0; port < 4; ++port) {
    for (uint32_t n = 1; n <= 4 - port; ++n) world.speak(port, mac_of(port, n), 1);
  }
  const auto known = [&](uint32_t port) { return known_at(world.rig, world.network, port, 200, world.ports[port]); };
  CHECK(known(0) + known(1) + known(2) + known(3) == 10);

  world.speak(3, mac_of(3, 2), 2);
  CHECK(known(0) == 3);
  CHECK(known(1) == 3);
  CHECK(known(2) == 2);
  CHECK(known(3) == 2);

  world.watch.look();
  for (uint32_t n = 3; n <= 200; ++n) world.speak(3, mac_of(3, n), 3);
  CHECK(world.watch.look() == Verdicts{.flooded = 198});
  CHECK(known(0) == 3);
  CHECK(known(1) == 3);
  CHECK(known(2) == 2);
  CHECK(known(3) == 2);
  CHECK(world.rig.fdb.count(world.network).learned == 10);
  for (uint32_t n = 1; n <= 2; ++n) CHECK(world.goes_only_to(world.ports[2], mac_of(2, n)));
  CHECK(world.rig.balanced());
}

TEST_CASE("declared MACs: added they are reached though they never spoke, a flush keeps them, removed they are flooded") {
  World world;
  REQUIRE(world.rig.fdb.declare(world.network, kMacA, World::at(world.ports[0])));
  world.speak(1, kMacB, 1);
  CHECK(world.goes_only_to(world.ports[0], kMacA));
  CHECK(world.goes_only_to(world.ports[1], kMacB));

  world.rig.fdb.flush_learned(world.network);
  CHECK(world.goes_only_to(world.ports[0], kMacA));
  CHECK(world.floods(kMacB));

  CHECK(world.rig.fdb.remove(world.network, kMacA));
  CHECK(world.floods(kMacA));
  world.speak(2, kMacA, 2);
  CHECK(world.goes_only_to(world.ports[2], kMacA));
  CHECK(world.rig.balanced());
}

TEST_CASE("a declared MAC never moves: elsewhere its frames are dropped, from ports, peers and strangers") {
  World world;
  world.rig.options.accept_any = true;
  world.rig.set_underlay();
  REQUIRE(world.rig.fdb.declare(world.network, kMacA, World::at(world.ports[0])));
  world.rig.take_events();
  world.watch.look();

  const size_t before = world.written();
  for (int i = 0; i < 5; ++i) world.rig.from_guest(world.ports[1], ethernet(kBroadcast, kMacA));
  for (int i = 0; i < 7; ++i) world.rig.from_underlay("10.0.0.2", vxlan(42, ethernet(kBroadcast, kMacA)));
  for (int i = 0; i < 3; ++i) world.rig.from_underlay("10.0.0.99", vxlan(42, ethernet(kBroadcast, kMacA)));
  CHECK(world.watch.look() == Verdicts{.dropped = 15});
  CHECK(world.rig.dropped(Drop::source_declared_elsewhere) == 15);
  CHECK(world.written() == before);
  CHECK(events_of(world.rig.take_events(), EventType::mac_moved) == 0);
  CHECK(world.goes_only_to(world.ports[0], kMacA));

  // Where it is declared it speaks as it likes.
  world.rig.from_guest(world.ports[0], ethernet(kBroadcast, kMacA));
  CHECK(world.watch.look() == Verdicts{.flooded = 1});

  SUBCASE("until it is declared no more: then it is learned where it speaks") {
    CHECK(world.rig.fdb.remove(world.network, kMacA));
    world.speak(1, kMacA, 2);
    CHECK(events_of(world.rig.take_events(), EventType::mac_learned) == 1);
    CHECK(world.goes_only_to(world.ports[1], kMacA));
  }
  SUBCASE("or is declared elsewhere: then that is the only place") {
    REQUIRE(world.rig.fdb.declare(world.network, kMacA, World::at(world.ports[2])));
    CHECK(world.goes_only_to(world.ports[2], kMacA));
    world.watch.look();
    world.speak(0, kMacA, 2);
    CHECK(world.watch.look() == Verdicts{.dropped = 1});
  }
  CHECK(world.rig.balanced());
}

TEST_CASE("a MAC that was learned and is then declared somewhere else stays where it was declared") {
  World world;
  world.speak(1, kMacA, 1);
  CHECK(world.goes_only_to(world.ports[1], kMacA));
  REQUIRE(world.rig.fdb.declare(world.network, kMacA, World::at(world.ports[0])));
  CHECK(world.goes_only_to(world.ports[0], kMacA));
  world.watch.look();
  world.speak(1, kMacA, 2);
  CHECK(world.watch.look() == Verdicts{.dropped = 1});
  pass_time(world.rig, 100'000);
  CHECK(world.goes_only_to(world.ports[0], kMacA));
  CHECK(world.rig.balanced());
}

TEST_CASE("ageing: what is silent is forgotten, frames to it keep nothing alive, and what is declared stays") {
  World world({.age = 300});
  world.speak(0, kMacA, 1000);
  world.speak(1, kMacB, 1000);
  REQUIRE(world.rig.fdb.declare(world.network, kMacC, World::at(world.ports[2])));
  world.speak(1, kMacB, 1200);
  pass_time(world.rig, 1299);
  CHECK(world.goes_only_to(world.ports[0], kMacA));
  pass_time(world.rig, 1300);
  CHECK(world.goes_only_to(world.ports[1], kMacB));
  CHECK(world.goes_only_to(world.ports[2], kMacC));

  // I4: flooding lasts until the answer, and no longer.
  CHECK(world.floods(kMacA));
  world.speak(0, kMacA, 1300);
  for (int i = 0; i < 10; ++i) CHECK(world.goes_only_to(world.ports[0], kMacA));
  CHECK(world.rig.balanced());
}

TEST_CASE("an age that is changed holds for what is known already") {
  World world({.age = 300});
  world.speak(0, kMacA, 1000);
  SUBCASE("shorter") {
    world.rig.fdb.set_limits(world.network, {.age = 10});
    pass_time(world.rig, 1009);
    CHECK(world.goes_only_to(world.ports[0], kMacA));
    pass_time(world.rig, 1010);
    CHECK(world.floods(kMacA));
  }
  SUBCASE("longer") {
    world.rig.fdb.set_limits(world.network, {.age = 3600});
    pass_time(world.rig, 4599);
    CHECK(world.goes_only_to(world.ports[0], kMacA));
    pass_time(world.rig, 4600);
    CHECK(world.floods(kMacA));
  }
  SUBCASE("never") {
    world.rig.fdb.set_limits(world.network, {.age = 0});
    pass_time(world.rig, 4'000'000'000);
    CHECK(world.goes_only_to(world.ports[0], kMacA));
  }
  CHECK(world.rig.balanced());
}

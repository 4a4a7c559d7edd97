// Hundreds of entries programmed, learned, moved and flushed, every frame followed to its port. The cases are those of VPP's
// tests of its L2 FIB and of its limits of learning.
#include <doctest/doctest.h>

#include "test/switch_world.h"

using namespace weft;
using namespace weft::test;

namespace {

constexpr uint32_t kMacs = 100;  // of each port

// Two networks with the same MACs, four ports each; port number `set` of each network is home to mac_of(set, 1..kMacs).
struct World {
  World() : blue(rig.add_network(42)), red(rig.add_network(43)), watch(rig) {
    for (Rig::PortHandle& port : in_blue) port = rig.add_port(blue);
    for (Rig::PortHandle& port : in_red) port = rig.add_port(red);
    rig.add_peer("10.0.0.2");
  }

  static Destination at(const Rig::PortHandle& port) { return {DestinationKind::port, port.port->index}; }

  void program() {
    for (uint32_t set = 0; set < 4; ++set) {
      for (uint32_t n = 1; n <= kMacs; ++n) {
        REQUIRE(rig.fdb.declare(blue, mac_of(set, n), at(in_blue[set])));
        REQUIRE(rig.fdb.declare(red, mac_of(set, n), at(in_red[set])));
      }
    }
  }

  void learn(const std::array<Rig::PortHandle, 4>& ports) {
    for (uint32_t set = 0; set < 4; ++set) {
      for (uint32_t n = 1; n <= kMacs; ++n) rig.from_guest(ports[set], ethernet(kBroadcast, mac_of(set, n)));
    }
    forget_frames();
  }

  void forget_frames() {
    for (const auto& ports : {in_blue, in_red}) {
      for (const Rig::PortHandle& port : ports) port.tap->written.clear();
    }
    rig.sender->sent.clear();
    watch.look();
  }

  // Every MAC of the set is asked for by one more MAC behind the neighbour of port `home`: how many frames went to `home` alone,
  // and how many were flooded.
  Verdicts ask(const std::array<Rig::PortHandle, 4>& ports, uint32_t set, size_t home) {
    forget_frames();
    const size_t from = (home + 1) % 4;
    const Mac asker = mac_of(20 + static_cast<uint32_t>(from), 1);
    for (uint32_t n = 1; n <= kMacs; ++n) rig.from_guest(ports[from], ethernet(mac_of(set, n), asker));
    const Verdicts verdicts = watch.look();
    for (size_t port = 0; port < 4; ++port) {
      const uint64_t expected = port == from ? 0 : verdicts.flooded + (port == home ? verdicts.unicast : 0);
      CHECK(ports[port].tap->written.size() == expected);
    }
    const auto& others = &ports == &in_blue ? in_red : in_blue;
    for (const Rig::PortHandle& port : others) CHECK(port.tap->written.empty());
    CHECK(rig.balanced());
    return verdicts;
  }

  Rig rig;
  NetworkIndex blue, red;
  std::array<Rig::PortHandle, 4> in_blue, in_red;
  Watch watch;
};

constexpr Verdicts kAllUnicast{.unicast = kMacs};
constexpr Verdicts kAllFlooded{.flooded = kMacs};

}  // namespace

TEST_CASE("800 programmed entries: each frame to its own port, those taken back are flooded, those that return are found") {
  World world;
  world.program();
  for (uint32_t set = 0; set < 4; ++set) {
    CHECK(world.ask(world.in_blue, set, set) == kAllUnicast);
    CHECK(world.ask(world.in_red, set, set) == kAllUnicast);
  }
  for (uint32_t n = 1; n <= kMacs; ++n) CHECK(world.rig.fdb.remove(world.blue, mac_of(2, n)));
  CHECK(world.ask(world.in_blue, 2, 2) == kAllFlooded);
  CHECK(world.ask(world.in_blue, 1, 1) == kAllUnicast);
  CHECK(world.ask(world.in_red, 2, 2) == kAllUnicast);
  for (uint32_t n = 1; n <= kMacs; ++n) REQUIRE(world.rig.fdb.declare(world.blue, mac_of(2, n), World::at(world.in_blue[2])));
  CHECK(world.ask(world.in_blue, 2, 2) == kAllUnicast);
}

TEST_CASE("800 learned entries, and those of one port moved to another take their frames along") {
  World world;
  world.learn(world.in_blue);
  world.learn(world.in_red);
  for (uint32_t set = 0; set < 4; ++set) CHECK(world.ask(world.in_blue, set, set) == kAllUnicast);

  uint64_t lost = 0;
  world.rig.events.take(lost);
  for (uint32_t n = 1; n <= kMacs; ++n) world.rig.from_guest(world.in_blue[3], ethernet(kBroadcast, mac_of(0, n)));
  const auto events = world.rig.events.take(lost);
  CHECK(events_of(events, EventType::mac_moved) == kMacs);
  CHECK(events.size() == kMacs);
  CHECK(lost == 0);
  CHECK(world.ask(world.in_blue, 0, 3) == kAllUnicast);
  CHECK(world.ask(world.in_red, 0, 0) == kAllUnicast);
  CHECK(world.rig.fdb.count(world.blue).learned == 4 * kMacs + 4);
}

TEST_CASE("flush of a port, of a network, and of all: what was flushed is flooded, and can be learned and programmed again") {
  World world;
  world.learn(world.in_blue);
  world.learn(world.in_red);
  SUBCASE("a port") {
    world.rig.fdb.flush_destination(World::at(world.in_blue[1]));
    CHECK(world.ask(world.in_blue, 1, 1) == kAllFlooded);
    for (const uint32_t set : {0, 3}) CHECK(world.ask(world.in_blue, set, set) == kAllUnicast);
    CHECK(world.ask(world.in_red, 1, 1) == kAllUnicast);
  }
  SUBCASE("a network") {
    world.rig.fdb.flush_learned(world.blue);
    for (uint32_t set = 0; set < 4; ++set) {
      CHECK(world.ask(world.in_red, set, set) == kAllUnicast);
      CHECK(world.ask(world.in_blue, set, set) == kAllFlooded);
    }
  }
  SUBCASE("all") {
    world.rig.fdb.flush_learned(std::nullopt);
    for (uint32_t set = 0; set < 4; ++set) {
      CHECK(world.ask(world.in_blue, set, set) == kAllFlooded);
      CHECK(world.ask(world.in_red, set, set) == kAllFlooded);
    }
  }
  world.learn(world.in_blue);
  for (uint32_t set = 0; set < 4; ++set) CHECK(world.ask(world.in_blue, set, set) == kAllUnicast);
  world.rig.fdb.flush_learned(std::nullopt);
  world.program();
  for (uint32_t set = 0; set < 4; ++set) CHECK(world.ask(world.in_blue, set, set) == kAllUnicast);
}

TEST_CASE("more events than there is room for: 1,024 are told, the others are counted, and none of it hinders learning") {
  World world;
  constexpr uint32_t kRoom = 1024, kMany = 1500;
  world.rig.fdb.set_limits(world.blue, {.limit_per_port = 2 * kMany});
  for (uint32_t n = 1; n <= kMany; ++n) world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(9, n)));
  uint64_t lost = 0;
  CHECK(world.rig.events.take(lost).size() == kRoom);
  CHECK(lost == kMany - kRoom);
  CHECK(known_at(world.rig, world.blue, 9, kMany, world.in_blue[0]) == kMany);
  CHECK(world.rig.wakes == 1);

  world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(9, kMany + 1)));
  CHECK(world.rig.events.take(lost).size() == 1);
  CHECK(lost == 0);
  CHECK(world.rig.wakes == 2);
}

TEST_CASE("the limit of a port: what is beyond it is forwarded and not learned, by the port alone, in its network alone") {
  World world;
  world.rig.fdb.set_limits(world.blue, {.age = 300, .limit_per_port = 10});
  world.watch.look();
  for (uint32_t n = 1; n <= 25; ++n) world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(0, n)));
  CHECK(world.watch.look() == Verdicts{.flooded = 25});
  CHECK(known_at(world.rig, world.blue, 0, 25, world.in_blue[0]) == 10);
  for (uint32_t n = 1; n <= 10; ++n) CHECK(world.rig.fdb.find(world.blue, mac_of(0, n)));
  for (uint32_t n = 1; n <= 25; ++n) world.rig.from_guest(world.in_red[0], ethernet(kBroadcast, mac_of(0, n)));
  CHECK(known_at(world.rig, world.red, 0, 25, world.in_red[0]) == 25);
  for (uint32_t n = 1; n <= 10; ++n) world.rig.from_guest(world.in_blue[1], ethernet(kBroadcast, mac_of(1, n)));
  CHECK(known_at(world.rig, world.blue, 1, 10, world.in_blue[1]) == 10);

  // Room returns with age, with a move, and with a higher limit.
  pass_time(world.rig, 302);
  for (uint32_t n = 11; n <= 20; ++n) world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(0, n)));
  CHECK(known_at(world.rig, world.blue, 0, 25, world.in_blue[0]) == 10);
  world.rig.from_guest(world.in_blue[2], ethernet(kBroadcast, mac_of(0, 11)));
  world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(0, 21)));
  CHECK(known_at(world.rig, world.blue, 0, 25, world.in_blue[0]) == 10);
  CHECK(world.rig.fdb.find(world.blue, mac_of(0, 21)) == World::at(world.in_blue[0]));
  world.rig.fdb.set_limits(world.blue, {.age = 300, .limit_per_port = 11});
  world.rig.from_guest(world.in_blue[0], ethernet(kBroadcast, mac_of(0, 22)));
  CHECK(known_at(world.rig, world.blue, 0, 25, world.in_blue[0]) == 11);
  CHECK(world.rig.balanced());
}

TEST_CASE("the limit of a network, and learning switched off by a limit of zero: frames are flooded, other networks learn") {
  World world;
  world.rig.fdb.set_limits(world.blue, {.limit = 30});
  world.learn(world.in_blue);
  CHECK(world.rig.fdb.count(world.blue).learned == 30);
  world.rig.fdb.set_limits(world.blue, {.limit = 0});
  pass_time(world.rig, 2);
  CHECK(world.rig.fdb.count(world.blue).learned == 0);
  CHECK(world.ask(world.in_blue, 0, 0) == kAllFlooded);
  CHECK(world.rig.fdb.count(world.blue).learned == 0);
  world.learn(world.in_red);
  CHECK(world.ask(world.in_red, 0, 0) == kAllUnicast);
  world.rig.fdb.set_limits(world.blue, {});
  world.learn(world.in_blue);
  CHECK(world.ask(world.in_blue, 0, 0) == kAllUnicast);
}

#include "fdb/fdb.h"

#include <doctest/doctest.h>

#include <vector>

#include "test/fdb_model.h"

using namespace weft;

namespace {

constexpr Fdb::Seed kSeed{0x243f6a8885a308d3, 0x13198a2e03707344};
constexpr Destination port(uint16_t index) { return {DestinationKind::port, index}; }
constexpr Destination peer(uint16_t index) { return {DestinationKind::peer, index}; }

// Sweeps until everything that has aged or was flushed is gone: one call does a bounded part.
void sweep_all(Fdb& fdb, Seconds now) {
  for (int turn = 0; turn < 128; ++turn) fdb.sweep(now);
}

uint64_t splitmix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

Mac random_mac(uint64_t& state) { return (splitmix(state) & 0xfeffffffffff) | 0x020000000000; }

}  // namespace

TEST_CASE("a MAC is found where it was seen, in its own network only") {
  Fdb fdb(kSeed, 1000);
  CHECK_FALSE(fdb.find(0, 0x020000000001));
  CHECK(fdb.learn(0, 0x020000000001, port(7), 10) == LearnResult::learned);
  CHECK(fdb.learn(0, 0x020000000001, port(7), 11) == LearnResult::known);
  CHECK(fdb.find(0, 0x020000000001) == port(7));
  CHECK_FALSE(fdb.find(1, 0x020000000001));
  CHECK(fdb.learn(4095, 0x020000000001, peer(65535), 11) == LearnResult::learned);
  CHECK(fdb.find(4095, 0x020000000001) == peer(65535));
  CHECK(fdb.find(0, 0x020000000001) == port(7));
  CHECK(fdb.count(0).learned == 1);
  CHECK(fdb.count(4095).learned == 1);
  CHECK(fdb.counters().learned == 2);
}

TEST_CASE("a network index that does not exist is refused everywhere") {
  Fdb fdb(kSeed, 1000);
  CHECK(fdb.learn(4096, 1, port(0), 0) == LearnResult::network_full);
  CHECK_FALSE(fdb.declare(65535, 1, port(0)));
  CHECK_FALSE(fdb.find(4096, 1));
  CHECK_FALSE(fdb.remove(4096, 1));
  fdb.flush_network(4096);
  fdb.set_limits(4096, {});
  CHECK(fdb.count(4096).learned == 0);
}

TEST_CASE("learned entries age after their last frame, declared ones never") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(3, {.age = 300});
  fdb.learn(3, 1, port(1), 1000);
  fdb.learn(3, 2, port(1), 1000);
  REQUIRE(fdb.declare(3, 3, port(1)));
  fdb.learn(3, 1, port(1), 1200);
  sweep_all(fdb, 1299);
  CHECK(fdb.find(3, 2));
  sweep_all(fdb, 1300);
  CHECK_FALSE(fdb.find(3, 2));
  CHECK(fdb.find(3, 1));
  sweep_all(fdb, 1500);
  CHECK_FALSE(fdb.find(3, 1));
  CHECK(fdb.find(3, 3) == port(1));
  CHECK(fdb.counters().expired == 2);
  CHECK(fdb.count(3).learned == 0);
  CHECK(fdb.count(3).declared == 1);
}

TEST_CASE("ages longer than 16 bits of seconds are kept exactly") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.age = 100000});
  fdb.learn(0, 1, port(1), 5);
  fdb.learn(0, 2, port(1), 5);
  fdb.learn(0, 2, port(1), 5 + 40000);
  sweep_all(fdb, 5 + 99999);
  CHECK(fdb.find(0, 1));
  sweep_all(fdb, 5 + 100000);
  CHECK_FALSE(fdb.find(0, 1));
  CHECK(fdb.find(0, 2));
  fdb.set_limits(0, {.age = 0});
  sweep_all(fdb, 4000000000);
  CHECK(fdb.find(0, 2));
}

TEST_CASE("a clock that is a second behind another worker's harms nothing") {
  Fdb fdb(kSeed, 1000);
  fdb.learn(0, 1, port(1), 100);
  CHECK(fdb.learn(0, 1, port(1), 99) == LearnResult::known);
  sweep_all(fdb, 99);
  CHECK(fdb.find(0, 1));
  CHECK(fdb.dump(0, 99, 10).at(0).idle == 0);
}

TEST_CASE("declared beats learned") {
  Fdb fdb(kSeed, 1000);
  fdb.learn(0, 1, port(1), 10);
  REQUIRE(fdb.declare(0, 1, port(2)));
  CHECK(fdb.find(0, 1) == port(2));
  CHECK(fdb.count(0).learned == 0);
  CHECK(fdb.count(0).declared == 1);
  CHECK(fdb.learn(0, 1, port(1), 11) == LearnResult::declared_elsewhere);
  CHECK(fdb.learn(0, 1, peer(2), 11) == LearnResult::declared_elsewhere);
  CHECK(fdb.learn(0, 1, port(2), 12) == LearnResult::known);
  REQUIRE(fdb.declare(0, 1, peer(3)));
  CHECK(fdb.find(0, 1) == peer(3));
  CHECK(fdb.count(0).declared == 1);
  fdb.flush_learned(std::nullopt);
  CHECK(fdb.find(0, 1) == peer(3));
  CHECK(fdb.remove(0, 1));
  CHECK_FALSE(fdb.remove(0, 1));
  CHECK_FALSE(fdb.find(0, 1));
  CHECK(fdb.learn(0, 1, port(1), 13) == LearnResult::learned);
}

TEST_CASE("the newest place wins, until a MAC moves too often and is frozen where it is") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.move_count = 3, .move_window = 100, .move_freeze = 60});
  fdb.learn(0, 1, port(1), 1000);
  CHECK(fdb.learn(0, 1, port(2), 1000) == LearnResult::moved);
  CHECK(fdb.learn(0, 1, port(1), 1001) == LearnResult::moved);
  CHECK(fdb.learn(0, 1, port(2), 1099) == LearnResult::froze);
  CHECK(fdb.find(0, 1) == port(2));
  CHECK(fdb.learn(0, 1, port(1), 1100) == LearnResult::frozen);
  CHECK(fdb.learn(0, 1, port(2), 1100) == LearnResult::known);
  CHECK(fdb.dump(0, 1100, 10).at(0).frozen);
  CHECK(fdb.learn(0, 1, port(1), 1158) == LearnResult::frozen);
  CHECK(fdb.find(0, 1) == port(2));
  CHECK_FALSE(fdb.dump(0, 1159, 10).at(0).frozen);
  CHECK(fdb.learn(0, 1, port(1), 1159) == LearnResult::moved);
  CHECK(fdb.counters().moved == 4);
  CHECK(fdb.counters().frozen == 1);
}

TEST_CASE("moves that are far apart never freeze, nor do any with damping off") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.age = 0, .move_count = 3, .move_window = 100});
  fdb.set_limits(1, {.age = 0, .move_count = 0});
  for (const NetworkIndex network : {NetworkIndex{0}, NetworkIndex{1}}) fdb.learn(network, 1, port(0), 0);
  for (uint16_t turn = 1; turn < 50; ++turn) {
    CHECK(fdb.learn(0, 1, port(turn), turn * 60u) == LearnResult::moved);
    CHECK(fdb.learn(1, 1, port(turn), 0) == LearnResult::moved);
  }
}

TEST_CASE("a flood of MACs that move once does not hide one that flaps") {
  Fdb fdb(kSeed, 100000);
  fdb.set_limits(0, {.limit_per_port = 100000, .move_count = 3, .move_window = 100});
  uint64_t random = 1;
  fdb.learn(0, 1, port(1), 0);
  CHECK(fdb.learn(0, 1, port(2), 0) == LearnResult::moved);
  CHECK(fdb.learn(0, 1, port(1), 0) == LearnResult::moved);
  for (int i = 0; i < 10000; ++i) {
    const Mac mac = random_mac(random);
    fdb.learn(0, mac, port(1), 0);
    fdb.learn(0, mac, port(2), 0);
  }
  CHECK(fdb.learn(0, 1, port(2), 0) == LearnResult::froze);
}

TEST_CASE("a port at its limit learns no more and keeps what it has; a peer is not limited so") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.limit_per_port = 4});
  for (Mac mac = 1; mac <= 4; ++mac) CHECK(fdb.learn(0, mac, port(1), 1) == LearnResult::learned);
  CHECK(fdb.learn(0, 5, port(1), 2) == LearnResult::port_full);
  CHECK(fdb.learn(1, 5, port(1), 2) == LearnResult::learned);
  for (Mac mac = 1; mac <= 4; ++mac) CHECK(fdb.find(0, mac) == port(1));
  for (Mac mac = 11; mac <= 20; ++mac) CHECK(fdb.learn(0, mac, peer(1), 2) == LearnResult::learned);
  CHECK(fdb.learn(0, 11, port(1), 3) == LearnResult::port_full);
  CHECK(fdb.find(0, 11) == peer(1));
  CHECK(fdb.learn(0, 1, peer(1), 3) == LearnResult::moved);
  CHECK(fdb.learn(0, 5, port(1), 3) == LearnResult::learned);
  CHECK(fdb.counters().refused_port == 2);
}

TEST_CASE("a network at its limit evicts the least recently used entry of its largest owner") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.limit = 6});
  for (Mac mac = 1; mac <= 4; ++mac) fdb.learn(0, mac, port(1), static_cast<Seconds>(mac));
  fdb.learn(0, 11, port(2), 1);
  fdb.learn(0, 12, port(2), 1);
  fdb.learn(0, 1, port(1), 20);
  CHECK(fdb.learn(0, 21, port(3), 21) == LearnResult::learned);
  CHECK_FALSE(fdb.find(0, 2));
  CHECK(fdb.find(0, 1));
  CHECK(fdb.count(0).learned == 6);
  CHECK(fdb.counters().evicted == 1);
  SUBCASE("a flood from one port or peer then evicts nobody else's") {
    for (const Destination flooder : {port(3), peer(9)}) {
      for (Mac mac = 1000; mac < 1500; ++mac) fdb.learn(0, mac + (flooder == port(3) ? 0 : 1000), flooder, 30);
      CHECK(fdb.find(0, 11) == port(2));
      CHECK(fdb.find(0, 12) == port(2));
    }
    CHECK(fdb.count(0).learned == 6);
  }
  SUBCASE("declared entries are outside of the limit and never evicted") {
    for (Mac mac = 101; mac <= 120; ++mac) REQUIRE(fdb.declare(0, mac, port(5)));
    CHECK(fdb.count(0).learned == 6);
    for (Mac mac = 1000; mac < 1500; ++mac) fdb.learn(0, mac, port(3), 30);
    for (Mac mac = 101; mac <= 120; ++mac) CHECK(fdb.find(0, mac) == port(5));
  }
  SUBCASE("a lowered limit is enforced by sweep") {
    fdb.set_limits(0, {.age = 0, .limit = 3});
    sweep_all(fdb, 30);
    CHECK(fdb.count(0).learned == 3);
    fdb.set_limits(0, {.limit = 0});
    sweep_all(fdb, 30);
    CHECK(fdb.count(0).learned == 0);
    CHECK(fdb.learn(0, 77, port(1), 31) == LearnResult::network_full);
    CHECK(fdb.counters().refused_network == 1);
  }
}

TEST_CASE("a full table takes from the network that has the most, and never what is declared") {
  Fdb fdb(kSeed, 100);
  for (Mac mac = 1; mac <= 80; ++mac) fdb.learn(0, mac, port(1), 1);
  for (Mac mac = 1; mac <= 20; ++mac) REQUIRE(fdb.declare(1, mac, port(2)));
  for (Mac mac = 1; mac <= 10; ++mac) CHECK(fdb.learn(2, mac, port(3), 2) == LearnResult::learned);
  CHECK(fdb.count(0).learned == 70);
  CHECK(fdb.count(1).declared == 20);
  CHECK(fdb.count(2).learned == 10);
  for (Mac mac = 1; mac <= 10; ++mac) CHECK(fdb.find(2, mac) == port(3));
  for (Mac mac = 100; mac < 5000; ++mac) fdb.learn(0, mac, port(1), 3);
  for (Mac mac = 1; mac <= 10; ++mac) CHECK(fdb.find(2, mac) == port(3));
  for (Mac mac = 100; mac < 180; ++mac) REQUIRE(fdb.declare(1, mac, port(2)));
  CHECK_FALSE(fdb.declare(1, 999, port(2)));
  CHECK(fdb.learn(0, 999, port(1), 3) == LearnResult::network_full);
  CHECK(fdb.count(0).learned == 0);
}

TEST_CASE("a million random source MACs: memory is bounded and existing pairs keep their unicast") {
  Fdb fdb(kSeed, 262144);
  for (Mac mac = 1; mac <= 500; ++mac) {
    REQUIRE(fdb.learn(0, mac, port(1), 1) == LearnResult::learned);
    REQUIRE(fdb.learn(0, mac + 1000, peer(1), 1) == LearnResult::learned);
  }
  uint64_t random = 42;
  size_t memory = 0;
  for (int i = 0; i < 1000000; ++i) {
    fdb.learn(0, random_mac(random), i % 2 == 0 ? port(2) : peer(2), 2);
    if (i % 10000 == 0) fdb.sweep(2);
    if (i == 200000) memory = fdb.memory_bytes();
  }
  CHECK(fdb.memory_bytes() == memory);
  CHECK(memory < (8u << 20));
  CHECK(fdb.count(0).learned == 65536);
  for (Mac mac = 1; mac <= 500; ++mac) {
    CHECK(fdb.find(0, mac) == port(1));
    CHECK(fdb.find(0, mac + 1000) == peer(1));
  }
}

TEST_CASE("while a peer floods, the MACs behind the same peer that speak keep their unicast") {
  constexpr int kFramesASecond = 400000, kLive = 50, kFramesBetween = kFramesASecond / 10 / kLive;
  constexpr Mac kSlow = 1000;
  Fdb fdb(kSeed, 262144);
  for (const Seconds now : {998, 999}) {
    for (Mac mac = kSlow; mac < kSlow + kLive; ++mac) fdb.learn(0, mac, peer(1), now);
  }
  uint64_t random = 3;
  int missed = 0, asked = 0;
  for (int frame = 0; frame < 5 * kFramesASecond; ++frame) {
    const auto now = static_cast<Seconds>(1000 + frame / kFramesASecond);
    fdb.learn(0, random_mac(random), peer(1), now);
    if (frame % (kFramesASecond / 20) == 0) fdb.sweep(now);
    if (frame % kFramesBetween != 0) continue;
    // Each of them speaks ten times a second, at its own time; the moment before is the worst one to be looked up. Others, that
    // spoke before the flood, now do so once a second.
    const Mac live = static_cast<Mac>(frame / kFramesBetween % kLive + 1);
    if (frame / kFramesBetween % 10 == 0) {
      const Mac slow = kSlow + static_cast<Mac>(frame / kFramesBetween / 10 % kLive);
      missed += !fdb.find(0, slow);
      fdb.learn(0, slow, peer(1), now);
    }
    if (now >= 1002) {
      ++asked;
      missed += !fdb.find(0, live);
    }
    fdb.learn(0, live, peer(1), now);
  }
  CHECK(asked == 3 * 10 * kLive);
  CHECK(missed == 0);
  CHECK(fdb.count(0).learned == 65536);
}

TEST_CASE("an owner gives up what was seen in one second only, then what was used least recently") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(0, {.limit = 8});
  for (Mac mac = 1; mac <= 8; ++mac) fdb.learn(0, mac, peer(1), 1);
  for (const Mac mac : {3, 2, 1, 4}) fdb.learn(0, mac, peer(1), 2);
  for (Mac mac = 101; mac <= 200; ++mac) fdb.learn(0, mac, peer(1), 3);
  for (const Mac mac : {1, 2, 3, 4, 197, 198, 199, 200}) CHECK(fdb.find(0, mac));
  for (const Mac mac : {197, 198}) fdb.learn(0, mac, peer(1), 4);
  // Of eight, two are on probation: no fewer than a quarter.
  fdb.learn(0, 201, peer(1), 4);
  CHECK_FALSE(fdb.find(0, 199));
  fdb.learn(0, 200, peer(1), 5);
  fdb.learn(0, 202, peer(1), 5);
  CHECK_FALSE(fdb.find(0, 3));
  for (const Mac mac : {1, 2, 4, 197, 198, 200, 201, 202}) CHECK(fdb.find(0, mac));
}

TEST_CASE("whoever repeats a tableful of MACs does not shut out a newcomer behind the same peer") {
  constexpr Mac kNewcomer = 1;
  Fdb fdb(kSeed, 100000);
  fdb.set_limits(0, {.limit = 1024});
  uint64_t random = 11;
  int missed = 0;
  for (Seconds now = 1; now <= 20; ++now) {
    for (int tenth = 0; tenth < 10; ++tenth) {
      for (Mac mac = 1000; tenth == 0 && mac < 2024; ++mac) {
        if (now == 1 || fdb.find(0, mac)) fdb.learn(0, mac, peer(1), now);
      }
      if (now < 3) continue;
      for (int i = 0; i < 40; ++i) fdb.learn(0, random_mac(random), peer(1), now);
      if (now < 5) continue;
      if (now >= 7) missed += !fdb.find(0, kNewcomer);
      fdb.learn(0, kNewcomer, peer(1), now);
    }
  }
  CHECK(missed == 0);
  CHECK(fdb.count(0).learned == 1024);
}

TEST_CASE("a table at rest is small, and growth keeps all entries") {
  Fdb fdb(kSeed, 400000);
  fdb.set_limits(0, {.limit = 400000});
  CHECK(fdb.memory_bytes() < (512u << 10));
  uint64_t random = 7;
  std::vector<Mac> macs;
  for (int i = 0; i < 300000; ++i) {
    macs.push_back(random_mac(random));
    LearnResult result = fdb.learn(0, macs.back(), peer(static_cast<uint16_t>(i)), 1);
    if (result == LearnResult::busy) {
      fdb.sweep(1);
      result = fdb.learn(0, macs.back(), peer(static_cast<uint16_t>(i)), 1);
    }
    REQUIRE(result == LearnResult::learned);
  }
  size_t wrong = 0;
  for (size_t i = 0; i < macs.size(); ++i) wrong += fdb.find(0, macs[i]) != peer(static_cast<uint16_t>(i));
  CHECK(wrong == 0);
  CHECK(fdb.count(0).learned == 300000);
  CHECK(fdb.memory_bytes() < (24u << 20));
  sweep_all(fdb, 400);
  CHECK(fdb.count(0).learned == 0);
}

TEST_CASE("flushing a destination hides its entries at once, and a reused index starts empty") {
  Fdb fdb(kSeed, 100000);
  fdb.set_limits(0, {.limit_per_port = 10000});
  for (Mac mac = 1; mac <= 5000; ++mac) fdb.learn(0, mac, port(1), 1);
  fdb.learn(1, 1, port(1), 1);
  fdb.learn(1, 2, peer(1), 1);
  REQUIRE(fdb.declare(0, 9999, port(1)));
  fdb.flush_destination(port(1));
  CHECK_FALSE(fdb.find(0, 1));
  CHECK_FALSE(fdb.find(0, 9999));
  CHECK_FALSE(fdb.find(1, 1));
  CHECK(fdb.find(1, 2) == peer(1));
  CHECK(fdb.count(0).learned == 0);
  CHECK(fdb.count(0).declared == 0);
  CHECK(fdb.dump(std::nullopt, 1, 100).size() == 1);
  CHECK(fdb.counters().flushed == 5002);
  // The new owner of the index, before anything was reclaimed.
  CHECK(fdb.learn(0, 1, port(1), 2) == LearnResult::learned);
  CHECK(fdb.find(0, 1) == port(1));
  CHECK_FALSE(fdb.find(0, 2));
  sweep_all(fdb, 2);
  CHECK(fdb.find(0, 1) == port(1));
  CHECK(fdb.count(0).learned == 1);
}

TEST_CASE("flushing a network hides its entries at once and keeps its limits") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(5, {.limit_per_port = 2});
  fdb.learn(5, 1, port(1), 1);
  fdb.learn(5, 2, peer(1), 1);
  REQUIRE(fdb.declare(5, 3, peer(1)));
  fdb.learn(6, 1, port(1), 1);
  fdb.flush_network(5);
  for (Mac mac = 1; mac <= 3; ++mac) CHECK_FALSE(fdb.find(5, mac));
  CHECK(fdb.find(6, 1) == port(1));
  for (Mac mac = 1; mac <= 3; ++mac) fdb.learn(5, mac, port(1), 1);
  CHECK(fdb.count(5).learned == 2);
}

TEST_CASE("a flushed entry is not found again when its generation comes round") {
  Fdb fdb(kSeed, 100000);
  for (Mac mac = 1; mac <= 100; ++mac) fdb.learn(0, mac, port(1), 1);
  REQUIRE(fdb.declare(1, 1, peer(1)));
  for (int turn = 1; turn <= 1030; ++turn) {
    fdb.flush_destination(port(1));
    fdb.flush_network(1);
    for (Mac mac = 1; mac <= 100; ++mac) REQUIRE_FALSE(fdb.find(0, mac));
    REQUIRE_FALSE(fdb.find(1, 1));
    fdb.learn(0, 1000 + static_cast<Mac>(turn), port(1), 1);
    REQUIRE(fdb.count(0).learned == 1);
  }
}

TEST_CASE("flushed entries make room before anything living is evicted") {
  Fdb fdb(kSeed, 100);
  for (Mac mac = 1; mac <= 50; ++mac) fdb.learn(0, mac, port(1), 1);
  for (Mac mac = 51; mac <= 100; ++mac) fdb.learn(0, mac, port(2), 1);
  fdb.flush_destination(port(2));
  for (Mac mac = 101; mac <= 150; ++mac) CHECK(fdb.learn(0, mac, port(3), 1) == LearnResult::learned);
  CHECK(fdb.counters().evicted == 0);
  CHECK(fdb.count(0).learned == 100);
}

TEST_CASE("flush_learned keeps what is declared, in one network or in all") {
  Fdb fdb(kSeed, 1000);
  for (const NetworkIndex network : {NetworkIndex{0}, NetworkIndex{1}}) {
    for (Mac mac = 1; mac <= 10; ++mac) fdb.learn(network, mac, port(static_cast<uint16_t>(mac % 3)), 1);
    REQUIRE(fdb.declare(network, 50, port(0)));
  }
  fdb.flush_learned(NetworkIndex{0});
  CHECK(fdb.count(0).learned == 0);
  CHECK(fdb.count(0).declared == 1);
  CHECK(fdb.count(1).learned == 10);
  fdb.flush_learned(std::nullopt);
  CHECK(fdb.count(1).learned == 0);
  CHECK(fdb.find(1, 50) == port(0));
  CHECK(fdb.counters().flushed == 20);
}

TEST_CASE("one entry is found as dump shows it") {
  Fdb fdb(kSeed, 1000);
  fdb.set_limits(2, {.move_count = 1, .move_window = 100, .move_freeze = 60});
  fdb.learn(2, 0xaa, peer(3), 100);
  fdb.learn(2, 0xbb, port(4), 100);
  fdb.learn(2, 0xbb, port(5), 101);
  REQUIRE(fdb.declare(2, 0xcc, port(4)));
  for (const FdbEntry& shown : fdb.dump(NetworkIndex{2}, 130, 10)) {
    const auto found = fdb.entry(2, shown.mac, 130);
    REQUIRE(found);
    CHECK(found->network == 2);
    CHECK(found->mac == shown.mac);
    CHECK(found->where == shown.where);
    CHECK(found->declared == shown.declared);
    CHECK(found->frozen == shown.frozen);
    CHECK(found->idle == shown.idle);
  }
  CHECK(fdb.entry(2, 0xbb, 130)->frozen);
  CHECK_FALSE(fdb.entry(2, 0xbb, 161)->frozen);
  CHECK(fdb.entry(2, 0xaa, 130)->idle == 30);
  CHECK_FALSE(fdb.entry(3, 0xaa, 130));
  CHECK_FALSE(fdb.entry(kMaxNetworks, 0xaa, 130));
  CHECK(fdb.learned_at(2, port(5)) == 1);
  CHECK(fdb.learned_at(2, port(4)) == 0);  // what is declared there was not learned
  CHECK(fdb.learned_at(3, peer(3)) == 0);
  CHECK(fdb.learned_at(kMaxNetworks, peer(3)) == 0);
  fdb.flush_destination(peer(3));
  CHECK_FALSE(fdb.entry(2, 0xaa, 130));
  CHECK(fdb.learned_at(2, peer(3)) == 0);
}

TEST_CASE("dump shows entries as they are and no more than asked for") {
  Fdb fdb(kSeed, 1000);
  fdb.learn(2, 0x0200000000aa, peer(3), 100);
  REQUIRE(fdb.declare(2, 0x0200000000bb, port(4)));
  fdb.learn(3, 0x0200000000cc, port(4), 100);
  const auto entries = fdb.dump(NetworkIndex{2}, 130, 10);
  REQUIRE(entries.size() == 2);
  const FdbEntry& learned = entries[entries[0].declared ? 1 : 0];
  const FdbEntry& declared = entries[entries[0].declared ? 0 : 1];
  CHECK(learned.mac == 0x0200000000aa);
  CHECK(learned.where == peer(3));
  CHECK(learned.idle == 30);
  CHECK(declared.mac == 0x0200000000bb);
  CHECK(declared.network == 2);
  CHECK(declared.where == port(4));
  CHECK(declared.idle == 0);
  CHECK(fdb.dump(std::nullopt, 130, 10).size() == 3);
  CHECK(fdb.dump(std::nullopt, 130, 2).size() == 2);
  CHECK(fdb.dump(NetworkIndex{9}, 130, 10).empty());
}

TEST_CASE("random operations give what the model gives") {
  FdbCounters sum;
  uint64_t random = 2026;
  for (uint32_t round = 0; round < 60; ++round) {
    FdbModelRun run(static_cast<uint32_t>(splitmix(random)));
    for (uint32_t operation = 0; operation < 1500; ++operation) {
      const uint64_t bits = splitmix(random);
      const auto error = run.step({static_cast<uint8_t>(bits), static_cast<uint8_t>(bits >> 8), static_cast<uint8_t>(bits >> 16),
                                   static_cast<uint8_t>(bits >> 24)});
      if (error) FAIL("round ", round, ", operation ", operation, ": ", *error);
    }
    const auto error = run.compare_all();
    if (error) FAIL("round ", round, ", at the end: ", *error);
    const FdbCounters& counters = run.counters();
    sum.moved += counters.moved;
    sum.expired += counters.expired;
    sum.evicted += counters.evicted;
    sum.flushed += counters.flushed;
    sum.frozen += counters.frozen;
    sum.refused_port += counters.refused_port;
  }
  // Otherwise the operations did not reach what they are to test.
  for (const uint64_t each : {sum.moved, sum.expired, sum.evicted, sum.flushed, sum.frozen, sum.refused_port}) CHECK(each > 100);
}

// Readers beside a writer. What they may see is checked by value: every destination is a function of the MAC and the network, so
// a reader that pairs one entry's key with another's value is caught.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fdb/fdb.h"

using namespace weft;

namespace {

constexpr Fdb::Seed kSeed{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
constexpr int kReaders = 3;

Destination truth(NetworkIndex network, Mac mac) {
  return {mac % 2 == 0 ? DestinationKind::port : DestinationKind::peer, static_cast<uint16_t>(mac * 31 + network)};
}

// Runs `body` once, then stops and joins the readers. Each reader is told its number.
template <typename Reader, typename Body>
void with_readers(Reader reader, Body body) {
  std::atomic<bool> stop{false};
  std::atomic<int> running{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < kReaders; ++number) {
    threads.emplace_back([&, number] {
      ++running;
      while (!stop.load(std::memory_order_relaxed)) reader(number);
    });
  }
  while (running.load() < kReaders) std::this_thread::yield();
  body();
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a stable entry is never missed and nothing is found in the wrong place while the table churns, displaces and grows") {
  Fdb fdb(kSeed, 60000);
  for (Mac mac = 1; mac <= 200; ++mac) REQUIRE(fdb.declare(1, mac, truth(1, mac)));
  std::atomic<uint64_t> missed{0}, wrong{0}, found{0};
  with_readers(
      [&](int number) {
        for (Mac mac = 1; mac <= 200; ++mac) {
          const auto where = fdb.find(1, mac);
          if (!where) missed.fetch_add(1, std::memory_order_relaxed);
          if (where && *where != truth(1, mac)) wrong.fetch_add(1, std::memory_order_relaxed);
        }
        for (Mac mac = 1000 + number; mac < 60000; mac += 97) {
          const auto where = fdb.find(2, mac);
          if (where && *where != truth(2, mac)) wrong.fetch_add(1, std::memory_order_relaxed);
          if (where) found.fetch_add(1, std::memory_order_relaxed);
        }
      },
      [&] {
        for (int round = 0; round < 12; ++round) {
          for (Mac mac = 1000; mac < 60000; ++mac) fdb.declare(2, mac, truth(2, mac));
          fdb.sweep(1);
          for (Mac mac = 1000 + round; mac < 60000; mac += 2) fdb.remove(2, mac);
          fdb.flush_network(2);
        }
      });
  CHECK(missed == 0);
  CHECK(wrong == 0);
  CHECK(found > 0);
}

TEST_CASE("slots that change hands all the time never pair a key with another key's value") {
  Fdb fdb(kSeed, 1);
  std::atomic<uint64_t> wrong{0}, found{0};
  with_readers(
      [&](int) {
        for (Mac mac = 1; mac <= 64; ++mac) {
          const auto where = fdb.find(0, mac);
          if (where && *where != truth(0, mac)) wrong.fetch_add(1, std::memory_order_relaxed);
          if (where) found.fetch_add(1, std::memory_order_relaxed);
        }
      },
      [&] {
        for (uint32_t turn = 0; turn < 400000 || found == 0; ++turn) {
          const Mac mac = turn % 64 + 1;
          fdb.learn(0, mac, truth(0, mac), turn / 1000);
        }
      });
  CHECK(wrong == 0);
  CHECK(fdb.count(0).learned == 1);
}

TEST_CASE("workers that learn, control that declares, flushes and sweeps: the counts are exact afterwards") {
  Fdb fdb(kSeed, 5000);
  fdb.set_limits(0, {.age = 5, .limit = 2000, .limit_per_port = 300, .move_count = 3, .move_window = 10, .move_freeze = 2});
  std::atomic<uint32_t> clock{100};
  std::atomic<uint64_t> step{0};
  with_readers(
      [&](int) {
        const uint64_t turn = step.fetch_add(1, std::memory_order_relaxed);
        const Mac mac = (turn * 0x9e3779b97f4a7c15 >> 40) % 4000 + 1;
        const DestinationKind kind = turn % 3 == 0 ? DestinationKind::peer : DestinationKind::port;
        fdb.learn(0, mac, {kind, static_cast<uint16_t>(mac % 16)}, clock);
      },
      [&] {
        for (int turn = 0; turn < 3000; ++turn) {
          fdb.declare(0, static_cast<Mac>(turn % 50 + 1), {DestinationKind::port, static_cast<uint16_t>(turn % 16)});
          if (turn % 10 == 0) fdb.flush_destination({DestinationKind::port, static_cast<uint16_t>(turn % 16)});
          if (turn % 100 == 0) fdb.flush_network(0);
          if (turn % 30 == 0) fdb.flush_learned(NetworkIndex{0});
          if (turn % 7 == 0) fdb.remove(0, static_cast<Mac>(turn % 50 + 1));
          if (turn % 20 == 0) ++clock;
          fdb.sweep(clock);
          CHECK(fdb.dump(NetworkIndex{0}, clock, 5000).size() <= 2050);
        }
      });
  const auto entries = fdb.dump(std::nullopt, clock, 10000);
  const Fdb::Count count = fdb.count(0);
  CHECK(entries.size() == count.learned + count.declared);
  size_t lost = 0;
  for (const FdbEntry& entry : entries) lost += fdb.find(entry.network, entry.mac) != entry.where;
  CHECK(lost == 0);
}

// Readers beside a writer. What they may see is checked by value: every destination is a function of the MAC and the network, so
// a reader that pairs one entry's key with another's value is caught.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fdb/fdb.h"
#include "fdb/mac_table.h"

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
        for (int round = 0; round < 5; ++round) {
          for (Mac mac = 1000; mac < 60000; ++mac) fdb.declare(2, mac, truth(2, mac));
          fdb.sweep(1);
          for (Mac mac = 1000 + round; mac < 60000; mac += 2) fdb.remove(2, mac);
          fdb.flush_network(2);
        }
      });
  CHECK(missed.load() == 0);
  CHECK(wrong.load() == 0);
  CHECK(found.load() > 0);
}

TEST_CASE("one slot that changes hands all the time never pairs a key with another key's value") {
  MacTable table(kSeed.a, kSeed.b, 1);
  // Keys of one bucket: in an empty table each of them takes the same slot.
  std::vector<uint64_t> keys;
  for (Mac mac = 1; keys.size() < 4; ++mac) {
    const uint64_t key = make_key(0, mac);
    if (keys.empty() || (table.hash(key) ^ table.hash(keys[0])) % (table.slots() / 4) == 0) keys.push_back(key);
  }
  const auto value_of = [](uint64_t key) { return Value::make(encode(truth(0, mac_of(key))), false, 0, 0, 0); };
  std::atomic<uint64_t> wrong{0}, found{0};
  with_readers(
      [&](int number) {
        const uint64_t key = keys[static_cast<size_t>(number)];
        Value value;
        if (!table.read(key, table.hash(key), value)) return;
        if (value.destination() != value_of(key).destination()) wrong.fetch_add(1, std::memory_order_relaxed);
        found.fetch_add(1, std::memory_order_relaxed);
      },
      [&] {
        for (uint32_t turn = 0; turn < 1500000 || found < 1000; ++turn) {
          const uint64_t key = keys[turn % keys.size()];
          REQUIRE(table.insert(key, value_of(key), 0));
          table.erase(table.find(key));
        }
      });
  CHECK(wrong.load() == 0);
}

TEST_CASE("an entry that is displaced into its other bucket is never missed on the way") {
  MacTable table(kSeed.a, kSeed.b, 700);
  REQUIRE_FALSE(table.can_grow());
  std::vector<uint64_t> stable;
  for (Mac mac = 1; stable.size() < 900; ++mac) {
    stable.push_back(make_key(0, mac));
    REQUIRE(table.insert(stable.back(), Value::make(1, false, 0, 0, 0), 0));
  }
  std::atomic<uint64_t> missed{0}, rounds{0};
  with_readers(
      [&](int) {
        for (const uint64_t key : stable) {
          Value value;
          if (!table.read(key, table.hash(key), value)) missed.fetch_add(1, std::memory_order_relaxed);
        }
        rounds.fetch_add(1, std::memory_order_relaxed);
      },
      [&] {
        Mac mac = 100000;
        for (uint32_t turn = 0; turn < 10000 || rounds < 100; ++turn) {
          std::vector<uint64_t> passing;
          for (int i = 0; i < 40; ++i) {
            passing.push_back(make_key(0, ++mac));
            REQUIRE(table.insert(passing.back(), Value::make(2, false, 0, 0, 0), 0));
          }
          for (const uint64_t key : passing) table.erase(table.find(key));
        }
      });
  CHECK(missed.load() == 0);
}

TEST_CASE("a dump shows what is there all the time once, while the rest comes, goes, moves and is flushed") {
  constexpr Mac kStable = 3000, kOthers = 20000;
  Fdb fdb(kSeed, 60000);
  fdb.set_limits(0, {.limit = 10000, .limit_per_port = 10000, .move_count = 0});
  for (Mac mac = 1; mac <= kStable; ++mac) REQUIRE(fdb.declare(0, mac, truth(0, mac)));
  std::atomic<uint64_t> step{0};
  size_t wrong = 0, shown = 0;
  with_readers(
      [&](int number) {
        const uint64_t turn = step.fetch_add(1, std::memory_order_relaxed);
        fdb.learn(0, kStable + 1 + turn % kOthers, {DestinationKind::peer, static_cast<uint16_t>(number)}, 1);
        if (turn % 50000 == 0) fdb.flush_learned(NetworkIndex{0});
        if (turn % 1000 == 0) fdb.sweep(1);
      },
      [&] {
        for (int turn = 0; turn < 20; ++turn) {
          std::vector<int> seen(kStable + 1);
          for (const FdbEntry& entry : fdb.dump(NetworkIndex{0}, 1, 100000)) {
            if (!entry.declared) {
              ++shown;
              wrong += entry.mac <= kStable || entry.where.kind != DestinationKind::peer;
            } else if (++seen.at(entry.mac) != 1 || entry.where != truth(0, entry.mac)) {
              ++wrong;
            }
          }
          for (Mac mac = 1; mac <= kStable; ++mac) wrong += seen[mac] == 0;
        }
      });
  CHECK(wrong == 0);
  CHECK(shown > 0);
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
        for (int turn = 0; turn < 600; ++turn) {
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

// How many lookups and learns one core does in a second of its CPU time in the FDB.
//
//   fdb_bench ENTRIES     (a power of two)
//
// Prints an object of JSON: millions a second by name.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>
#include <vector>

#include "fdb/fdb.h"

using namespace weft;

namespace {

constexpr size_t kBatch = 32;
constexpr size_t kLookups = 4u << 20;
constexpr int kRounds = 5;
constexpr Destination kWhere{DestinationKind::peer, 1};

uint64_t splitmix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

std::vector<Mac> random_macs(size_t count, uint64_t seed) {
  std::vector<Mac> macs(count);
  for (Mac& mac : macs) mac = splitmix(seed) & 0xfeffffffffff;
  return macs;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void print(const char* name, double millions, const char* after = ",") {
  std::printf("  \"%s\": %.2f%s\n", name, millions, after);
}

// The median of several rounds of `count` each.
template <typename Work>
double millions(size_t count, Work work) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double start = cpu_seconds();
    work();
    rounds.push_back(static_cast<double>(count) / (cpu_seconds() - start) / 1e6);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

volatile uint64_t sink;

// In the order of `macs`, round and round. Each MAC is known before the answer for the one before it.
void look_up(const Fdb& fdb, const std::vector<Mac>& macs) {
  uint64_t hits = 0;
  for (size_t at = 0; at < kLookups; ++at) hits += fdb.find(0, macs[at & (macs.size() - 1)]).has_value();
  sink = hits;
}

// The same, with the memory of a batch brought near before its first look-up.
void look_up_prefetched(const Fdb& fdb, const std::vector<Mac>& macs) {
  const size_t mask = macs.size() - 1;
  uint64_t hits = 0;
  for (size_t at = 0; at < kLookups; at += kBatch) {
    for (size_t i = 0; i < kBatch; ++i) fdb.prefetch(0, macs[(at + i) & mask]);
    for (size_t i = 0; i < kBatch; ++i) hits += fdb.find(0, macs[(at + i) & mask]).has_value();
  }
  sink = hits;
}

// Each look-up waits for the answer of the one before it; so this has the table's latency, and that of `macs`.
void look_up_chained(const Fdb& fdb, const std::vector<Mac>& macs) {
  uint64_t at = 1;
  for (size_t i = 0; i < kLookups / 4; ++i) {
    const auto where = fdb.find(0, macs[at & (macs.size() - 1)]);
    at = at * 6364136223846793005 + 1442695040888963407 + (where ? where->index : 0);
    at ^= at >> 33;
  }
  sink = at;
}

void learn_all(Fdb& fdb, const std::vector<Mac>& macs) {
  for (size_t at = 0; at < macs.size();) {
    if (fdb.learn(0, macs[at], kWhere, 1) == LearnResult::busy) {
      fdb.sweep(1);
    } else {
      ++at;
    }
  }
}

void bench(size_t size) {
  Fdb fdb({0x243f6a8885a308d3, 0x13198a2e03707344}, 1u << 20);
  fdb.set_limits(0, {.limit = 1u << 20});
  std::vector<Mac> macs = random_macs(size, size);
  const double start = cpu_seconds();
  learn_all(fdb, macs);
  print("learn-new", static_cast<double>(size) / (cpu_seconds() - start) / 1e6);
  uint64_t random = 99;
  for (size_t i = size - 1; i > 0; --i) std::swap(macs[i], macs[splitmix(random) % (i + 1)]);
  print("find", millions(kLookups, [&] { look_up(fdb, macs); }));
  print("find-prefetched", millions(kLookups, [&] { look_up_prefetched(fdb, macs); }));
  print("find-chained", millions(kLookups / 4, [&] { look_up_chained(fdb, macs); }));
  const std::vector<Mac> strangers = random_macs(size, size + 1);
  print("miss-prefetched", millions(kLookups, [&] { look_up_prefetched(fdb, strangers); }));
  print("learn-known", millions(kLookups, [&] {
          for (size_t at = 0; at < kLookups; ++at) sink = static_cast<uint64_t>(fdb.learn(0, macs[at & (size - 1)], kWhere, 1));
        }), "");
}

}  // namespace

int main(int argc, char** argv) {
  const size_t size = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (!std::has_single_bit(size) || size > 1u << 20) {
    std::fprintf(stderr, "usage: fdb_bench ENTRIES, a power of two up to 1048576\n");
    return 2;
  }
  std::printf("{\n");
  bench(size);
  std::printf("}\n");
  return 0;
}

// How many lookups and learns one core does in a second of its time in the FDB. Prints one line a figure.
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

#include "fdb/fdb.h"

using namespace weft;

namespace {

constexpr size_t kBatch = 32;
constexpr size_t kLookups = 16u << 20;

uint64_t splitmix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

template <typename Work>
void report(const char* what, size_t count, Work work) {
  const std::clock_t start = std::clock();
  const uint64_t hits = work();
  const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("%-48s %7.1f M/s  (%.0f %% hits)\n", what, static_cast<double>(count) / took / 1e6,
              100.0 * static_cast<double>(hits) / static_cast<double>(count));
}

// Looks up `count` of `macs` in their order, round and round, a batch at a time as a worker does.
uint64_t look_up(const Fdb& fdb, const std::vector<Mac>& macs, size_t count, bool prefetch) {
  uint64_t hits = 0;
  const size_t mask = macs.size() - 1;
  for (size_t at = 0; at < count; at += kBatch) {
    if (prefetch) {
      for (size_t i = 0; i < kBatch; ++i) fdb.prefetch(0, macs[(at + i) & mask]);
    }
    for (size_t i = 0; i < kBatch; ++i) hits += fdb.find(0, macs[(at + i) & mask]).has_value();
  }
  return hits;
}

std::vector<Mac> random_macs(size_t count, uint64_t seed) {
  std::vector<Mac> macs(count);
  for (Mac& mac : macs) mac = splitmix(seed) & 0xfeffffffffff;
  return macs;
}

}  // namespace

int main() {
  for (const size_t size : {size_t{256}, size_t{16384}, size_t{1} << 20}) {
    Fdb fdb({0x243f6a8885a308d3, 0x13198a2e03707344}, 1u << 20);
    fdb.set_limits(0, {.limit = 1u << 20});
    std::vector<Mac> macs = random_macs(size, size);
    std::printf("%zu entries\n", size);
    report("  learn, new", size, [&] {
      uint64_t learned = 0;
      for (size_t at = 0; at < size;) {
        if (fdb.learn(0, macs[at], {DestinationKind::peer, 1}, 1) == LearnResult::busy) {
          fdb.sweep(1);
        } else {
          ++learned;
          ++at;
        }
      }
      return learned;
    });
    uint64_t random = 99;
    for (size_t i = size - 1; i > 0; --i) std::swap(macs[i], macs[splitmix(random) % (i + 1)]);
    report("  find, random hits", kLookups, [&] { return look_up(fdb, macs, kLookups, false); });
    report("  find, random hits, prefetched by 32", kLookups, [&] { return look_up(fdb, macs, kLookups, true); });
    const std::vector<Mac> strangers = random_macs(size, size + 1);
    report("  find, random misses, prefetched by 32", kLookups, [&] { return look_up(fdb, strangers, kLookups, true); });
    report("  learn, known in this second", kLookups, [&] {
      uint64_t known = 0;
      for (size_t at = 0; at < kLookups; ++at) {
        known += fdb.learn(0, macs[at & (size - 1)], {DestinationKind::peer, 1}, 1) == LearnResult::known;
      }
      return known;
    });
    std::printf("  memory %.1f MiB\n", static_cast<double>(fdb.memory_bytes()) / 1048576.0);
  }
  return 0;
}

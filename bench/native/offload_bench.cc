// How fast one core parses, sums, segments and coalesces, all in cache: the part of a frame's cost that is ours alone. Prints an
// object of JSON.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "frames.h"
#include "offload/checksum.h"
#include "offload/coalesce.h"
#include "offload/segment.h"

namespace {

using namespace weft;
using namespace bench;

constexpr uint32_t kRounds = 7;
constexpr double kRoundSeconds = 0.08;
constexpr uint32_t kSuperPayload = 60000;

volatile uint64_t sink;

// CPU time, so that what else runs on the machine does not count.
double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The median nanoseconds of one call, over rounds that are long enough for the clock.
template <typename Work>
double nanoseconds(Work work) {
  std::vector<double> rounds;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const double start = cpu_seconds();
    uint64_t calls = 0;
    double elapsed = 0;
    do {
      for (int i = 0; i < 512; ++i) work();
      calls += 512;
      elapsed = cpu_seconds() - start;
    } while (elapsed < kRoundSeconds);
    rounds.push_back(elapsed * 1e9 / static_cast<double>(calls));
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

const char* separator = "{\n";

void print(const char* what, const char* unit, double value) {
  std::printf("%s  \"%s, %s\": %.2f", separator, what, unit, value);
  separator = ",\n";
}

void print_bytes(const char* what, double ns, double bytes, uint32_t frames) {
  print(what, "GB/s", bytes / ns);
  print(what, "ns a frame", ns / frames);
}

void bench_checksum() {
  std::vector<uint8_t> data(65536, 0x5a);
  for (const size_t length : {size_t{20}, size_t{64}, size_t{128}, size_t{1400}, size_t{65536}}) {
    for (const ChecksumForm& form : checksum_forms()) {
      const double ns = nanoseconds([&] { sink = sink + form.add(data.data(), length, 0); });
      char what[64];
      std::snprintf(what, sizeof what, "checksum, %zu bytes, %s", length, form.name);
      print_bytes(what, ns, static_cast<double>(length), 1);
    }
  }
}

void bench_parse() {
  std::vector<uint8_t> frame = make_frame(true, 1, 1400);
  Packet packet = parsed(frame);
  const double ns = nanoseconds([&] {
    parse(packet);
    sink = sink + packet.flow_hash;
  });
  print_bytes("parse, TCP over IPv4", ns, 1454, 1);
}

void bench_segment() {
  std::vector<uint8_t> super = make_frame(true, 1, kSuperPayload);
  const Packet packet = parsed(super);
  const VnetHeader vnet{.gso_type = kGsoTcp4, .gso_size = 1400};
  std::vector<uint8_t> blocks(kMaxSegments * kMaxSegmentHeaderBytes);
  SegmentPlan plan;
  const double ns = nanoseconds([&] {
    plan_segments(packet, vnet, plan);
    write_segment_headers(packet, vnet, plan, blocks.data(), kMaxSegmentHeaderBytes);
  });
  print_bytes("segment, TCP by 1400", ns, kSuperPayload, plan.count);
}

// Rounds of `frames` (in the order given), parsed anew as the engine does.
void bench_coalesce(const char* what, std::vector<std::vector<uint8_t>>& frames) {
  Coalescer coalescer;
  double bytes = 0;
  for (const auto& frame : frames) bytes += static_cast<double>(frame.size());
  size_t writes = 0;
  const double ns = nanoseconds([&] {
    for (auto& frame : frames) coalescer.add(1, parsed(frame), VnetHeader{}, 1);
    writes = coalescer.finish().size();
    coalescer.clear();
  });
  print_bytes(what, ns, bytes, static_cast<uint32_t>(frames.size()));
  print(what, "frames a write", static_cast<double>(frames.size()) / static_cast<double>(writes));
}

}  // namespace

int main() {
  bench_checksum();
  bench_parse();
  bench_segment();
  auto bulk = wire_frames(true, 1, kSuperPayload, 1400, false);
  bench_coalesce("parse and coalesce, TCP by 1400", bulk);
  bulk = wire_frames(true, 1, kSuperPayload, 1400, true);
  bench_coalesce("parse and coalesce, TCP by 1400, checksums unfinished", bulk);
  std::vector<std::vector<std::vector<uint8_t>>> flows;
  for (uint16_t flow = 0; flow < 63; ++flow) flows.push_back(wire_frames(false, flow, 22 * 16, 22, false));
  std::vector<std::vector<uint8_t>> interleaved;
  for (size_t i = 0; i < 16; ++i) {
    for (auto& flow : flows) interleaved.push_back(flow[i]);
  }
  bench_coalesce("parse and coalesce, 64-byte UDP, 63 flows", interleaved);
  std::printf("\n}\n");
  return 0;
}

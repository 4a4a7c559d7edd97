// What the traffic programs of the benchmark have in common: their clock, their command line, and how they report.
#pragma once

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, std::strerror(errno));
  std::exit(1);
}

[[noreturn]] inline void misused(const std::string& reason) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, reason.c_str());
  std::exit(2);
}

// A number of the command line; ends the program when it is none from `low` to `high`.
inline double number(const std::string& name, const char* text, double low, double high) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= low && value <= high)) misused(name + ": not a number in its range: " + text);
  return value;
}

using Mac = std::array<uint8_t, 6>;

inline Mac mac_address(const std::string& name, const char* text) {
  Mac mac{};
  if (std::sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6) {
    misused(name + ": not a MAC: " + text);
  }
  return mac;
}

inline Clock::duration clock_time(double seconds) { return std::chrono::duration_cast<Clock::duration>(Seconds(seconds)); }

// CPU time of this process, in user space and in the kernel on its behalf.
inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Of values in ascending order, at least one.
inline double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// For whoever waits until a server can be talked to.
inline void announce_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

}  // namespace bench

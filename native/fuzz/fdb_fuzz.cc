// Operations on the FDB beside its model (test/fdb_model.h). Three bytes of shape, then four bytes an operation.
#include <cstdio>
#include <cstdlib>

#include "test/fdb_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const uint32_t shape = data[0] | static_cast<uint32_t>(data[1]) << 8 | static_cast<uint32_t>(data[2]) << 16;
  weft::FdbModelRun run(shape);
  for (size_t at = 3; at + 4 <= size; at += 4) {
    if (const auto error = run.step({data[at], data[at + 1], data[at + 2], data[at + 3]})) {
      std::fprintf(stderr, "operation %zu: %s\n", (at - 3) / 4, error->c_str());
      std::abort();
    }
  }
  return 0;
}

// Every committed input of every fuzzer, given to it once more. What once crashed one is among them, as crash-WHAT.
#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#define WEFT_FUZZER(subject) extern "C" int replay_##subject(const uint8_t* data, size_t size);
#include "fuzzers.def"
#undef WEFT_FUZZER

namespace {

// A fuzzer that finds something aborts, and doctest then names the test case and the file.
void replay(const std::string& subject, int (*fuzzer)(const uint8_t*, size_t)) {
  uint32_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(WEFT_CORPUS "/") + subject)) {
    const std::string file = entry.path().filename().string();
    INFO(subject, "/", file);
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    // An allocation of exactly this size lets AddressSanitizer see a read beyond the input.
    const std::vector<uint8_t> input(bytes.begin(), bytes.end());
    CHECK(fuzzer(input.data(), input.size()) == 0);
    ++inputs;
  }
  CHECK(inputs >= 4);
}

}  // namespace

#define WEFT_FUZZER(subject) \
  TEST_CASE("the corpus of the " #subject " fuzzer") { replay(#subject, replay_##subject); }
#include "fuzzers.def"

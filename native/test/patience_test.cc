#include "engine/patience.h"

#include <doctest/doctest.h>

namespace weft {
namespace {

constexpr uint64_t kShort = Patience::kLimitNanoseconds / 4;
constexpr uint64_t kSecond = 1'000'000'000;

int waits_until_polling(Patience& patience, uint64_t each) {
  for (int waits = 0; waits < 100; ++waits) {
    if (patience.worth_polling()) return waits;
    patience.waited(each);
  }
  return -1;
}

TEST_CASE("a worker sleeps at first, and polls after some short waits") {
  Patience patience;
  const int waits = waits_until_polling(patience, kShort);
  CHECK(waits > 2);
  CHECK(waits < 20);
}

TEST_CASE("a pause of any length ends the polling, and is forgotten as fast") {
  for (const uint64_t pause : {kSecond, 3600 * kSecond, UINT64_MAX}) {
    Patience patience;
    waits_until_polling(patience, kShort);
    patience.waited(pause);
    CHECK_FALSE(patience.worth_polling());
    const int waits = waits_until_polling(patience, kShort);
    CHECK(waits > 0);
    CHECK(waits < 20);
  }
}

TEST_CASE("one wait that is a little longer than the limit does not end it among short ones") {
  Patience patience;
  waits_until_polling(patience, kShort);
  for (int i = 0; i < 50; ++i) patience.waited(kShort);
  patience.waited(2 * Patience::kLimitNanoseconds);
  CHECK(patience.worth_polling());
}

TEST_CASE("waits at the limit are not polled for") {
  Patience patience;
  for (int i = 0; i < 1000; ++i) patience.waited(Patience::kLimitNanoseconds);
  CHECK_FALSE(patience.worth_polling());
}

TEST_CASE("amid bulk a worker sleeps, and polls again after some small visits") {
  Patience patience;
  waits_until_polling(patience, kShort);
  for (int i = 0; i < 10; ++i) patience.worked(1500);
  CHECK(patience.worth_polling());
  for (int i = 0; i < 10; ++i) {
    patience.worked(60'000);
    patience.worked(66);
  }
  CHECK_FALSE(patience.worth_polling());
  for (int i = 0; i < 10; ++i) patience.worked(66);
  CHECK(patience.worth_polling());
}

}  // namespace
}  // namespace weft

// main() of the tests that bring none of their own, compiled once: it takes longer than most tests.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

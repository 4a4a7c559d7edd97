// How many control frames of a peer are answered: whoever forges its address need not stop asking. For the worker alone.
#pragma once

#include <cstdint>

#include "fdb/fdb.h"

namespace weft {

class AnswerAllowance {
 public:
  static constexpr uint32_t kASecond = 64;

  // False when this second's are used up.
  bool take(Seconds now) {
    if (second_ != now) {
      second_ = now;
      answers_ = 0;
    }
    if (answers_ == kASecond) return false;
    ++answers_;
    return true;
  }

 private:
  Seconds second_ = 0;
  uint32_t answers_ = 0;
};

}  // namespace weft

// The way of the last unicast frame, remembered for the rest of a round: the segments of a burst go where the first one went,
// without asking the FDB again for each. Any frame between other addresses ends it, so nothing learned in the round is missed.
#pragma once

#include <cstring>

#include "engine/frame.h"

namespace weft {

class LastDecision {
 public:
  bool fits(const Frame& frame) const {
    return valid_ && frame.source == source_ && frame.network == network_ &&
           std::memcmp(frame.packet.data, addresses_, sizeof addresses_) == 0;
  }
  Destination to() const { return to_; }

  void remember(const Frame& frame, Destination to) {
    valid_ = true;
    source_ = frame.source;
    network_ = frame.network;
    to_ = to;
    std::memcpy(addresses_, frame.packet.data, sizeof addresses_);
  }
  void forget() { valid_ = false; }

 private:
  bool valid_ = false;
  NetworkIndex network_ = 0;
  Destination source_;
  Destination to_;
  uint8_t addresses_[12];  // destination and source MAC
};

}  // namespace weft

// Filter expressions as programs, by the libpcap of this machine. It is loaded when it is asked for the first time, and need not be there.
// It resolves names and may take its time, and its parser is given what a person typed: so the command compiles, and not the daemon.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "capture/bpf.h"

namespace weft {

struct NoLibpcap {};
struct FilterProblem {
  std::string text;  // in the words of libpcap
};

// For Ethernet frames, in the language of pcap-filter(7).
std::variant<std::vector<BpfInstruction>, FilterProblem, NoLibpcap> compile_filter(const std::string& expression);

}  // namespace weft

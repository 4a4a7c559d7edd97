#include "capture/filter_compiler.h"

#include <dlfcn.h>

#include <memory>

namespace weft {
namespace {

constexpr int kEthernet = 1;           // DLT_EN10MB
constexpr int kSnaplen = 262144;       // the value of a program that takes a frame
constexpr uint32_t kNoNetmask = 0xffffffff;  // PCAP_NETMASK_UNKNOWN

// As libpcap's headers have them; they are its ABI since 1.0.
struct pcap;
struct Program {
  unsigned length;
  const BpfInstruction* instructions;  // struct bpf_insn
};
static_assert(sizeof(BpfInstruction) == 8);

struct Libpcap {
  pcap* (*open_dead)(int linktype, int snaplen);
  int (*compile)(pcap*, Program*, const char* expression, int optimize, uint32_t netmask);
  void (*free_code)(Program*);
  char* (*error)(pcap*);
  void (*close)(pcap*);
};

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// Stays loaded. Nothing when there is none.
const Libpcap* libpcap() {
  static Libpcap loaded;
  static const bool found = [] {
    for (const char* name : {"libpcap.so.1", "libpcap.so.0.8", "libpcap.so"}) {
      void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      return find(library, "pcap_open_dead", loaded.open_dead) && find(library, "pcap_compile", loaded.compile) &&
             find(library, "pcap_freecode", loaded.free_code) && find(library, "pcap_geterr", loaded.error) &&
             find(library, "pcap_close", loaded.close);
    }
    return false;
  }();
  return found ? &loaded : nullptr;
}

}  // namespace

std::variant<std::vector<BpfInstruction>, FilterProblem, NoLibpcap> compile_filter(const std::string& expression) {
  const Libpcap* library = libpcap();
  if (library == nullptr) return NoLibpcap{};
  const std::unique_ptr<pcap, void (*)(pcap*)> handle(library->open_dead(kEthernet, kSnaplen), library->close);
  if (handle == nullptr) return FilterProblem{"out of memory"};
  Program program{};
  if (library->compile(handle.get(), &program, expression.c_str(), 1, kNoNetmask) != 0) {
    return FilterProblem{library->error(handle.get())};
  }
  std::vector<BpfInstruction> instructions(program.instructions, program.instructions + program.length);
  library->free_code(&program);
  return instructions;
}

}  // namespace weft

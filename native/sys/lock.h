// Locks between processes of one network namespace, which need no file and vanish with their holder.
#pragma once

#include <string>

namespace weft {

// Takes the lock `name` until the process ends; true as well when this process has it already. False when another one has it.
// Any thread. Throws SysError ENAMETOOLONG beyond about 100 bytes.
bool take_lock(const std::string& name);

}  // namespace weft

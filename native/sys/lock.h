// Locks between processes, which leave nothing behind and vanish with their holder.
#pragma once

#include <string>

namespace weft {

// Takes the lock `name` in this network namespace, without any file, until the process ends; true as well when this process has it
// already. False when another one has it. Any thread. Throws SysError ENAMETOOLONG beyond about 100 bytes.
bool take_lock(const std::string& name);

// flock(2) of an open file or directory, exclusively and without waiting; false when another open file of it has the lock. It holds until
// the last descriptor of this open file is closed, on a read-only and on a full file system as well. Throws SysError.
bool lock_file(int fd);

}  // namespace weft

// sd_notify(3) without libsystemd.
#pragma once

#include <span>
#include <string>

namespace weft {

// Sends `state`, such as "READY=1", to the socket that $NOTIFY_SOCKET names (a path, or abstract behind '@'), and with it copies of the
// descriptors: "FDSTORE=1" lets the service manager keep them. False when the variable is not set. Throws SysError, also when the
// service manager takes nothing for seconds.
bool notify_service_manager(const std::string& state, std::span<const int> fds = {});

}  // namespace weft

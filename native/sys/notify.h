// sd_notify(3) without libsystemd.
#pragma once

#include <string>

namespace weft {

// Sends `state`, such as "READY=1", to the socket that $NOTIFY_SOCKET names (a path, or abstract behind '@'). False when the
// variable is not set. Throws SysError.
bool notify_service_manager(const std::string& state);

}  // namespace weft

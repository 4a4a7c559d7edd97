#include "sys/sys_error.h"

#include <string.h>

#include <cerrno>
#include <utility>

namespace weft {

namespace {

std::string describe(int error, const std::string& operation, const std::string& detail) {
  char text[128];
  std::string message = operation + ": " + strerror_r(error, text, sizeof(text));
  if (!detail.empty()) message += " (" + detail + ")";
  return message;
}

}  // namespace

SysError::SysError(int error, std::string operation, const std::string& detail)
    : error_(error), operation_(std::move(operation)), message_(describe(error_, operation_, detail)) {}

std::string errno_name(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "E" + std::to_string(error);
}

void throw_errno(const char* operation) { throw SysError(errno, operation); }

}  // namespace weft

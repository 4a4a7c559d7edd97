// What the kernel refused. Thrown by control-plane code only, never by a worker.
#pragma once

#include <stdexcept>
#include <string>

namespace weft {

class SysError : public std::exception {
 public:
  // `operation` is the call or ioctl that failed, such as "TUNSETIFF"; `detail` is what is known beyond errno, or empty.
  SysError(int error, std::string operation, const std::string& detail = {});

  int error() const { return error_; }
  const std::string& operation() const { return operation_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int error_;
  std::string operation_;
  std::string message_;
};

// The symbolic name of an errno, such as "EPERM".
std::string errno_name(int error);

[[noreturn]] void throw_errno(const char* operation);

// Throws the current errno when `result` is negative, else returns `result`.
template <class Result>
Result check(Result result, const char* operation) {
  if (result < 0) throw_errno(operation);
  return result;
}

}  // namespace weft

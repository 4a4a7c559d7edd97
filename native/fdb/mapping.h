// Anonymous zeroed memory straight from the kernel: only pages that are touched cost anything, and they can be given back.
#pragma once

#include <cstddef>

namespace weft {

class Mapping {
 public:
  Mapping() = default;
  // Empty (data() is null) when the kernel refuses.
  explicit Mapping(size_t bytes);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // A hint; the kernel may have none.
  void prefer_large_pages();
  // Gives the pages back. The addresses stay readable and hold zeros.
  void clear();

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace weft

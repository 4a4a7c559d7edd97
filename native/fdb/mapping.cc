#include "fdb/mapping.h"

#include <sys/mman.h>

#include <utility>

namespace weft {

Mapping::Mapping(size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return;
  data_ = at;
  bytes_ = bytes;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Mapping::prefer_large_pages() { madvise(data_, bytes_, MADV_HUGEPAGE); }

void Mapping::clear() { madvise(data_, bytes_, MADV_DONTNEED); }

}  // namespace weft

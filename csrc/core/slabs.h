// Blocks up to a page: 32 sizes, cut from slabs of 64 KB, 32 of which share a huge page with their
// descriptors. A slab serves one size until its last block comes back; then it may serve another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

class Slabs {
 public:
  static constexpr size_t kMaxBytes = 4096;

  void* allocate(size_t bytes);  // null if the system has no more
  void deallocate(void* data);
  void release();  // gives pages without a used slab back

 private:
  struct Slab;
  struct Page;

  static constexpr int kClasses = 32;

  Slab* open(int size_class);

  Slab* partial_[kClasses] = {};  // slabs of the size with a free block
  Page* pages_ = nullptr;         // pages with a free slab
};

}  // namespace lamina

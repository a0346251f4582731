#include "core/slabs.h"

#include <bit>
#include <new>

#include "core/pages.h"

namespace lamina {
namespace {

constexpr size_t kSlabBytes = 64 << 10;
constexpr int kSlabsPerPage = kHugePage / kSlabBytes;
constexpr uint32_t kAllFree = 0xffffffff;

// Steps of 64 bytes up to 1 KB, 128 up to 2 KB, 256 up to 4 KB.
int class_of(size_t bytes) {
  const int units = bytes == 0 ? 1 : static_cast<int>((bytes + 63) / 64);
  if (units <= 16) return units - 1;
  return units <= 32 ? 16 + (units - 17) / 2 : 24 + (units - 33) / 4;
}

uint32_t class_bytes(int c) {
  if (c < 16) return 64 * (c + 1);
  return c < 24 ? 1024 + 128 * (c - 15) : 2048 + 256 * (c - 23);
}

// An intrusive doubly linked list.
template <class T>
void push(T*& head, T* item) {
  item->previous = nullptr;
  item->next = head;
  if (head) head->previous = item;
  head = item;
}

template <class T>
void unlink(T*& head, T* item) {
  if (item->next) item->next->previous = item->previous;
  (item->previous ? item->previous->next : head) = item->next;
}

}  // namespace

struct Slabs::Slab {
  Slab *next, *previous;
  void* free;        // blocks that came back, each pointing to the next
  std::byte* fresh;  // blocks from here to `end` were never handed out
  std::byte* end;
  uint32_t block_bytes;
  uint16_t live;
  uint16_t size_class;

  bool full() const { return !free && fresh == end; }
};

struct alignas(64) Slabs::Page {
  Page *next, *previous;
  uint32_t free_slabs;
  Slab slabs[kSlabsPerPage];

  std::byte* begin() { return reinterpret_cast<std::byte*>(this); }
};

Slabs::Slab* Slabs::open(int size_class) {
  if (!pages_) {
    void* memory = map_pages(kHugePage);
    if (!memory) return nullptr;
    auto* page = new (memory) Page;
    page->free_slabs = kAllFree;
    push(pages_, page);
  }
  Page* page = pages_;
  const int index = std::countr_zero(page->free_slabs);
  page->free_slabs &= ~(1u << index);
  if (page->free_slabs == 0) unlink(pages_, page);
  const uint32_t block = class_bytes(size_class);
  const size_t head = index == 0 ? sizeof(Page) : 0;  // the descriptors lie in the first slab
  std::byte* begin = page->begin() + index * kSlabBytes + head;
  Slab* slab = &page->slabs[index];
  *slab = {nullptr,
           nullptr,
           nullptr,
           begin,
           begin + (kSlabBytes - head) / block * block,
           block,
           0,
           static_cast<uint16_t>(size_class)};
  push(partial_[size_class], slab);
  return slab;
}

void* Slabs::allocate(size_t bytes) {
  const int size_class = class_of(bytes);
  Slab* slab = partial_[size_class];
  if (!slab && !(slab = open(size_class))) return nullptr;
  void* block = slab->free;
  if (block) {
    slab->free = *static_cast<void**>(block);
  } else {
    block = slab->fresh;
    slab->fresh += slab->block_bytes;
  }
  ++slab->live;
  if (slab->full()) unlink(partial_[size_class], slab);
  return block;
}

void Slabs::deallocate(void* data) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(data);
  auto* page = reinterpret_cast<Page*>(address / kHugePage * kHugePage);
  const int index = static_cast<int>(address % kHugePage / kSlabBytes);
  Slab* slab = &page->slabs[index];
  if (slab->full()) push(partial_[slab->size_class], slab);
  *static_cast<void**>(data) = slab->free;
  slab->free = data;
  if (--slab->live > 0) return;
  unlink(partial_[slab->size_class], slab);
  if (page->free_slabs == 0) push(pages_, page);
  page->free_slabs |= 1u << index;
}

void Slabs::release() {
  for (Page *page = pages_, *next; page; page = next) {
    next = page->next;
    if (page->free_slabs != kAllFree) continue;
    unlink(pages_, page);
    unmap_pages(page, kHugePage);
  }
}

}  // namespace lamina

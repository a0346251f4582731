#include "core/heap.h"

#include <algorithm>
#include <bit>
#include <new>

#include "core/pages.h"

namespace lamina {
namespace {

constexpr size_t kUnit = 64;                 // alignment and granularity
constexpr size_t kRegion = size_t{4} << 30;  // addresses of an arena, if the system has so many
constexpr size_t kGrowth = size_t{8} << 20;  // what an arena grows by at least
constexpr size_t kMinSplit = 4096;           // smaller remainders stay with their block
constexpr size_t kMaxBytes = size_t{1} << 45;
constexpr size_t kStaggered = size_t{32} << 10;  // blocks from here on
constexpr size_t kStagger = 1024 - kUnit;        // are larger by this: see heap.h
constexpr size_t kSlack = size_t{64} << 20;      // kept whatever the peak

size_t round_to(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

struct Bin {
  int level, index;
};

// Sizes below 64 units have a bin each; above, the six bits after the leading one choose among 64
// bins.  The stagger does not count.
Bin bin_of(size_t size) {
  const size_t units = (size < kStaggered ? size : size - kStagger) / kUnit;
  if (units < 64) return {0, static_cast<int>(units)};
  const int shift = std::bit_width(units) - 7;
  return {shift + 1, static_cast<int>(units >> shift) - 64};
}

size_t round_to_bin(size_t bytes) {
  const size_t size = round_to(std::max<size_t>(bytes, 1), kUnit);
  const size_t units = size / kUnit;
  if (units < 64) return size;
  const size_t rounded = round_to(size, kUnit << (std::bit_width(units) - 7));
  return rounded < kStaggered ? rounded : rounded + kStagger;
}

}  // namespace

// In front of its payload.  Physical neighbours find each other by size and `before`.
struct alignas(kUnit) Heap::Block {
  Block* before;           // null: the arena's first
  size_t size;             // of the payload; 0: the mark at the arena's end
  Block *next, *previous;  // in the bin, while free
  bool free;
  bool discarded;  // free, and its whole huge pages have been given back

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  Block* after() { return reinterpret_cast<Block*>(data() + size); }

  uintptr_t first_page() { return round_to(reinterpret_cast<uintptr_t>(data()), kHugePage); }
  size_t whole_pages() {
    const uintptr_t end = reinterpret_cast<uintptr_t>(data() + size) / kHugePage * kHugePage;
    return end > first_page() ? end - first_page() : 0;
  }
};

struct alignas(kUnit) Heap::Arena {
  Arena *next, *previous;
  size_t bytes, addresses;  // in use, from the arena's beginning, and reserved
  Block* end;

  std::byte* begin() { return reinterpret_cast<std::byte*>(this); }
  Block* first() { return reinterpret_cast<Block*>(this + 1); }
  bool whole_free() { return first()->free && first()->after() == end; }
};

void Heap::insert(Block* block) {
  const auto [level, index] = bin_of(block->size);
  Block*& head = bins_[level][index];
  block->free = true;
  block->previous = nullptr;
  block->next = head;
  if (head) head->previous = block;
  head = block;
  levels_ |= uint64_t{1} << level;
  bins_used_[level] |= uint64_t{1} << index;
}

void Heap::remove(Block* block) {
  const auto [level, index] = bin_of(block->size);
  block->free = false;
  if (block->next) block->next->previous = block->previous;
  if (block->previous) {
    block->previous->next = block->next;
  } else if (!(bins_[level][index] = block->next)) {
    bins_used_[level] &= ~(uint64_t{1} << index);
    if (bins_used_[level] == 0) levels_ &= ~(uint64_t{1} << level);
  }
}

Heap::Block* Heap::find(size_t size) const {
  auto [level, index] = bin_of(size);
  uint64_t bins = bins_used_[level] & (~uint64_t{0} << index);
  if (bins == 0) {
    const uint64_t levels = levels_ & (~uint64_t{0} << level << 1);
    if (levels == 0) return nullptr;
    level = std::countr_zero(levels);
    bins = bins_used_[level];
  }
  return bins_[level][std::countr_zero(bins)];
}

// Cuts a block that is in no bin down to `size`, if what remains is worth a block; returns the
// remainder or null.
Heap::Block* Heap::split(Block* block, size_t size) {
  if (block->size < size + sizeof(Block) + kMinSplit) return nullptr;
  auto* rest = reinterpret_cast<Block*>(block->data() + size);
  *rest = {block, block->size - size - sizeof(Block), nullptr, nullptr, false, block->discarded};
  block->size = size;
  rest->after()->before = rest;
  return rest;
}

// One block of two neighbours that are in no bin.
Heap::Block* Heap::merge(Block* front, Block* back) {
  for (Block* block : {front, back})
    if (block->discarded) {  // part of the result is resident, so count all of it
      undiscarded_pages(block->whole_pages());
      block->discarded = false;
    }
  front->size += sizeof(Block) + back->size;
  front->after()->before = front;
  return front;
}

size_t Heap::bound() const { return peak_used_ + peak_used_ / 2 + kSlack; }

// Gives free memory back if `bytes` more from the system would exceed the bound.
void Heap::make_room(size_t bytes) {
  if (reserved_bytes() + bytes > bound()) discard_free(bound() > bytes ? bound() - bytes : 0);
}

// A free block of at least `size`, in no bin, at the arena's end, which moves on as far as needed;
// null if addresses or memory are at an end.
Heap::Block* Heap::extend(Arena* arena, size_t size) {
  Block *last = arena->end->before, *end = arena->end;
  const size_t at_hand = last && last->free ? last->size : 0;  // less than `size`
  const size_t need = round_to(size - at_hand + sizeof(Block), kHugePage);
  const size_t most = arena->addresses - arena->bytes;
  if (need > most) return nullptr;
  size_t bytes = std::min(std::max(need, kGrowth), most);
  make_room(bytes);
  if (!commit_pages(arena->begin() + arena->bytes, bytes)) {
    discard_free(0);
    if (!commit_pages(arena->begin() + arena->bytes, bytes = need)) return nullptr;
  }
  arena->bytes += bytes;
  // The mark becomes the head of a block over what was added, with a new mark behind it.
  end->size = bytes - sizeof(Block);
  arena->end = new (end->after()) Block{end, 0, nullptr, nullptr, false, false};
  if (at_hand == 0) return end;
  remove(last);
  return merge(last, end);
}

// As `extend`, in an arena of its own.
Heap::Block* Heap::open(size_t size) {
  const size_t least = round_to(sizeof(Arena) + 2 * sizeof(Block) + size, kHugePage);
  size_t addresses = std::max(least, kRegion);
  void* begin = reserve_addresses(addresses);
  if (!begin) begin = reserve_addresses(addresses = least);
  if (!begin) return nullptr;
  if (!commit_pages(begin, kHugePage)) {
    release_addresses(begin, addresses, 0);
    return nullptr;
  }
  auto* arena = new (begin) Arena{arenas_, nullptr, kHugePage, addresses, nullptr};
  Block* block = arena->first();
  *block = {nullptr, kHugePage - sizeof(Arena) - 2 * sizeof(Block), nullptr, nullptr, false, false};
  arena->end = new (block->after()) Block{block, 0, nullptr, nullptr, false, false};
  if (arenas_) arenas_->previous = arena;
  arenas_ = arena;
  if (block->size >= size) return block;
  insert(block);
  block = extend(arena, size);
  if (!block) release_arena(arena);
  return block;
}

Heap::Block* Heap::grow(size_t size) {
  for (Arena* arena = arenas_; arena; arena = arena->next)
    if (Block* block = extend(arena, size)) return block;
  make_room(size);
  if (Block* block = open(size)) return block;
  release();
  return open(size);
}

void* Heap::allocate(size_t bytes) {
  if (bytes > kMaxBytes) return nullptr;
  const size_t size = round_to_bin(bytes);
  peak_used_ = std::max(peak_used_, used_ + size);
  Block* block = find(size);
  if (block) {
    remove(block);
  } else if (!(block = grow(size))) {
    return nullptr;
  }
  const size_t discarded = block->discarded ? block->whole_pages() : 0;
  Block* rest = split(block, size);
  if (discarded > 0) {  // all but the pages of `rest` will be written
    const size_t pages = discarded - (rest ? rest->whole_pages() : 0);
    make_room(pages);
    undiscarded_pages(pages);
    block->discarded = false;
  }
  if (rest) insert(rest);
  used_ += block->size;
  return block->data();
}

void Heap::deallocate(void* data) {
  Block* block = static_cast<Block*>(data) - 1;
  used_ -= block->size;
  if (Block* after = block->after(); after->free) {
    remove(after);
    merge(block, after);
  }
  if (Block* before = block->before; before && before->free) {
    remove(before);
    block = merge(before, block);
  }
  insert(block);
  if (reserved_bytes() > bound()) discard(block);  // merging counts discarded pages again
}

void Heap::release_arena(Arena* arena) {
  Block* block = arena->first();
  remove(block);
  if (block->discarded) undiscarded_pages(block->whole_pages());
  if (arena->next) arena->next->previous = arena->previous;
  (arena->previous ? arena->previous->next : arenas_) = arena->next;
  release_addresses(arena, arena->addresses, arena->bytes);
}

void Heap::discard(Block* block) {
  const size_t pages = block->whole_pages();
  if (block->discarded || pages == 0) return;
  discard_pages(reinterpret_cast<void*>(block->first_page()), pages);
  block->discarded = true;
}

void Heap::discard_free(size_t target) {
  for (Arena* arena = arenas_; arena; arena = arena->next)
    for (Block* block = arena->first(); block->size > 0; block = block->after()) {
      if (reserved_bytes() <= target) return;
      if (block->free) discard(block);
    }
}

void Heap::release() {
  for (Arena *arena = arenas_, *next; arena; arena = next) {
    next = arena->next;
    if (arena->whole_free()) release_arena(arena);
  }
  discard_free(0);
}

}  // namespace lamina

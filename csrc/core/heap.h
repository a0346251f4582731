// Blocks of more than a page: two-level segregated fit (Masmano et al., "TLSF: a new dynamic memory
// allocator for real-time systems", ECRTS'04).  Free blocks lie in bins of 64 sizes per power of
// two; two bitmaps find the smallest bin with a fitting block; sizes are rounded up to a bin's
// lower bound (by 1.6 % at most), so that the first block of a bin always fits and a freed block
// serves the same request again.  Neighbours that are free are always merged.
//
// Large sizes are rounded to whole pages, so a block's place within its page would be 64 bytes, a header,
// behind its neighbour's.  For an op that reads one and writes the other that is the worst place: each load
// has the low address bits of the store before it and waits for it (a copy takes 1.2 to 1.4 times as long).
// Large blocks are therefore 960 bytes longer: neighbours lie a quarter of a page apart.
//
// Arenas are wide: addresses are reserved by gigabytes and become memory as the arena grows, so that
// neighbours merge across everything that was ever asked for.  (An arena of 32 MB has no room for two
// blocks of 16 MB and their headers, and the activations of images are powers of two: 30 % of a
// ResNet-18's memory lay idle.)
//
// Free memory stays cached.  Before the heap takes more than one and a half times what was ever in
// use, it gives some back: the whole huge pages inside a free block, by discarding their contents.
// What it keeps is thus bounded, whatever the history of sizes: 1.5 times the peak, 64 MB, and the
// pages at the ends of free blocks.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

class Heap {
 public:
  void* allocate(size_t bytes);  // 64-byte aligned; null if the system has no more
  void deallocate(void* data);
  void release();  // gives all free memory back

 private:
  struct Block;
  struct Arena;

  static constexpr int kSubdivisions = 64, kLevels = 40;

  Block* find(size_t size) const;
  Block* grow(size_t size);
  Block* extend(Arena* arena, size_t size);
  Block* open(size_t size);
  size_t bound() const;
  void make_room(size_t bytes);
  void insert(Block* block);
  void remove(Block* block);
  Block* split(Block* block, size_t size);
  Block* merge(Block* front, Block* back);
  void release_arena(Arena* arena);
  void discard(Block* block);
  void discard_free(size_t target);  // until at most so many bytes are reserved

  uint64_t levels_ = 0;               // bit l: bins_[l] has a free block
  uint64_t bins_used_[kLevels] = {};  // bit s: bins_[l][s] has one
  Block* bins_[kLevels][kSubdivisions] = {};
  Arena* arenas_ = nullptr;
  size_t used_ = 0, peak_used_ = 0;
};

}  // namespace lamina

// The memory of one tape: blocks for what is allocated while it records.  A block that comes back
// meanwhile serves what is allocated later, so that replays, which run in the same order, need no
// allocator.  Once the tape is gone, a block goes back to the allocator when no array lies on it.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <unordered_map>

namespace lamina {

class Reserve {
 public:
  Reserve() = default;
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

  void* take(size_t bytes);
  void give(void* block) noexcept;

  void close();            // from now on, blocks that come back stay as they are
  void retire() noexcept;  // the tape is gone; the last block that comes back ends this
  bool owns(void* block);
  size_t bytes();

 private:
  struct Block {
    size_t bytes;
    bool used;
  };

  ~Reserve() = default;

  std::mutex lock_;
  bool open_ = true, retired_ = false;
  std::unordered_map<void*, Block> blocks_;
  std::multimap<size_t, void*> free_;
};

}  // namespace lamina

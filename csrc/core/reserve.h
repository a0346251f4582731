// The memory of one tape: blocks for what is allocated while it records.  A block that comes back
// meanwhile serves what is allocated later, so that replays, which run in the same order, need no
// allocator.  Blocks return to the system's cache when the tape and every array on them are gone.
#pragma once

#include <atomic>
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

  // Each block that is out holds a reference, and so does the tape.
  void* take(size_t bytes);
  void give(void* block) noexcept;
  void unref() noexcept;

  void close();  // from now on, blocks that come back stay as they are
  bool owns(void* block);
  size_t bytes();

 private:
  ~Reserve();

  std::atomic<int> references_{1};
  std::mutex lock_;
  bool open_ = true;
  std::unordered_map<void*, size_t> blocks_;
  std::multimap<size_t, void*> free_;
};

}  // namespace lamina

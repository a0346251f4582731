// What a kernel made of operands that stay the same from call to call, such as the packed weights of
// a network that only infers.  Whoever owns the operands owns one of these beside them, and makes a
// new one when they change.  Safe to use from several threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace lamina {

class Kept {
 public:
  // All that the kept form depends on besides the operands' values.
  struct Key {
    int64_t parts[6];
    bool operator==(const Key&) const = default;
  };

  Kept() = default;
  ~Kept();
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  const void* find(const Key& key);  // null where nothing is kept
  // Takes over a block of allocate(bytes).  Gives what is kept under the key from now on: the block,
  // or that of a thread that came first.
  const void* keep(const Key& key, void* block, size_t bytes);

 private:
  struct Entry {
    Key key;
    void* block;
    size_t bytes;
    Entry* next;
  };
  const Entry* entry(const Key& key) const;

  std::mutex lock_;
  Entry* first_ = nullptr;
};

}  // namespace lamina

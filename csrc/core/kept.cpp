#include "core/kept.h"

#include "core/memory.h"

namespace lamina {

Kept::~Kept() {
  while (Entry* entry = first_) {
    first_ = entry->next;
    deallocate(entry->block, entry->bytes);
    delete entry;
  }
}

const Kept::Entry* Kept::entry(const Key& key) const {
  const Entry* entry = first_;
  while (entry && !(entry->key == key)) entry = entry->next;
  return entry;
}

const void* Kept::find(const Key& key) {
  const std::lock_guard guard(lock_);
  const Entry* found = entry(key);
  return found ? found->block : nullptr;
}

const void* Kept::keep(const Key& key, void* block, size_t bytes) {
  const std::lock_guard guard(lock_);
  if (const Entry* found = entry(key)) {
    deallocate(block, bytes);
    return found->block;
  }
  first_ = new Entry{key, block, bytes, first_};
  return block;
}

}  // namespace lamina

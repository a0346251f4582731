// Memory from the system in huge pages: 2 MB aligned, so that one page fault and one TLB entry
// serve 2 MB. Not thread-safe; the allocator calls these under its lock.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

inline constexpr size_t kHugePage = size_t{2} << 20;

// Sizes are multiples of kHugePage; null or false: the system or the container has no more.
void* map_pages(size_t bytes);
void unmap_pages(void* pages, size_t bytes);
void* reserve_addresses(size_t bytes);         // that nothing may touch yet; they cost no memory
bool commit_pages(void* pages, size_t bytes);  // makes them usable
void release_addresses(void* begin, size_t bytes, size_t committed);
void discard_pages(void* pages, size_t bytes);  // gives the memory back, keeps the addresses
void undiscarded_pages(size_t bytes);  // tells that discarded pages are about to be written again
size_t reserved_bytes();               // mapped and not discarded
size_t memory_limit();                 // of the machine or, if less, of the container

}  // namespace lamina

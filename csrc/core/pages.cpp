#include "core/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "core/cores.h"

#ifdef __linux__
#include <sys/sysinfo.h>
#endif

namespace lamina {
namespace {

std::atomic<size_t> reserved{0};

size_t read_memory_limit() {
  size_t limit = SIZE_MAX;
#ifdef __linux__
  struct sysinfo info;
  if (sysinfo(&info) == 0) limit = (size_t{info.totalram} + info.totalswap) * info.mem_unit;
#endif
  const int64_t container = cgroup_memory_limit();
  return container > 0 ? std::min(limit, static_cast<size_t>(container)) : limit;
}

}  // namespace

size_t memory_limit() {
  static const size_t limit = read_memory_limit();
  return limit;
}

void* reserve_addresses(size_t bytes) {
  const size_t span = bytes + kHugePage;  // one page more, to align by cutting off both ends
  void* got = mmap(nullptr, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(got);
  const size_t head = (kHugePage - reinterpret_cast<uintptr_t>(got) % kHugePage) % kHugePage;
  if (head > 0) munmap(begin, head);
  munmap(begin + head + bytes, kHugePage - head);
  return begin + head;
}

bool commit_pages(void* pages, size_t bytes) {
  // Linux hands out more memory than it has, and kills who uses it: refuse what can never be
  // backed.
  if (bytes > memory_limit() - std::min(reserved_bytes(), memory_limit())) return false;
  if (mprotect(pages, bytes, PROT_READ | PROT_WRITE) != 0) return false;
#ifdef MADV_HUGEPAGE
  madvise(pages, bytes, MADV_HUGEPAGE);  // advice only: without huge pages it is merely slower
#endif
  reserved += bytes;
  return true;
}

void release_addresses(void* begin, size_t bytes, size_t committed) {
  munmap(begin, bytes);
  reserved -= committed;
}

void* map_pages(size_t bytes) {
  void* pages = reserve_addresses(bytes);
  if (pages && !commit_pages(pages, bytes)) {
    release_addresses(pages, bytes, 0);
    return nullptr;
  }
  return pages;
}

void unmap_pages(void* pages, size_t bytes) { release_addresses(pages, bytes, bytes); }

void discard_pages(void* pages, size_t bytes) {
  madvise(pages, bytes, MADV_DONTNEED);
  reserved -= bytes;
}

void undiscarded_pages(size_t bytes) { reserved += bytes; }

size_t reserved_bytes() { return reserved; }

}  // namespace lamina

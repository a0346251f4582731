// What AddressSanitizer and ThreadSanitizer must be told about fibers; nothing in other builds.
//
// Under ThreadSanitizer every emulated thread is a fiber of its own identity, and only barriers
// order what they do: two threads that touch one place without a barrier between them are reported,
// though they ran one after the other.  The emulator's own files are then built without it
// (LAMINA_EMULATE_TSAN tells them that the kernels are), so that its books are no races.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(LAMINA_EMULATE_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace lamina::cuda::emulate::sanitizer {

#if defined(LAMINA_EMULATE_TSAN)
inline constexpr bool kRaces = true;
inline constexpr unsigned kNoSync = 1;
inline void* this_fiber() { return __tsan_get_current_fiber(); }
inline void* new_fiber() { return __tsan_create_fiber(0); }
inline void delete_fiber(void* fiber) { __tsan_destroy_fiber(fiber); }
inline void acquire(void* place) { __tsan_acquire(place); }
inline void release(void* place) { __tsan_release(place); }
#else
inline constexpr bool kRaces = false;
inline void* this_fiber() { return nullptr; }
inline void* new_fiber() { return nullptr; }
inline void delete_fiber(void*) {}
inline void acquire(void*) {}
inline void release(void*) {}
#endif

inline void start_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* stack,
                         [[maybe_unused]] size_t size, [[maybe_unused]] void* identity) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, stack, size);
#elif defined(LAMINA_EMULATE_TSAN)
  __tsan_switch_to_fiber(identity, kNoSync);
#endif
}

inline void finish_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** from,
                          [[maybe_unused]] size_t* size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, from, size);
#endif
}

}  // namespace lamina::cuda::emulate::sanitizer

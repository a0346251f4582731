#include "core/scope.h"

#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace lamina {
namespace {

BlockingHooks hooks{};
thread_local KernelScope* innermost = nullptr;

#if defined(__SSE__)
constexpr unsigned kFlush = 0x8040;  // MXCSR: flush results to zero, read denormals as zero
unsigned read_control() { return _mm_getcsr(); }
void write_control(unsigned control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
constexpr unsigned kFlush = 1u << 24;  // FPCR.FZ
unsigned read_control() {
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return static_cast<unsigned>(control);
}
void write_control(unsigned control) {
  asm volatile("msr fpcr, %0" : : "r"(static_cast<uint64_t>(control)));
}
#else
constexpr unsigned kFlush = 0;
unsigned read_control() { return 0; }
void write_control(unsigned) {}
#endif

}  // namespace

void set_blocking_hooks(BlockingHooks installed) { hooks = installed; }

KernelScope::KernelScope() : outer_(innermost) {
  innermost = this;
  control_ = outer_ ? outer_->control_ : read_control();
  if ((control_ & kFlush) != kFlush && !outer_) write_control(control_ | kFlush);
}

KernelScope::~KernelScope() {
  innermost = outer_;
  if (outer_) return;
  // Flags that the work raised stay, as after ordinary arithmetic; only the flushing bits go back.
  if ((control_ & kFlush) != kFlush)
    write_control((read_control() & ~kFlush) | (control_ & kFlush));
  if (released_) hooks.acquire(released_);
}

void KernelScope::entering_long_work() {
  KernelScope* scope = innermost;
  if (scope == nullptr || hooks.release == nullptr) return;
  while (scope->outer_) scope = scope->outer_;
  if (!scope->released_) scope->released_ = hooks.release();
}

}  // namespace lamina

#include "cuda/emulate/fiber.h"

#include <sys/mman.h>

#include <new>

#include "cuda/emulate/sanitizer.h"

#if !defined(__x86_64__)
#error "LAMINA_CUDA=EMULATE switches stacks in x86-64 assembly; build with LAMINA_CUDA=OFF here"
#endif

// Saves what a call preserves on the stack left, and takes it from the stack that goes on.
extern "C" void lamina_switch_stack(void** left, void* next);
asm(R"(
.pushsection .text
.globl lamina_switch_stack
.hidden lamina_switch_stack
.type lamina_switch_stack, @function
lamina_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lamina_switch_stack, .-lamina_switch_stack
.popsection
)");

namespace lamina::cuda::emulate {
namespace {

constexpr size_t kStackBytes = 256 << 10, kGuardBytes = 4096;
constexpr int kSavedRegisters = 6;

Fiber* left = nullptr;  // the fiber that the switch under way comes from

}  // namespace

Fiber::Fiber() : identity_(sanitizer::this_fiber()) {}

Fiber::Fiber(void (*entry)()) : size_(kStackBytes), owned_(true) {
  stack_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0);
  if (stack_ == MAP_FAILED) throw std::bad_alloc();
  mprotect(stack_, kGuardBytes, PROT_NONE);  // an overflow faults instead of hitting a neighbour
  void** top = reinterpret_cast<void**>(static_cast<char*>(stack_) + size_) - 2;
  *top = reinterpret_cast<void*>(entry);
  stack_pointer_ = top - kSavedRegisters;
  identity_ = sanitizer::new_fiber();
}

Fiber::~Fiber() {
  if (!owned_) return;
  sanitizer::delete_fiber(identity_);
  munmap(stack_, size_);
}

void Fiber::switch_to(Fiber& other) {
  left = this;
  sanitizer::start_switch(&fake_stack_, other.stack_, other.size_, other.identity_);
  lamina_switch_stack(&stack_pointer_, other.stack_pointer_);
  const void* from;
  size_t size;
  sanitizer::finish_switch(fake_stack_, &from, &size);
}

void Fiber::arrived() {
  const void* from = nullptr;
  size_t size = 0;
  sanitizer::finish_switch(nullptr, &from, &size);
  if (!left->owned_) {  // now the sanitizer has said where the caller's own stack lies
    left->stack_ = const_cast<void*>(from);
    left->size_ = size;
  }
}

}  // namespace lamina::cuda::emulate

// Stacks that the emulated threads of a block run on, and the switch between them.
#pragma once

#include <cstddef>

namespace lamina::cuda::emulate {

class Fiber {
 public:
  Fiber();                          // stands for the stack of the caller
  explicit Fiber(void (*entry)());  // a stack of its own; `entry` never returns
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Leaves this fiber, on which the caller runs, for `other`; returns when somebody comes back.
  void switch_to(Fiber& other);
  // The first thing that a fiber's entry does: tells the sanitizers that the switch is over.
  static void arrived();

 private:
  void* stack_pointer_ = nullptr;
  void* stack_ = nullptr;
  size_t size_ = 0;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  void* identity_ = nullptr;    // ThreadSanitizer's
  bool owned_ = false;
};

}  // namespace lamina::cuda::emulate

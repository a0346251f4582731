// What surrounds one call of an op: denormals are flushed, and the interpreter lock (if the caller
// holds one) is released as soon as a kernel goes parallel, that is, has more than some 20
// microseconds of work.
#pragma once

namespace lamina {

// The bindings install these; without them a KernelScope only flushes denormals.
struct BlockingHooks {
  void* (*release)();      // gives up the interpreter lock; null if this thread does not hold it
  void (*acquire)(void*);  // takes it back
};
void set_blocking_hooks(BlockingHooks hooks);

class KernelScope {
 public:
  KernelScope();
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

  // Called by the pool before it goes parallel; releases the lock once per outermost scope of this
  // thread.
  static void entering_long_work();

 private:
  KernelScope* outer_;
  void* released_ = nullptr;
  unsigned control_;  // the caller's floating-point control word
};

}  // namespace lamina

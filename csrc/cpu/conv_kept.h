// What a pass makes of its weights before it uses them: in scratch memory, or kept from call to call
// where the weights stay the same (kernels::ConvEpilogue::kept).
#pragma once

#include "core/kept.h"
#include "core/memory.h"
#include "cpu/lanes.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// `elements` that make(first element) fills, or that an earlier call with the same key has filled.
template <class T>
class KeptWeights {
 public:
  template <class Make>
  KeptWeights(Kept* kept, const Kept::Key& key, int64_t elements, const Make& make)
      : scratch_(kept ? 0 : elements * sizeof(T)),
        data_(kept ? static_cast<const T*>(kept->find(key)) : nullptr) {
    if (data_) return;
    const size_t bytes = elements * sizeof(T);
    T* made = kept ? static_cast<T*>(allocate(bytes)) : scratch_.as<T>();
    make(made);
    data_ = kept ? static_cast<const T*>(kept->keep(key, made, bytes)) : made;
  }

  const T* data() const { return data_; }

 private:
  Scratch scratch_;
  const T* data_;
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA

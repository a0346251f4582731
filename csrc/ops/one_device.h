// Ops whose arrays must be on one device say so here.
#pragma once

#include <initializer_list>

#include "core/array.h"

namespace lamina::ops {

// Null stands for an array that was not given.
inline void check_one_device(const char* op, std::initializer_list<const Array*> arrays) {
  const Array* first = nullptr;
  for (const Array* a : arrays) {
    if (!a) continue;
    if (!first) first = a;
    check(a->device() == first->device(), "[", op, "] expected all arrays on one device, got ",
          name(first->device()), " and ", name(a->device()));
  }
}

}  // namespace lamina::ops

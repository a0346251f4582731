// Elements as unsigned integers in the same order (kernels/sort_key.inc).
#pragma once

#include "core/dtype.h"

#if !defined(LAMINA_ISA)
#error "cpu/sort_key.h belongs to files that are compiled per instruction set"
#endif

namespace lamina::cpu::LAMINA_ISA {

#include "kernels/sort_key.inc"

}  // namespace lamina::cpu::LAMINA_ISA

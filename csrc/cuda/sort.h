// Sorting for kernels of other families.
#pragma once

#include "kernels/sort.h"

namespace lamina::cuda {

void sort_rows(const kernels::Sorted& s);  // as kernels::Sort::sort, on the active device

}  // namespace lamina::cuda

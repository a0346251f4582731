// How an emulated thread gives way.
#pragma once

#include "cuda/emulate/block.h"

namespace lamina::cuda::emulate {

void suspend(Wait kind, const char* op);  // until the scheduler finds that the wait is over
void give_up(const char* why);            // ends the launch with an error; never comes back

}  // namespace lamina::cuda::emulate

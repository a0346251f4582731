// What stands between kernels::on<Contract>() and the kernels while a thread records.
#pragma once

#include "core/device.h"

namespace lamina::kernels {

// The kernels of the CPU themselves; cpu_table() gives them unless this thread records.
template <class Contract>
const Contract& selected_table();

// Kernels of the CPU that also leave their calls on the tape of the thread that records.
template <class Contract>
const Contract& recorded_table();

void refuse_device(Device device);  // throws where this thread records: tapes are of the CPU

}  // namespace lamina::kernels

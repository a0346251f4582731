// What stands between kernels::on<Contract>() and the kernels while a thread records.
#pragma once

#include "core/device.h"

namespace lamina::kernels {

// The kernels themselves; on() gives them unless this thread records.  For CUDA, makes the device the
// one that they run on, and throws where it has none.
template <class Contract>
const Contract& cpu_kernels();
template <class Contract>
const Contract& cuda_kernels(Device device);
template <class Contract>
const Contract& kernels_of(Device device) {
  return device.type == DeviceType::cpu ? cpu_kernels<Contract>() : cuda_kernels<Contract>(device);
}

// Those of the device that also leave their calls on the tape of the thread that records, until it
// asks for another device's.
template <class Contract>
const Contract& recorded_table(Device device);

}  // namespace lamina::kernels

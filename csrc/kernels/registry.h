// From a contract to the implementation that serves a device.
//
// A contract is a struct of function pointers in kernels/<op>.h.  Each room that offers it defines
// one constant table: cpu/<op>.cpp, compiled once per instruction set, ends in
// LAMINA_CPU_KERNELS(Pool, pool){&max_forward, ...};  cuda/<op>.cu in LAMINA_CUDA_KERNELS likewise.
#pragma once

#include "core/device.h"

namespace lamina::kernels {

// On the instruction set that was selected at load.
template <class Contract>
const Contract& cpu_table();

// Makes the device the one that kernels run on.  Throws NotImplementedError where the contract has
// no kernels for CUDA.
template <class Contract>
const Contract& cuda_table(Device device);

template <class Contract>
const Contract& on(Device device) {
  return device.type == DeviceType::cpu ? cpu_table<Contract>() : cuda_table<Contract>(device);
}

}  // namespace lamina::kernels

// Defines the table `stem` in the current instruction set's namespace.
#define LAMINA_CPU_KERNELS(Contract, stem)       \
  extern const ::lamina::kernels::Contract stem; \
  constinit const ::lamina::kernels::Contract stem

// Defines the table of CUDA devices.
#define LAMINA_CUDA_KERNELS(Contract, stem)      \
  extern const ::lamina::kernels::Contract stem; \
  constinit const ::lamina::kernels::Contract stem

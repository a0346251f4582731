// From a contract to the implementation that serves a device.
//
// A contract is a struct of function pointers in kernels/<op>.h.  Each room that offers it defines
// one constant table: cpu/<op>.cpp, compiled once per instruction set, ends in
// LAMINA_CPU_KERNELS(Pool, pool){&max_forward, ...};
#pragma once

#include "core/device.h"

namespace lamina::kernels {

// The table of the device, on the instruction set that was selected at load; throws where the
// device has none.
template <class Contract>
const Contract& on(Device device);

}  // namespace lamina::kernels

// Defines the table `stem` in the current instruction set's namespace.
#define LAMINA_CPU_KERNELS(Contract, stem)       \
  extern const ::lamina::kernels::Contract stem; \
  constinit const ::lamina::kernels::Contract stem

// Picks the table of every contract for the instruction set that was selected at load.
#include "core/isa.h"

#include "core/check.h"
#include "kernels/all.h"
#include "kernels/registry.h"

#define LAMINA_BINDINGS(stem)

namespace lamina::cpu {

#define LAMINA_KERNELS(Contract, stem) extern const kernels::Contract stem;
namespace baseline {
#include "kernels/list.inc"
}
namespace avx2 {
#include "kernels/list.inc"
}
namespace avx512 {
#include "kernels/list.inc"
}
#undef LAMINA_KERNELS

namespace {

template <class Contract>
const Contract& select(const Contract& baseline, [[maybe_unused]] const Contract* avx2,
                       [[maybe_unused]] const Contract* avx512) {
  switch (selected_isa()) {
    case Isa::avx512: return *avx512;
    case Isa::avx2: return *avx2;
    case Isa::baseline: break;
  }
  return baseline;
}

}  // namespace
}  // namespace lamina::cpu

namespace lamina::kernels {

#ifdef LAMINA_X86
#define LAMINA_TABLES(stem) cpu::baseline::stem, &cpu::avx2::stem, &cpu::avx512::stem
#else
#define LAMINA_TABLES(stem) cpu::baseline::stem, nullptr, nullptr
#endif

#define LAMINA_KERNELS(Contract, stem)                                                       \
  template <>                                                                                \
  const Contract& on<Contract>(Device device) {                                              \
    check<RuntimeError>(device.type == DeviceType::cpu, "[" #stem "] has no kernel on device ", \
                        name(device));                                                       \
    static const Contract& table = cpu::select(LAMINA_TABLES(stem));                         \
    return table;                                                                            \
  }
#include "kernels/list.inc"

}  // namespace lamina::kernels

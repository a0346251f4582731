// Picks the table of every contract for the instruction set that was selected at load.
#include "core/isa.h"

#include <initializer_list>

#include "core/check.h"
#include "core/recording.h"
#include "kernels/all.h"
#include "kernels/recorded.h"
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

// The best table that this build has, up to the selected instruction set.
template <class Contract>
const Contract& select(std::initializer_list<const Contract*> tables) {
  const Contract* best = nullptr;
  auto isa = static_cast<int>(Isa::baseline);
  for (const Contract* table : tables)
    if (isa++ <= static_cast<int>(selected_isa()) && table) best = table;
  check<RuntimeError>(best, "this build has no kernels for the instruction set ",
                      name(selected_isa()));
  return *best;
}

}  // namespace
}  // namespace lamina::cpu

namespace lamina::kernels {

// LAMINA_HAS_<ISA> comes from CMake's LAMINA_ISAS, which lists the instruction sets to build.
#ifdef LAMINA_HAS_BASELINE
#define LAMINA_BASELINE(stem) &cpu::baseline::stem
#else
#define LAMINA_BASELINE(stem) nullptr
#endif
#ifdef LAMINA_HAS_AVX2
#define LAMINA_AVX2(stem) &cpu::avx2::stem
#else
#define LAMINA_AVX2(stem) nullptr
#endif
#ifdef LAMINA_HAS_AVX512
#define LAMINA_AVX512(stem) &cpu::avx512::stem
#else
#define LAMINA_AVX512(stem) nullptr
#endif

#define LAMINA_KERNELS(Contract, stem)                                                          \
  template <>                                                                                   \
  const Contract& cpu_kernels<Contract>() {                                                     \
    static const Contract& table =                                                              \
        cpu::select<Contract>({LAMINA_BASELINE(stem), LAMINA_AVX2(stem), LAMINA_AVX512(stem)}); \
    return table;                                                                               \
  }                                                                                             \
  template <>                                                                                   \
  const Contract& cpu_table<Contract>() {                                                       \
    return recording() ? recorded_table<Contract>(Device{}) : cpu_kernels<Contract>();          \
  }
#include "kernels/list.inc"

}  // namespace lamina::kernels

#include "core/isa.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "core/check.h"

namespace lamina {
namespace {

// __builtin_cpu_supports asks CPUID for the feature and XGETBV for the registers that the system
// saves.
Isa best_of_processor() {
#ifdef __x86_64__
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx2 && avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa cap() {
  const char* text = std::getenv("LAMINA_MAX_ISA");
  if (text == nullptr || *text == '\0') return Isa::avx512;
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (std::string_view(text) == name(isa)) return isa;
  fail("[LAMINA_MAX_ISA] expected baseline, avx2 or avx512, got '", text, "'");
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::baseline:
      return "baseline";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  __builtin_unreachable();
}

Isa available_isa() {
  static const Isa isa = best_of_processor();
  return isa;
}

Isa selected_isa() {
  static const Isa isa = std::min(available_isa(), cap());
  return isa;
}

}  // namespace lamina

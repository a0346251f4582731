// Which instruction set the kernels run on: the best the processor has, capped by LAMINA_MAX_ISA.
#pragma once

namespace lamina {

enum class Isa { baseline, avx2, avx512 };

Isa available_isa();  // the best that the processor and the system offer
Isa selected_isa();   // fixed at the first call; throws std::invalid_argument on a bad
                      // LAMINA_MAX_ISA
const char* name(Isa isa);

}  // namespace lamina

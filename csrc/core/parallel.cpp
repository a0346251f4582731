#include "core/parallel.h"

#include <algorithm>

namespace lamina {

void run_chunks(int64_t n, int64_t grain, RangeFunction function, const void* context) {
  for (int64_t begin = 0; begin < n; begin += grain)
    function(context, begin, std::min(begin + grain, n));
}

int num_threads() { return 1; }
void set_num_threads(int) {}
int available_cores() { return 1; }

}  // namespace lamina

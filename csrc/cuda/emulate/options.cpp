#include "cuda/emulate/options.h"

#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace lamina::cuda::emulate {
namespace {

int choice(const char* variable, std::initializer_list<const char*> names) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return 0;
  int i = 0;
  std::string list;
  for (const char* name : names) {
    if (std::string(name) == value) return i;
    list += (i++ ? ", " : "") + std::string(name);
  }
  throw std::invalid_argument(std::string(variable) + ": expected one of " + list + ", got " +
                              value);
}

unsigned long number(const char* variable, unsigned long otherwise) {
  const char* value = std::getenv(variable);
  if (!value || !*value) return otherwise;
  char* end;
  errno = 0;
  const unsigned long n = std::strtoul(value, &end, 10);
  if (*end || errno || *value == '-')
    throw std::invalid_argument(std::string(variable) + ": expected a number, got " + value);
  return n;
}

Options read() {
  return {static_cast<Order>(choice("LAMINA_EMULATE_ORDER", {"forward", "reverse", "shuffled"})),
          static_cast<unsigned>(number("LAMINA_EMULATE_SEED", 1)),
          choice("LAMINA_EMULATE_COPIES", {"late", "early"}) == 1,
          static_cast<int>(number("LAMINA_EMULATE_DEVICES", 2)),
          number("LAMINA_EMULATE_MEMORY", 1UL << 30),
          static_cast<int>(number("LAMINA_EMULATE_DRIVER", kRuntimeVersion))};
}

}  // namespace

const Options& options() {
  static const Options read_once = read();
  return read_once;
}

}  // namespace lamina::cuda::emulate

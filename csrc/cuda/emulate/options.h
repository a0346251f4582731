// How the emulator chooses among what a device may do, from the environment:
//   LAMINA_EMULATE_ORDER    forward (default), reverse or shuffled: in which order threads run
//   LAMINA_EMULATE_SEED     of the shuffle
//   LAMINA_EMULATE_COPIES   late (default) or early: when an asynchronous copy lands
//   LAMINA_EMULATE_DEVICES  how many devices there are; default 2
//   LAMINA_EMULATE_MEMORY   bytes of each; default 1 GB
//   LAMINA_EMULATE_DRIVER   the CUDA version that the driver offers, as 12040 for 12.4; 0: no driver;
//                           default: what the build needs
#pragma once

#include <cstddef>

namespace lamina::cuda::emulate {

enum class Order { forward, reverse, shuffled };

inline constexpr int kRuntimeVersion = 13000;

struct Options {
  Order order;
  unsigned seed;
  bool early_copies;
  int devices;
  size_t memory;
  int driver;
};

const Options& options();  // read at the first call; throws std::invalid_argument on nonsense

}  // namespace lamina::cuda::emulate

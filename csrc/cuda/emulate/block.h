// The emulated block: its threads, what they wait for, and its shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/emulate/mbarrier.h"
#include "cuda/emulate/types.h"
#include "cuda/emulate/wgmma.h"

struct CUstream_st;

namespace lamina::cuda::emulate {

inline constexpr unsigned kWarp = 32, kMaxWarps = 32;
inline constexpr int kMultiprocessors = 4;         // of a device
inline constexpr size_t kMostShared = 227 * 1024;  // bytes of a block

class Fiber;
struct Block;

// One launch.
struct Grid {
  dim3 grid, block;
  size_t dynamic_shared;
  bool cooperative;                // all blocks are there at once
  void (*entry)(void* arguments);  // calls the kernel
  void* arguments;
};

// An asynchronous copy to shared memory: bytes past `valid` become zero.
struct Copy {
  void* to;
  const void* from;
  unsigned bytes, valid, group;
};

// A bulk copy to shared memory, in flight.
struct BoxCopy {
  char* to;
  CUtensorMap map;
  uint64_t* barrier;
  BoxPlace at;
};

enum class Wait : uint8_t { nothing, block_barrier, grid_barrier, warp, mbarrier, done };

struct Thread {
  uint3 index;
  unsigned linear, lane;
  Block* block;
  Fiber* fiber = nullptr;
  Wait wait = Wait::nothing;
  const char* op = "";            // the operation that it waits in,
  unsigned mask = 0;              // its lanes
  void* operand = nullptr;        // and what it brings
  std::vector<Copy> copies;       // in flight
  unsigned group = 0;             // that the next copies join
  bool unfenced = false;          // copies have landed that the async proxy may not see
  std::vector<Product> products;  // started
  unsigned product_group = 0;     // that the next products join
  bool products_begun = false;
};

struct SharedArray {
  const void* key;
  void* data;
};

struct Block {
  const Grid* grid;
  uint3 index;
  unsigned live;               // threads that are not done
  unsigned barriers = 0;       // passed: the block's own,
  unsigned grid_barriers = 0;  // and the grid's
  // Addresses that ThreadSanitizer hangs the order of barriers on: those of the block, in turn, and
  // of its warps.
  char order[2], warp_orders[kMaxWarps];
  std::vector<Thread> threads;
  std::vector<SharedArray> shared;
  std::vector<BoxCopy> boxes;  // in flight

  Block(const Grid& launched, unsigned position);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  char* warp_order(unsigned warp) { return warp_orders + warp; }
};

extern Thread* current;  // the thread that runs
int current_lane();

// Runs a launch to its end; throws std::runtime_error where it never ends or may not be launched.
void run(const Grid& grid);
// How many blocks like these an emulated multiprocessor holds at once.
int resident_blocks(unsigned threads, size_t dynamic_shared);
// Whether the stream captures; its graph then gets the launch, with a copy of its arguments (graph.cpp).
bool capture_launch(CUstream_st* stream, const Grid& grid, size_t argument_bytes);

// ---- called by emulated threads

void barrier(Wait kind, const char* op);
// A place that every thread of the block sees, which starts poisoned.
void* shared_array(const void* key, size_t bytes);
void* dynamic_shared_array();

// An operation of the lanes in `mask`: the last of them to arrive runs
// f(operands, mask, context) for all, operands[lane] being what each brought.
using Collective = void (*)(void* const (&operands)[kWarp], unsigned mask, const void* context);
void collective(const char* op, unsigned mask, void* operand, Collective f,
                const void* context = nullptr);
void synchronize_warp(unsigned mask);
unsigned ballot(unsigned mask, bool set);
void fence();  // orders for ThreadSanitizer what comes before it in one thread and after in another
// Replaces `value`, of `bytes`, by that of lane `from`.
void exchange(const char* op, unsigned mask, void* value, size_t bytes, unsigned from);

void copy_async(void* to, const void* from, unsigned bytes, unsigned valid);
void commit_copies();
void wait_copies(unsigned groups_in_flight);

}  // namespace lamina::cuda::emulate

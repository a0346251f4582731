// Each warp makes its 16 rows of a product, when its last lane comes: as soon as the product is
// started (early), or when it is waited for (late).
#include "cuda/emulate/wgmma.h"

#include <cstring>
#include <vector>

#include "core/half.h"
#include "cuda/emulate/block.h"
#include "cuda/emulate/options.h"
#include "cuda/emulate/sanitizer.h"
#include "cuda/emulate/scheduler.h"

namespace lamina::cuda::emulate {
namespace {

constexpr unsigned kAllLanes = ~0u;
constexpr int kDepth = 16, kMostSides = 256;

// An operand's elements in shared memory, whose address bits 4 to 6 are mixed with 7 to 9.
class Operand {
 public:
  Operand(uint64_t descriptor, bool along_side, bool bfloat16)
      : start_((descriptor & 0x3fff) << 4),
        leading_((descriptor >> 16 & 0x3fff) << 4),
        stride_((descriptor >> 32 & 0x3fff) << 4),
        along_side_(along_side),
        bfloat16_(bfloat16),
        data_(static_cast<const char*>(dynamic_shared_array())),
        size_(current->block->grid->dynamic_shared) {
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0)
      give_up("a tile's description is not of the 128-byte swizzle");
    if (start_ & 0x380) give_up("a tile is not aligned to the 1024 bytes of its swizzle");
  }

  float at(int side, int depth) const {
    size_t address = start_;
    if (along_side_)  // ((64, panels), (8, 2)) : ((1, leading), (128 bytes, stride))
      address += static_cast<size_t>(side / 64) * leading_ + static_cast<size_t>(side % 64) * 2 +
                 static_cast<size_t>(depth / 8) * stride_ + static_cast<size_t>(depth % 8) * 128;
    else  // ((8, groups), 16) : ((128 bytes, stride), 1)
      address += static_cast<size_t>(side / 8) * stride_ + static_cast<size_t>(side % 8) * 128 +
                 static_cast<size_t>(depth) * 2;
    address ^= address >> 3 & 0x70;
    if (address + 2 > size_) give_up("tensor cores read past the end of shared memory");
    float16 half;
    std::memcpy(&half.bits, data_ + address, 2);
    return bfloat16_ ? bits_float(uint32_t{half.bits} << 16) : static_cast<float>(half);
  }

 private:
  size_t start_, leading_, stride_;
  bool along_side_, bfloat16_;
  const char* data_;
  size_t size_;
};

// Product i of the queues of a warp's lanes.
void multiply(void* const (&lanes)[kWarp], size_t i) {
  const Thread& first = *static_cast<const Thread*>(lanes[0]);
  const Product& p = first.products[i];
  const Operand a(p.a, p.a_along_side, p.bfloat16), b(p.b, p.b_along_side, p.bfloat16);
  const int row0 = static_cast<int>(first.linear / kWarp % 4) * 16;
  float a_tile[16][kDepth], b_tile[kDepth][kMostSides], sums[16][kMostSides];
  for (int depth = 0; depth < kDepth; ++depth) {
    for (int row = 0; row < 16; ++row) a_tile[row][depth] = a.at(row0 + row, depth);
    for (int column = 0; column < p.columns; ++column) b_tile[depth][column] = b.at(column, depth);
  }
  for (int row = 0; row < 16; ++row) {
    std::memset(sums[row], 0, sizeof sums[row]);
    for (int depth = 0; depth < kDepth; ++depth)
      for (int column = 0; column < p.columns; ++column)
        sums[row][column] += a_tile[row][depth] * b_tile[depth][column];
  }
  for (int lane = 0; lane < static_cast<int>(kWarp); ++lane) {
    float* d = static_cast<const Thread*>(lanes[lane])->products[i].d;
    for (int e = 0; e < p.columns / 2; ++e)
      d[e] += sums[lane / 4 + e / 2 % 2 * 8][e / 4 * 8 + lane % 4 * 2 + e % 2];
  }
}

// Finishes what the lanes have started, but for the last groups.
void finish(void* const (&lanes)[kWarp], unsigned, const void* context) {
  const unsigned left = *static_cast<const unsigned*>(context);
  const Thread& first = *static_cast<const Thread*>(lanes[0]);
  size_t due = 0;
  while (due < first.products.size() && first.products[due].group + left < first.product_group)
    multiply(lanes, due++);
  for (void* lane : lanes) {
    auto& products = static_cast<Thread*>(lane)->products;
    products.erase(products.begin(), products.begin() + static_cast<std::ptrdiff_t>(due));
  }
}

void start(void* const (&lanes)[kWarp], unsigned, const void* product) {
  if (!options().early_copies) return;
  static_cast<void>(product);
  multiply(lanes, static_cast<const Thread*>(lanes[0])->products.size() - 1);
  for (void* lane : lanes) static_cast<Thread*>(lane)->products.pop_back();
}

}  // namespace

unsigned shared_address(const void* shared) {
  const auto offset =
      static_cast<const char*>(shared) - static_cast<const char*>(dynamic_shared_array());
  if (offset < 0 || static_cast<size_t>(offset) >= current->block->grid->dynamic_shared)
    give_up("tensor cores are given a tile outside dynamic shared memory");
  return static_cast<unsigned>(offset);
}

void begin_products() { current->products_begun = true; }

void start_product(const Product& product) {
  const sanitizer::Unseen unseen;
  if (!current->products_begun) give_up("a product starts without begin_products()");
  current->products.push_back(product);
  current->products.back().group = current->product_group;
  collective("wgmma", kAllLanes, current, &start);
}

void commit_products() {
  ++current->product_group;
  current->products_begun = false;
}

void wait_products(unsigned groups_under_way) {
  const sanitizer::Unseen unseen;
  collective("wgmma.wait_group", kAllLanes, current, &finish, &groups_under_way);
}

}  // namespace lamina::cuda::emulate

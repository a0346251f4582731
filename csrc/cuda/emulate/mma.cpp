#include "cuda/emulate/mma.h"

#include <cstring>

#include "core/half.h"
#include "cuda/emulate/block.h"
#include "cuda/emulate/sanitizer.h"

namespace lamina::cuda::emulate {
namespace {

constexpr unsigned kAllLanes = ~0u;

struct Operands {
  float (&d)[4];
  const uint32_t (&a)[4];
  const uint32_t (&b)[2];
};

// Element i of registers that hold one float, of which tensor cores drop the low 13 bits, or two
// 16-bit floats.
float element(MmaType type, const uint32_t* registers, int i) {
  if (type == MmaType::tf32) return bits_float(registers[i] & ~0x1fffu);
  const auto bits = static_cast<uint16_t>(registers[i / 2] >> i % 2 * 16);
  if (type == MmaType::bf16) return bits_float(uint32_t{bits} << 16);
  float16 half;
  half.bits = bits;
  return half;
}

// With `in` elements a register: element i of a lane's A is in row lane / 4, eight down in odd
// registers, and in column in * (lane % 4), half of k on in the last two; B likewise without rows.
void multiply(void* const (&operands)[kWarp], unsigned, const void* context) {
  const MmaType type = *static_cast<const MmaType*>(context);
  const int in = type == MmaType::tf32 ? 1 : 2, depth = 8 * in;
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const Operands& mine = *static_cast<const Operands*>(operands[lane]);
    for (int i = 0; i < 4 * in; ++i)
      a[lane / 4 + i / in % 2 * 8][lane % 4 * in + i % in + i / in / 2 * depth / 2] =
          element(type, mine.a, i);
    for (int i = 0; i < 2 * in; ++i)
      b[lane % 4 * in + i % in + i / in * depth / 2][lane / 4] = element(type, mine.b, i);
  }
  for (int lane = 0; lane < 32; ++lane) {
    const Operands& mine = *static_cast<const Operands*>(operands[lane]);
    for (int i = 0; i < 4; ++i) {
      float sum = 0;
      for (int k = 0; k < depth; ++k)
        sum += a[lane / 4 + i / 2 * 8][k] * b[k][lane % 4 * 2 + i % 2];
      mine.d[i] += sum;
    }
  }
}

struct Rows {
  uint32_t (&to)[4];
  const void* row;
};

void load(void* const (&operands)[kWarp], unsigned, const void* context) {
  const bool transposed = *static_cast<const bool*>(context);
  uint16_t matrix[4][8][8];
  for (int lane = 0; lane < 32; ++lane)
    std::memcpy(matrix[lane / 8][lane % 8], static_cast<const Rows*>(operands[lane])->row, 16);
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      uint32_t both = 0;
      for (int e = 0; e < 2; ++e) {
        const int row = lane / 4, column = lane % 4 * 2 + e;
        both |= uint32_t{transposed ? matrix[i][column][row] : matrix[i][row][column]} << e * 16;
      }
      static_cast<const Rows*>(operands[lane])->to[i] = both;
    }
}

}  // namespace

void mma(MmaType type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const sanitizer::Unseen unseen;
  Operands mine{d, a, b};
  collective("mma", kAllLanes, &mine, &multiply, &type);
}

void load_matrices(uint32_t (&to)[4], const void* row, bool transposed) {
  const sanitizer::Unseen unseen;
  Rows mine{to, row};
  collective(transposed ? "ldmatrix.trans" : "ldmatrix", kAllLanes, &mine, &load, &transposed);
}

}  // namespace lamina::cuda::emulate

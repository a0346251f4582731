#include "ops/matmul.h"

#include <optional>

#include "kernels/matmul.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/loop.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

void check_operands(const Array& a, const Array& b, const char* op) {
  check<TypeError>(a.dtype() == b.dtype() && a.dtype() != DType::boolean, "[", op,
                   "] expected operands of one dtype other than bool, got ", name(a.dtype()),
                   " and ", name(b.dtype()));
  check(a.device() == b.device(), "[", op, "] expected operands on one device, got ",
        name(a.device()), " and ", name(b.device()));
}

void check_rank(const Array& a, int rank, const char* which, const char* op) {
  check(a.rank() == rank, "[", op, "] expected ", which, " of ", rank, " dimensions, got shape ",
        a.shape());
}

Array swap_last(const Array& a, bool swap) {
  return swap ? transpose(a, a.rank() - 2, a.rank() - 1) : a;
}

Dims without_last(const Dims& shape, int count) {
  return Dims(std::span(shape.begin(), static_cast<size_t>(shape.size() - count)));
}

// (..., m, k) seen as (rows, k), if the leading dimensions and m lie at one stride.
std::optional<Array> fold_rows(const Array& a) {
  int64_t rows = 1, stride = 0;
  for (int d = a.rank() - 2; d >= 0; --d) {
    if (a.size(d) == 1) continue;
    if (rows == 1)
      stride = a.strides()[d];
    else if (a.strides()[d] != stride * rows)
      return std::nullopt;
    rows *= a.size(d);
  }
  const int last = a.rank() - 1;
  return a.view({rows, a.size(last)}, {stride, a.strides()[last]}, a.offset());
}

// out (batch..., m, n) = init + a (batch..., m, k) b (batch..., k, n); batches broadcast to that of
// out.
void run(const Array& a, const Array& b, const Array* init, const Array& out) {
  const int rank = out.rank();
  kernels::MatrixProduct p;
  p.dtype = out.dtype();
  p.m = out.size(rank - 2);
  p.n = out.size(rank - 1);
  p.k = a.size(a.rank() - 1);
  p.c_row = p.n;
  p.a_row = a.strides()[a.rank() - 2];
  p.a_col = a.strides()[a.rank() - 1];
  p.b_row = b.strides()[b.rank() - 2];
  p.b_col = b.strides()[b.rank() - 1];
  p.init_row = p.init_col = 0;
  std::optional<Array> copy;
  Dims init_strides = Dims::filled(rank, 0);
  if (init) {
    init_strides = broadcast_strides(*init, out.shape());
    if (init_strides.back() != 0 && init_strides.back() != 1) {
      init = &copy.emplace(contiguous(*init));
      init_strides = broadcast_strides(*init, out.shape());
    }
    p.init_row = init_strides[rank - 2];
    p.init_col = init_strides[rank - 1];
  }
  void* data[4] = {out.raw(), a.raw(), b.raw(), init ? init->raw() : nullptr};
  if (rank == 2) {
    p.batch.rank = 1;
    p.batch.shape[0] = 1;
    for (int o = 0; o < 4; ++o) {
      p.batch.strides[o][0] = 0;
      p.batch.data[o] = data[o];
    }
  } else {
    const Dims batch = without_last(out.shape(), 2);
    const auto leading = [&](const Array& x) {
      return broadcast_strides(x.view(without_last(x.shape(), 2), without_last(x.strides(), 2), 0),
                               batch);
    };
    p.batch = make_loop<4>(batch, {{{data[0], without_last(out.strides(), 2)},
                                    {data[1], leading(a)},
                                    {data[2], leading(b)},
                                    {data[3], without_last(init_strides, 2)}}});
  }
  kernels::on<kernels::Matmul>(out.device()).multiply(p);
}

// init + a b for operands of at least two dimensions.
Array multiply(Array a, Array b, std::optional<Array> init, const char* op) {
  const int64_t m = a.size(a.rank() - 2), k = a.size(a.rank() - 1), n = b.size(b.rank() - 1);
  check(b.size(b.rank() - 2) == k, "[", op, "] expected inner sizes that agree, got ", a.shape(),
        " and ", b.shape());
  Dims shape = a.rank() == 2 && b.rank() == 2
                   ? Dims{}
                   : broadcast_shapes(without_last(a.shape(), 2), without_last(b.shape(), 2), op);
  shape.push_back(m);
  shape.push_back(n);
  const DType dtype = a.dtype();
  // Tensor cores multiply 16-bit floats as they are.
  const bool half =
      is_floating(dtype) && itemsize(dtype) == 2 && a.device().type == DeviceType::cpu;
  if (half) {
    a = cast(a, DType::float32);
    b = cast(b, DType::float32);
  }
  if (init) {
    check<TypeError>(init->dtype() == dtype, "[", op, "] expected the added term in ", name(dtype),
                     ", got ", name(init->dtype()));
    check(init->device() == a.device(), "[", op, "] expected the added term on ", name(a.device()),
          ", got ", name(init->device()));
    check(broadcast_shapes(init->shape(), shape, op) == shape, "[", op,
          "] expected an added term that broadcasts to ", shape, ", got ", init->shape());
    if (half) init = cast(*init, DType::float32);
  }
  const Array out = Array::empty(shape, half ? DType::float32 : dtype, a.device(), op);
  if (out.numel() > 0) {
    // One matrix of all rows multiplies faster than a batch of few.
    const bool one_b = b.rank() == 2 && a.rank() > 2 && (!init || init->rank() < 2);
    const std::optional<Array> folded = one_b ? fold_rows(a) : std::nullopt;
    if (folded)
      run(*folded, b, init ? &*init : nullptr,
          out.view({out.numel() / n, n}, {n, 1}, out.offset()));
    else
      run(a, b, init ? &*init : nullptr, out);
  }
  return half ? cast(out, dtype) : out;
}

}  // namespace

Array matmul(const Array& a, const Array& b, bool transpose_a, bool transpose_b) {
  check(a.rank() > 0 && b.rank() > 0,
        "[matmul] expected operands of at least one dimension, got shapes ", a.shape(), " and ",
        b.shape());
  check_operands(a, b, "matmul");
  const bool row = a.rank() == 1, column = b.rank() == 1;
  const Array product =
      multiply(row ? unsqueeze(a, 0) : swap_last(a, transpose_a),
               column ? unsqueeze(b, 1) : swap_last(b, transpose_b), std::nullopt, "matmul");
  if (!row && !column) return product;
  Dims shape = product.shape();
  if (column) shape.erase(shape.size() - 1);
  if (row) shape.erase(shape.size() - (column ? 1 : 2));
  return product.view(shape, contiguous_strides(shape), product.offset());
}

Array mm(const Array& a, const Array& b) {
  check_rank(a, 2, "a first operand", "mm");
  check_rank(b, 2, "a second operand", "mm");
  check_operands(a, b, "mm");
  return multiply(a, b, std::nullopt, "mm");
}

Array bmm(const Array& a, const Array& b) {
  check_rank(a, 3, "a first operand", "bmm");
  check_rank(b, 3, "a second operand", "bmm");
  check(a.size(0) == b.size(0), "[bmm] expected batches of one size, got ", a.shape(), " and ",
        b.shape());
  check_operands(a, b, "bmm");
  return multiply(a, b, std::nullopt, "bmm");
}

Array mv(const Array& a, const Array& x) {
  check_rank(a, 2, "a matrix", "mv");
  check_rank(x, 1, "a vector", "mv");
  check_operands(a, x, "mv");
  return squeeze(multiply(a, unsqueeze(x, 1), std::nullopt, "mv"), Dims{1});
}

Array dot(const Array& x, const Array& y) {
  check_rank(x, 1, "a first vector", "dot");
  check_rank(y, 1, "a second vector", "dot");
  check_operands(x, y, "dot");
  return squeeze(multiply(unsqueeze(x, 0), unsqueeze(y, 1), std::nullopt, "dot"), std::nullopt);
}

Array addmm(const Array& input, const Array& a, const Array& b) {
  check_rank(a, 2, "a first matrix", "addmm");
  check_rank(b, 2, "a second matrix", "addmm");
  check_operands(a, b, "addmm");
  return multiply(a, b, input, "addmm");
}

Array baddbmm(const Array& input, const Array& a, const Array& b) {
  check_rank(a, 3, "a first operand", "baddbmm");
  check_rank(b, 3, "a second operand", "baddbmm");
  check(a.size(0) == b.size(0), "[baddbmm] expected batches of one size, got ", a.shape(), " and ",
        b.shape());
  check_operands(a, b, "baddbmm");
  return multiply(a, b, input, "baddbmm");
}

Array linear(const Array& x, const Array& weight, const Array* bias) {
  check(x.rank() > 0, "[linear] expected an input of at least one dimension, got a number");
  check_rank(weight, 2, "a weight", "linear");
  check_operands(x, weight, "linear");
  check(x.shape().back() == weight.size(1), "[linear] expected ", weight.size(1),
        " input features, as in weight ", weight.shape(), ", got input ", x.shape());
  if (bias)
    check(bias->rank() == 1 && bias->size(0) == weight.size(0),
          "[linear] expected a bias of shape (", weight.size(0), "), as weight ", weight.shape(),
          " has it, got ", bias->shape());
  const Array product = multiply(x.rank() == 1 ? unsqueeze(x, 0) : x, transpose(weight, 0, 1),
                                 bias ? std::optional(*bias) : std::nullopt, "linear");
  return x.rank() == 1 ? squeeze(product, Dims{0}) : product;
}

int64_t multiply_registers(DType dtype, int64_t rounds) {
  check<TypeError>(dtype == DType::float32 || dtype == DType::float64,
                   "[multiply_registers] expected float32 or float64, got ", name(dtype));
  return kernels::on<kernels::Matmul>(Device{}).multiply_registers(dtype, rounds);
}

}  // namespace lamina::ops

#include "ops/rnn.h"

#include "kernels/registry.h"
#include "kernels/rnn.h"
#include "ops/channel_layout.h"

namespace lamina::ops {
namespace {

using kernels::RnnCell;
using kernels::RnnShape;

int gates_of(RnnCell cell) { return cell == RnnCell::lstm ? 4 : cell == RnnCell::gru ? 3 : 1; }

// A checked call, its arrays packed.
struct Prepared {
  RnnShape shape;
  std::vector<int64_t> offsets;
  Array x, h0;
  std::optional<Array> c0;
  std::vector<RnnParameters> directions;

  Dims state() const { return {shape.directions, shape.batch, shape.hidden}; }
  Dims output() const { return {shape.rows, shape.directions * shape.hidden}; }
  bool empty() const { return shape.rows == 0; }

  void weights(kernels::RnnWeights (&out)[2]) const {
    for (size_t d = 0; d < directions.size(); ++d) {
      const RnnParameters& p = directions[d];
      out[d] = {p.w_ih.raw(), p.w_hh.raw(), raw_or_null(p.b_ih), raw_or_null(p.b_hh)};
    }
  }
};

std::vector<int64_t> offsets_of(const std::vector<int64_t>& sizes) {
  check(!sizes.empty(), "[rnn] expected at least one step");
  std::vector<int64_t> offsets{0};
  for (size_t t = 0; t < sizes.size(); ++t) {
    check(sizes[t] >= 0 && (t == 0 || sizes[t] <= sizes[t - 1]),
          "[rnn] expected batch sizes that never rise, got ", sizes[t], " at step ", t);
    offsets.push_back(offsets.back() + sizes[t]);
  }
  return offsets;
}

Prepared prepare(const RnnCall& call, const Array& x, const Array& h0,
                 const std::optional<Array>& c0) {
  check_real(x, "rnn");
  check(call.cell >= 0 && call.cell <= static_cast<int>(RnnCell::gru),
        "[rnn] expected a cell from 0 to 3, got ", call.cell);
  const size_t directions = call.directions.size();
  check(directions == 1 || directions == 2, "[rnn] expected one or two directions, got ",
        directions);
  const auto cell = static_cast<RnnCell>(call.cell);
  const Array& recurrent = call.directions[0].w_hh;
  check(x.rank() == 2 && recurrent.rank() == 2, "[rnn] expected x and w_hh of 2 dimensions, got ",
        x.shape(), " and ", recurrent.shape());
  const int64_t hidden = recurrent.size(1), rows = gates_of(cell) * hidden;
  check(hidden > 0, "[rnn] expected at least one hidden unit");
  for (const RnnParameters& p : call.directions) {
    check_parameter(p.w_ih, {rows, x.size(1)}, x, "rnn", "w_ih");
    check_parameter(p.w_hh, {rows, hidden}, x, "rnn", "w_hh");
    check_parameter(p.b_ih, {rows}, x, "rnn", "b_ih");
    check_parameter(p.b_hh, {rows}, x, "rnn", "b_hh");
    check(p.b_ih.has_value() == p.b_hh.has_value(), "[rnn] expected both biases or neither");
  }
  std::vector<int64_t> offsets = offsets_of(call.batch_sizes);
  check(x.size(0) == offsets.back(), "[rnn] expected ", offsets.back(),
        " rows of x, the sum of the batch sizes, got shape ", x.shape());
  const Dims state{static_cast<int64_t>(directions), offsets[1], hidden};
  check_parameter(h0, state, x, "rnn", "h0");
  check_parameter(c0, state, x, "rnn", "c0");
  check(c0.has_value() == (cell == RnnCell::lstm), "[rnn] expected c0 for an LSTM alone");
  Prepared p{{cell,
              x.dtype(),
              static_cast<int64_t>(call.batch_sizes.size()),
              offsets[1],
              x.size(1),
              hidden,
              nullptr,
              offsets.back(),
              static_cast<int>(directions),
              {false, true}},
             std::move(offsets),
             contiguous(x),
             contiguous(h0),
             packed(c0),
             {}};
  for (const RnnParameters& w : call.directions)
    p.directions.push_back(
        {contiguous(w.w_ih), contiguous(w.w_hh), packed(w.b_ih), packed(w.b_hh)});
  p.shape.offsets = p.offsets.data();
  return p;
}

}  // namespace

RnnResult rnn(const RnnCall& call, const Array& x, const Array& h0, const std::optional<Array>& c0,
              bool saves) {
  const Prepared p = prepare(call, x, h0, c0);
  const auto& kernels = kernels::on<kernels::Rnn>(x.device());
  RnnResult r{Array::empty(p.output(), x.dtype(), x.device(), "rnn"),
              Array::empty(p.state(), x.dtype(), x.device(), "rnn"), std::nullopt, std::nullopt};
  if (c0) r.cn = Array::empty(p.state(), x.dtype(), x.device(), "rnn");
  if (p.empty()) return r;
  const int64_t size = saves ? kernels.saved_size(p.shape) : 0;
  if (size) r.saved = Array::empty({size}, x.dtype(), x.device(), "rnn");
  kernels::RnnForward args{
      p.shape,   {},         p.x.raw(),         p.h0.raw(),          raw_or_null(p.c0),
      r.y.raw(), r.hn.raw(), raw_or_null(r.cn), raw_or_null(r.saved)};
  p.weights(args.weights);
  kernels.forward(args);
  return r;
}

RnnGradientArrays rnn_backward(const RnnCall& call, const Array& x, const Array& h0,
                               const std::optional<Array>& c0, const Array& y,
                               const std::optional<Array>& saved, const std::optional<Array>& dy,
                               const std::optional<Array>& dhn, const std::optional<Array>& dcn,
                               const std::vector<bool>& wanted) {
  const Prepared p = prepare(call, x, h0, c0);
  const auto& kernels = kernels::on<kernels::Rnn>(x.device());
  check_parameter(y, p.output(), x, "rnn", "y");
  const int64_t size = kernels.saved_size(p.shape);
  check_parameter(saved, {size}, x, "rnn", "saved");
  check(saved.has_value() == (size > 0), "[rnn] expected what forward saved");
  check_parameter(dy, p.output(), x, "rnn", "dy");
  check_parameter(dhn, p.state(), x, "rnn", "dhn");
  check_parameter(dcn, p.state(), x, "rnn", "dcn");
  const size_t directions = p.directions.size();
  check(wanted.size() == 1 + 3 * directions, "[rnn] expected ", 1 + 3 * directions,
        " flags of gradients, got ", wanted.size());
  RnnGradientArrays g{
      std::nullopt, Array::empty(p.state(), x.dtype(), x.device(), "rnn"), std::nullopt, {}};
  if (c0) g.dc0 = Array::empty(p.state(), x.dtype(), x.device(), "rnn");
  if (wanted[0]) g.dx = Array::empty(p.x.shape(), x.dtype(), x.device(), "rnn");
  const auto gradient = [&](const std::optional<Array>& of, bool want) {
    g.weights.push_back(want && of ? std::optional(Array::empty(of->shape(), x.dtype(), x.device()))
                                   : std::nullopt);
  };
  for (size_t d = 0; d < directions; ++d) {
    const RnnParameters& w = p.directions[d];
    gradient(w.w_ih, wanted[1 + 3 * d]);
    gradient(w.w_hh, wanted[2 + 3 * d]);
    gradient(w.b_ih, wanted[3 + 3 * d]);
    gradient(w.b_hh, wanted[3 + 3 * d]);
  }
  if (p.empty()) {
    for (auto* a : {&g.dx, &g.dc0})
      if (*a) fill(**a, Scalar::of(0.0));
    fill(g.dh0, Scalar::of(0.0));
    for (const auto& w : g.weights)
      if (w) fill(*w, Scalar::of(0.0));
    return g;
  }
  const auto packed_y = contiguous(y);
  const auto packed_saved = packed(saved), packed_dy = packed(dy), packed_dhn = packed(dhn),
             packed_dcn = packed(dcn);
  kernels::RnnBackward args{p.shape,
                            {},
                            p.x.raw(),
                            p.h0.raw(),
                            raw_or_null(p.c0),
                            packed_y.raw(),
                            raw_or_null(packed_saved),
                            raw_or_null(packed_dy),
                            raw_or_null(packed_dhn),
                            raw_or_null(packed_dcn),
                            raw_or_null(g.dx),
                            g.dh0.raw(),
                            raw_or_null(g.dc0),
                            {}};
  p.weights(args.weights);
  for (size_t d = 0; d < directions; ++d)
    args.gradients[d] = {raw_or_null(g.weights[4 * d]), raw_or_null(g.weights[4 * d + 1]),
                         raw_or_null(g.weights[4 * d + 2]), raw_or_null(g.weights[4 * d + 3])};
  kernels.backward(args);
  return g;
}

}  // namespace lamina::ops

#include "ops/rnn.h"

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

using Maybe = std::optional<Array>;

// weights: w_ih, w_hh, b_ih, b_hh of each direction.
ops::RnnCall call_of(int cell, std::vector<int64_t> batch_sizes,
                     const std::vector<Maybe>& weights) {
  ops::RnnCall call{cell, std::move(batch_sizes), {}};
  for (size_t i = 0; i + 4 <= weights.size(); i += 4)
    call.directions.push_back(
        {weights[i].value(), weights[i + 1].value(), weights[i + 2], weights[i + 3]});
  return call;
}

}  // namespace

void bind_rnn(py::module_& m) {
  def(m, "rnn",
      [](int cell, const Array& x, std::vector<int64_t> batch_sizes, const Array& h0,
         const Maybe& c0, const std::vector<Maybe>& weights, bool saves) {
        auto r = ops::rnn(call_of(cell, std::move(batch_sizes), weights), x, h0, c0, saves);
        return std::tuple(r.y, r.hn, r.cn, r.saved);
      });
  def(m, "rnn_backward",
      [](int cell, const Array& x, std::vector<int64_t> batch_sizes, const Array& h0,
         const Maybe& c0, const std::vector<Maybe>& weights, const Array& y, const Maybe& saved,
         const Maybe& dy, const Maybe& dhn, const Maybe& dcn, const std::vector<bool>& wanted) {
        auto g = ops::rnn_backward(call_of(cell, std::move(batch_sizes), weights), x, h0, c0, y,
                                   saved, dy, dhn, dcn, wanted);
        return std::tuple(g.dx, g.dh0, g.dc0, g.weights);
      });
}

}  // namespace lamina::bindings

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

// One of a list's arrays; lists end early where a cell has fewer states.
Maybe at(const std::vector<Maybe>& arrays, size_t i) {
  return i < arrays.size() ? arrays[i] : Maybe();
}

}  // namespace

// states: h0 and an LSTM's c0.
void bind_rnn(py::module_& m) {
  def(m, "rnn",
      [](int cell, const Array& x, std::vector<int64_t> batch_sizes,
         const std::vector<Maybe>& states, const std::vector<Maybe>& weights, bool saves) {
        const ops::RnnResult r = ops::rnn(call_of(cell, std::move(batch_sizes), weights), x,
                                          states.at(0).value(), at(states, 1), saves);
        std::vector<Array> outputs{r.y, r.hn};
        if (r.cn) outputs.push_back(*r.cn);
        return std::tuple(outputs, r.saved);
      });
  // grads: of y, hn, cn.  Gives those of x, of the states, of the weights.
  def(m, "rnn_backward",
      [](int cell, const Array& x, std::vector<int64_t> batch_sizes,
         const std::vector<Maybe>& states, const std::vector<Maybe>& weights, const Array& y,
         const Maybe& saved, const std::vector<Maybe>& grads, const std::vector<bool>& wanted) {
        const ops::RnnGradientArrays g = ops::rnn_backward(
            call_of(cell, std::move(batch_sizes), weights), x, states.at(0).value(), at(states, 1),
            y, saved, at(grads, 0), at(grads, 1), at(grads, 2), wanted);
        std::vector<Maybe> found{g.dx, g.dh0};
        if (g.dc0) found.push_back(g.dc0);
        found.insert(found.end(), g.weights.begin(), g.weights.end());
        return found;
      });
}

}  // namespace lamina::bindings

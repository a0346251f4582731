#include "ops/shuffle.h"

#include "bindings/bindings.h"

namespace lamina::bindings {

void bind_shuffle(py::module_& m) {
  def(m, "pixel_shuffle", &ops::pixel_shuffle);
  def(m, "pixel_unshuffle", &ops::pixel_unshuffle);
  def(m, "channel_shuffle", &ops::channel_shuffle);
}

}  // namespace lamina::bindings

// A captured step as lamina/captured.py drives it: a tape, and the arrays that go in and come out.
#include <optional>

#include "bindings/bindings.h"
#include "core/check.h"
#include "core/tape.h"
#include "ops/copy.h"

namespace lamina::bindings {
namespace {

using ArrayList = std::vector<Array>;

// A recorded step with the arrays that it takes and gives.
class CapturedStep {
 public:
  void start() { tape_.start(); }
  void stop() { tape_.stop(); }

  // Arrays that the step has read and gives; replays may begin.
  void connect(const ArrayList& inputs, const ArrayList& outputs) {
    inputs_ = inputs;
    outputs_ = outputs;
    const KernelScope scope;
    tape_.prepare();
  }

  // Copies the arguments to where the step reads them, runs it, and gives its outputs, copied if
  // asked to.
  ArrayList replay(const ArrayList& arguments, bool copies) {
    const KernelScope scope;
    const py::gil_scoped_release unlocked;
    for (size_t i = 0; i < arguments.size(); ++i)
      if (arguments[i].raw() != inputs_[i].raw()) ops::copy_to(inputs_[i], arguments[i]);
    tape_.replay();
    if (!copies) return outputs_;
    ArrayList results;
    results.reserve(outputs_.size());
    for (const Array& a : outputs_) results.push_back(ops::clone(a));
    return results;
  }

  void begin_amendment() { amendment_.emplace(tape_); }
  void end_amendment() { amendment_.reset(); }

  // `held`: arrays that the caller alone holds besides the tape.
  bool replaced_what_it_read(const ArrayList& held) const {
    return tape_.replaced_what_it_read(held);
  }
  size_t size() const { return tape_.size(); }
  size_t updates() const { return tape_.updates(); }
  size_t graphs() const { return tape_.graphs(); }
  size_t bytes() const { return tape_.bytes(); }

 private:
  Tape tape_;
  ArrayList inputs_, outputs_;
  std::optional<Amendment> amendment_;
};

}  // namespace

void bind_capture(py::module_& m) {
  py::class_<CapturedStep>(m, "CapturedStep")
      .def(py::init<>())
      .def("start", &CapturedStep::start)
      .def("stop", &CapturedStep::stop)
      .def("connect", &CapturedStep::connect)
      .def("replay", &CapturedStep::replay)
      .def("begin_amendment", &CapturedStep::begin_amendment)
      .def("end_amendment", &CapturedStep::end_amendment)
      .def("replaced_what_it_read", &CapturedStep::replaced_what_it_read)
      .def_property_readonly("size", &CapturedStep::size)
      .def_property_readonly("updates", &CapturedStep::updates)
      .def_property_readonly("graphs", &CapturedStep::graphs)
      .def_property_readonly("bytes", &CapturedStep::bytes);
}

}  // namespace lamina::bindings

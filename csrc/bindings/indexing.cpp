#include "ops/indexing.h"

#include "bindings/bindings.h"
#include "ops/elementwise.h"
#include "ops/gather.h"

namespace lamina::bindings {
namespace {

using kernels::Combine;
using ops::Key;
using ops::KeyItem;
using ops::Operand;
using Pairs = std::vector<std::pair<int, const Array*>>;

int64_t position(PyObject* item) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
  check<IndexError>(overflow == 0, "[index] an index has more than 64 bits");
  return value;
}

KeyItem slice_item(PyObject* item) {
  Py_ssize_t start, stop, step;
  if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw py::error_already_set();
  return {KeyItem::Kind::slice, start, stop, step};
}

// False where the item is none of a basic key: a bool, a tensor, a sequence, NumPy's numbers.
bool read_item(PyObject* item, Key& key) {
  using Kind = KeyItem::Kind;
  KeyItem read{Kind::new_axis};
  if (PyLong_CheckExact(item)) {
    read = {Kind::integer, position(item)};
  } else if (PySlice_Check(item)) {
    read = slice_item(item);
  } else if (item == Py_Ellipsis) {
    read = {Kind::ellipsis};
  } else if (item != Py_None) {
    return false;
  }
  check<IndexError>(key.size < Key::kMost, "[index] too many indices");
  key.items[key.size++] = read;
  return true;
}

bool read_key(PyObject* object, Key& key) {
  if (!PyTuple_Check(object)) return read_item(object, key);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i)
    if (!read_item(PyTuple_GET_ITEM(object, i), key)) return false;
  return true;
}

// A view, or None where the key is not basic.
py::object basic_index(const Array& a, py::handle object) {
  Key key;
  if (!read_key(object.ptr(), key)) return py::none();
  return py::cast(ops::basic_index(a, key));
}

// a[key] = value; False where the key is not basic.
bool basic_assign(const Array& a, py::handle object, const Operand& value) {
  Key key;
  if (!read_key(object.ptr(), key)) return false;
  ops::assign(ops::basic_index(a, key), value);
  return true;
}

ops::Indices indices(const Pairs& pairs) {
  ops::Indices result;
  for (const auto& [dim, array] : pairs) result.push_back({dim, array});
  return result;
}

}  // namespace

void bind_indexing(py::module_& m) {
  py::enum_<Combine>(m, "Combine")
      .value("assign", Combine::assign)
      .value("add", Combine::add)
      .value("multiply", Combine::multiply)
      .value("maximum", Combine::maximum)
      .value("minimum", Combine::minimum);
  def(m, "basic_index", &basic_index);
  def(m, "basic_assign", &basic_assign);
  def(m, "assign", &ops::assign);
  def(m, "index", [](const Array& a, const Pairs& pairs) { return ops::index(a, indices(pairs)); });
  def(m, "index_put",
      [](const Array& a, const Pairs& pairs, const Operand& values, Combine combine) {
        ops::index_put(a, indices(pairs), values, combine);
      });
  def(m, "index_select", &ops::index_select);
  def(m, "index_write", &ops::index_write);
  def(m, "gather", &ops::gather);
  def(m, "scatter", &ops::scatter);
  def(m, "extent", &ops::extent);
  def(m, "nonzero", &ops::nonzero);
  def(m, "nonzero_tuple", &ops::nonzero_tuple);
  def(m, "repeat_positions", &ops::repeat_positions);
}

}  // namespace lamina::bindings

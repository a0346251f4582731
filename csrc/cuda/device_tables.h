// Tables that an op makes on the host for its kernels, brought to the device in one copy.
#pragma once

#include <optional>
#include <vector>

#include "cuda/scratch.h"

namespace lamina::cuda {

// add() every table, send(), then at() says where a table lies on the device: for the span of the
// launcher, in order of the stream.
class DeviceTables {
 public:
  struct Table {
    size_t offset;
  };

  template <class T>
  Table add(const T* table, int64_t n) {
    const size_t begin = bytes_.size();
    const auto* first = reinterpret_cast<const unsigned char*>(table);
    bytes_.insert(bytes_.end(), first, first + n * static_cast<int64_t>(sizeof(T)));
    bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
    return {begin};
  }

  void send() {
    if (bytes_.empty()) return;
    const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
    data_.emplace(bytes_.size());
    transfer(data_->as<void>(), here, bytes_.data(), Device{}, bytes_.size());
  }

  template <class T>
  const T* at(Table table) const {
    return reinterpret_cast<const T*>(data_->as<const unsigned char>() + table.offset);
  }

 private:
  static constexpr size_t kAlignment = 16;
  std::vector<unsigned char> bytes_;
  std::optional<DeviceScratch> data_;
};

}  // namespace lamina::cuda

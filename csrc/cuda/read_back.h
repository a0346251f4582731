// One number from the active device to the host: waits for the stream, and raises what kernels have
// recorded (cuda/failure.h).
#pragma once

#include "core/cuda.h"
#include "cuda/device.h"

namespace lamina::cuda {

template <class T>
T read_back(const T* data) {
  const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
  T value;
  transfer(&value, Device{}, data, here, sizeof value);
  return value;
}

}  // namespace lamina::cuda

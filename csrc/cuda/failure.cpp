#include "cuda/failure.h"

#include <mutex>
#include <vector>

#include "cuda/device.h"
#include "cuda/error.h"

namespace lamina::cuda {
namespace {

std::mutex lock;

std::vector<Failure*>& records() {
  static std::vector<Failure*> all(static_cast<size_t>(device_count()));
  return all;
}

}  // namespace

Failure* failure_record(int device) {
  const std::lock_guard guard(lock);
  Failure*& record = records()[static_cast<size_t>(device)];
  if (!record) {
    void* data;
    LAMINA_CUDA_CHECK(
        cudaHostAlloc(&data, sizeof(Failure), cudaHostAllocPortable | cudaHostAllocMapped));
    record = new (data) Failure{};
  }
  return record;
}

void raise_failure(int device) {
  const std::lock_guard guard(lock);
  Failure* record = records()[static_cast<size_t>(device)];
  if (!record || !*static_cast<volatile int*>(&record->ready)) return;
  const Failure seen = *record;
  *record = Failure{};
  fail<IndexError>("[", seen.op, "] expected values from ", seen.low, " to ", seen.high - 1,
                   ", got ", seen.value, " (found on cuda:", device, ")");
}

}  // namespace lamina::cuda

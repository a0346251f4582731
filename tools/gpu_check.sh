#!/bin/sh
# Checks lamina on a machine with an NVIDIA GPU, in phases that each have a time limit, within nine minutes: what the
# driver says, a build from source (nothing is downloaded), the tests on the device, memory errors, speed. Results go to
# benchmarks/results/. Exits non-zero where there is no GPU, or a phase fails.
#
#     tools/gpu_check.sh [python [phase]]
set -u
cd "$(dirname "$0")/.."
python=$(command -v "${1:-python3}")
export PYTHONPATH="$PWD/build/gpu" PYTHONDONTWRITEBYTECODE=1

probe() {
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total --format=csv && nvcc --version | tail -n 2
}

# One architecture, that of the first device: its own features (90a) where it has some.
build() {
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
  [ "$capability" = 90 ] && capability=90a
  cmake -G Ninja -B build/gpu -DLAMINA_CUDA=ON -DCMAKE_BUILD_TYPE=Release -DLAMINA_ISAS=avx2 \
    -DCMAKE_CUDA_ARCHITECTURES="$capability-real" -DPython_EXECUTABLE="$python" \
    -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$PWD/build/gpu/lamina" >build/gpu-configure.log && cmake --build build/gpu || return 1
  for source in python/lamina/*; do
    case $source in *.so) continue ;; esac
    ln -sfn "$PWD/$source" "build/gpu/lamina/$(basename "$source")"
  done
}

# The instructions that kernels use by name mean on this device what they mean in the emulator.
wrappers() {
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)
  programs=wrappers
  [ "$capability" = 90 ] && capability=90a programs="wrappers hopper"
  for program in $programs; do
    nvcc -std=c++20 -O2 --expt-relaxed-constexpr -gencode "arch=compute_$capability,code=sm_$capability" -Icsrc \
      "tests/cuda/$program.cu" -o "build/$program" && "build/$program" || return 1
  done
}

runtime() { "$python" -m pytest -q --no-torch tests/test_cuda.py; }
cases() { "$python" -m pytest -q --no-torch tests/test_cuda_cases.py; }

# The tool may be missing, or refused by the container.
memory_errors() {
  if ! command -v compute-sanitizer >/dev/null; then
    echo "compute-sanitizer is not on this machine: memory errors were not looked for"
    return 0
  fi
  compute-sanitizer --error-exitcode 9 "$python" -m pytest -q --no-torch tests/test_cuda.py -k "draws or trains or target"
}

speed() { "$python" benchmarks/cuda.py; }

if [ $# -gt 1 ]; then
  "$2"
  exit
fi

failed=""
phase() {  # name, seconds; as a process of its own, which timeout can end
  printf '\n== %s (at most %s s)\n' "$1" "$2"
  begun=$(date +%s)
  timeout "$2" tools/gpu_check.sh "$python" "$1"
  code=$?
  verdict=ok
  if [ $code -ne 0 ]; then verdict="failed ($code)" failed="$failed $1"; fi
  printf -- '-- %s: %s, %s s\n' "$1" "$verdict" "$(($(date +%s) - begun))"
  return $code
}

if ! nvidia-smi >/dev/null 2>&1; then
  echo "gpu_check: no NVIDIA GPU here (nvidia-smi finds none)"
  exit 1
fi
mkdir -p build benchmarks/results
phase probe 20 || exit 1
phase build 240 || exit 1
phase wrappers 30
phase runtime 40
phase cases 120
phase memory_errors 60
phase speed 60
[ -z "$failed" ] || echo "gpu_check: failed:$failed"
[ -z "$failed" ]

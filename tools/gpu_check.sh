#!/bin/sh
# Checks lamina on a machine with an NVIDIA GPU, in phases that each have a time limit, within nine minutes: what driver
# and device are and can do, a build from source (nothing is downloaded), what instructions and runtime calls mean, the
# tests on the device, memory errors, a training run, speed against torch. Ends with a short table. Results go to
# benchmarks/results/DEVICE-COMMIT/: each phase's output, benchmarks.json, summary.txt and summary.json. Exits non-zero
# where there is no GPU, or a phase fails.
#
#     tools/gpu_check.sh [python [phase]]
set -u
cd "$(dirname "$0")/.."
python=$(command -v "${1:-python3}")
export PYTHONPATH="$PWD/build/gpu" PYTHONDONTWRITEBYTECODE=1
tests="$python -m pytest -q -p no:cacheprovider"

capability() { nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .; }

# One architecture, that of the first device: its own features (90a) where it has some.
architecture() {
  found=$(capability)
  [ "$found" = 90 ] && found=90a
  echo "$found"
}

# Builds and runs a program that is one .cu file.
program() {
  name=$(basename "$1" .cu)
  nvcc -std=c++20 -O2 --expt-relaxed-constexpr -gencode "arch=compute_$(architecture),code=sm_$(architecture)" -Icsrc \
    "$1" -o "build/$name" && "build/$name"
}

probe() {
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total --format=csv && nvcc --version | tail -n 2 &&
    program tools/gpu_probe.cu
}

build() {
  cmake -G Ninja -B build/gpu -DLAMINA_CUDA=ON -DCMAKE_BUILD_TYPE=Release -DLAMINA_ISAS=avx2 \
    -DCMAKE_CUDA_ARCHITECTURES="$(architecture)-real" -DPython_EXECUTABLE="$python" \
    -DCMAKE_LIBRARY_OUTPUT_DIRECTORY="$PWD/build/gpu/lamina" >build/gpu-configure.log && cmake --build build/gpu || return 1
  for source in python/lamina/*; do
    case $source in *.so) continue ;; esac
    ln -sfn "$PWD/$source" "build/gpu/lamina/$(basename "$source")"
  done
}

# The instructions and runtime calls that kernels use by name mean on this device what they mean in the emulator.
wrappers() {
  program tests/cuda/wrappers.cu && program tests/cuda/graphs.cu && { [ "$(capability)" != 90 ] || program tests/cuda/hopper.cu; }
}

runtime() { $tests --no-torch tests/test_cuda.py tests/test_cuda_capture.py; }

# Against the CPU, in float64 too; then against torch, which may be missing.
cases() {
  $tests --no-torch tests/test_cuda_cases.py || return 1
  if "$python" -c "import torch" 2>/dev/null; then
    $tests tests/test_cuda_cases.py -k against_torch
  else
    echo "torch is not on this machine: nothing was compared with it"
  fi
}

# The tool may be missing, or refused by the container.
memory_errors() {
  if ! command -v compute-sanitizer >/dev/null; then
    echo "compute-sanitizer is not on this machine: memory errors were not looked for"
    return 0
  fi
  compute-sanitizer --error-exitcode 9 $tests --no-torch tests/test_cuda.py -k "draws or trains or target"
}

# The main job's network on drawn images; its own script where what that needs is installed.
training() {
  "$python" tools/gpu_train.py cuda || return 1
  if "$python" -c "import sklearn, matplotlib" 2>/dev/null; then
    "$python" examples/train.py --device cuda --epochs 5 --run-dir build/gpu-run
  fi
}

speed() { "$python" benchmarks/cuda.py --seconds "${SPEED_SECONDS:-60}" --json "$RESULTS/benchmarks.json"; }

if [ $# -gt 1 ]; then
  export RESULTS="${RESULTS:-$PWD/build}"
  "$2"
  exit
fi

if ! nvidia-smi >/dev/null 2>&1; then
  echo "gpu_check: no NVIDIA GPU here (nvidia-smi finds none)"
  exit 1
fi
identity=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1)
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
RESULTS="$PWD/benchmarks/results/$(echo "${identity%%,*}" | tr ' ' '-')-$commit"
export RESULTS
mkdir -p build "$RESULTS"
rm -f "$RESULTS"/*
echo "$identity" >"$RESULTS/device.txt"

end=$(($(date +%s) + 535))
phase() {  # name, seconds; as a process of its own, which timeout can end
  begun=$(date +%s)
  limit=$2
  [ $((end - begun)) -ge "$limit" ] || limit=$((end - begun))
  [ "$limit" -ge 1 ] || limit=1
  printf '\n== %s (at most %s s)\n' "$1" "$limit"
  { timeout -k 2 "$limit" tools/gpu_check.sh "$python" "$1" 2>&1; echo $? >"$RESULTS/status"; } | tee "$RESULTS/$1.log"
  code=$(cat "$RESULTS/status")
  rm "$RESULTS/status"
  printf '%s\t%s\t%s\n' "$1" "$code" "$(($(date +%s) - begun))" >>"$RESULTS/phases.tsv"
  return "$code"
}

# Without a build nothing else can run.
phase probe 25 && phase build 220 && {
  phase wrappers 25
  phase runtime 40
  phase cases 90
  phase memory_errors 40
  phase training 25
  SPEED_SECONDS=55 phase speed 70
}
printf '\n'
"$python" tools/gpu_report.py "$RESULTS"

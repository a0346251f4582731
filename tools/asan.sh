#!/bin/sh
# Builds the library with AddressSanitizer and UndefinedBehaviorSanitizer and runs on it what needs no torch: the cases
# (references, memory orders, thread counts, bad input) on the best instruction set here and on the baseline, those on
# emulated CUDA devices, and the tests of the core.
#
#     tools/asan.sh [python] [arguments of pytest]
set -e
cd "$(dirname "$0")/.."
python=$(command -v "${1:-python3}")
[ $# -eq 0 ] || shift
PATH=$(dirname "$python"):$PATH

best=""
for isa in avx2:avx2 avx512:avx512vl; do
  if grep -qw "${isa#*:}" /proc/cpuinfo; then best=${isa%:*}; fi
done
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset asan -DPython_EXECUTABLE="$python" -DLAMINA_ISAS="baseline${best:+;$best}" >build/asan-configure.log ||
  { cat build/asan-configure.log; exit 1; }
cmake --build build/asan

# The package beside the sanitized module: links to everything but the modules built otherwise.
for source in python/lamina/*; do
  case $source in *.so) continue ;; esac
  ln -sfn "$PWD/$source" "build/asan/lamina/$(basename "$source")"
done

# The interpreter is not instrumented, so the runtime is loaded before it; libstdc++ too, for exceptions to be seen.
runtime="$(${CXX:-g++} -print-file-name=libasan.so) $(${CXX:-g++} -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
# One thread, but for what tests ask for: another stage may be on the other core.
export PYTHONPATH=build/asan PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
run() { LD_PRELOAD=$runtime "$python" -m pytest --no-torch "$@"; }
run tests/test_cases.py tests/test_capture.py tests/test_memory.py tests/test_random.py tests/test_runtime.py "$@"
run tests/test_cuda.py tests/test_cuda_cases.py "$@"
LAMINA_MAX_ISA=baseline run tests/test_cases.py "$@"

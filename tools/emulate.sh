#!/bin/sh
# Builds the library with CUDA devices emulated on the CPU, into build/emulate, and runs the tests that use them.
#
#     tools/emulate.sh [python] [arguments of pytest]
set -e
cd "$(dirname "$0")/.."
python=$(command -v "${1:-python3}")
[ $# -eq 0 ] || shift
PATH=$(dirname "$python"):$PATH

isa=baseline
if grep -qw avx2 /proc/cpuinfo; then isa=avx2; fi
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
mkdir -p build
cmake --preset emulate -DPython_EXECUTABLE="$python" -DLAMINA_ISAS="${LAMINA_ISAS:-$isa}" >build/emulate-configure.log ||
  { cat build/emulate-configure.log; exit 1; }
cmake --build build/emulate

# The package beside the module: links to everything but the modules built otherwise.
for source in python/lamina/*; do
  case $source in *.so) continue ;; esac
  ln -sfn "$PWD/$source" "build/emulate/lamina/$(basename "$source")"
done

# make train                      train on scikit-learn's digits, in a virtual environment of its own
# make train DATA=fashion-mnist   … on Fashion-MNIST; Ctrl-C stops, the same command goes on
# make test                       style and types, the whole test suite, every instruction set, CUDA on the emulator,
#                                 sanitizers; likewise
# make cuda                       of that, CUDA alone: emulated in other orders, and compiled for devices if nvcc is here
# make bench                      kernels, training steps and overheads against torch
.POSIX:

PYTHON = python3
DATA = digits
RUN = runs/$(DATA)
ARGS =
# What the two environments build for CUDA.  The tests run on devices emulated on the CPU; training builds no CUDA kernels,
# which takes nvcc minutes, unless asked to: make train CUDA_train=AUTO.
CUDA_test = EMULATE
CUDA_train = OFF
BUILD_TOOLS = 'scikit-build-core>=0.10' 'pybind11>=3.0' 'cmake>=3.24' ninja
SOURCES = CMakeLists.txt pyproject.toml cmake csrc python
TEST = .venv-test/bin/python

all: train

train: env-train
	.venv-train/bin/python examples/train.py --data $(DATA) --run-dir $(RUN) --resume $(ARGS)

# Two at a time (--jobs=2) the longest begin first.
test: lint symbols asan pytest isas emulated nvcc

cuda: emulated nvcc

pytest: env-test
	$(TEST) -m pytest $(ARGS)

# The suite runs on the best instruction set; here are the others.
isas: env-test
	LAMINA_MAX_ISA=avx2 $(TEST) -m pytest --no-torch tests/test_cases.py tests/test_accuracy.py
	LAMINA_MAX_ISA=baseline $(TEST) -m pytest --no-torch tests/test_cases.py tests/test_accuracy.py

# The suite has run on emulated devices too, threads in order and copies late; here is what else a device may do.
emulated: env-test
	LAMINA_EMULATE_ORDER=reverse LAMINA_EMULATE_COPIES=early $(TEST) -m pytest tests/test_cuda_cases.py
	LAMINA_EMULATE_ORDER=shuffled LAMINA_EMULATE_SEED=1 $(TEST) -m pytest tests/test_cuda_cases.py
	LAMINA_EMULATE_ORDER=shuffled LAMINA_EMULATE_SEED=2 $(TEST) -m pytest tests/test_cuda_cases.py

nvcc: env-test
	$(TEST) tools/nvcc_gate.py

asan: env-test
	tools/asan.sh $(TEST)

lint: env-test
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	$(TEST) tools/stubs.py --check
	$(TEST) tools/check_layering.py
	git ls-files 'csrc/*.h' 'csrc/*.cpp' 'csrc/*.cu' | xargs .venv-test/bin/clang-format --dry-run --Werror

symbols: env-test
	$(TEST) tools/check_symbols.py build/test

bench: env-test
	$(TEST) benchmarks/run.py $(ARGS)
	$(TEST) benchmarks/steps.py
	$(TEST) benchmarks/overhead.py

env-train:
	@$(MAKE) -s install NAME=train EXTRAS=train

env-test:
	@$(MAKE) -s install NAME=test EXTRAS=test,train

# Installs the package anew where a source is newer than the last time. No build isolation, and a build folder that
# stays: what has not changed is not compiled again.
install:
	@if [ ! -e .venv-$(NAME)/installed ] || \
	    [ -n "$$(find $(SOURCES) -newer .venv-$(NAME)/installed -type f ! -name '*.pyc' ! -name '*.so' | head -n 1)" ]; then \
	  set -e; \
	  [ -x .venv-$(NAME)/bin/python ] || { echo 'Making the environment .venv-$(NAME)'; $(PYTHON) -m venv .venv-$(NAME); }; \
	  touch .venv-$(NAME)/starting; \
	  mkdir -p build; \
	  .venv-$(NAME)/bin/python -m pip install -q $(BUILD_TOOLS); \
	  echo 'Building lamina (minutes the first time, seconds after a change); log: build/$(NAME).log'; \
	  start=$$(date +%s); \
	  rm -f build/wheel-$(NAME)/*.whl; \
	  SKBUILD_CMAKE_DEFINE=LAMINA_CUDA=$(CUDA_$(NAME)) SKBUILD_BUILD_DIR=build/$(NAME) .venv-$(NAME)/bin/python -m pip wheel -v --no-deps --no-build-isolation \
	    -w build/wheel-$(NAME) . >build/$(NAME).log 2>&1 || { tail -n 60 build/$(NAME).log; exit 1; }; \
	  sed -n 's/.*\(lamina: .*CUDA.*\)/\1/p' build/$(NAME).log; \
	  echo "Built in $$(( $$(date +%s) - start )) s"; \
	  wheel=$$(echo build/wheel-$(NAME)/*.whl); \
	  .venv-$(NAME)/bin/python -m pip install -q --force-reinstall --no-deps "$$wheel"; \
	  .venv-$(NAME)/bin/python -m pip install -q "$$wheel[$(EXTRAS)]"; \
	  mv .venv-$(NAME)/starting .venv-$(NAME)/installed; \
	fi

clean:
	rm -rf build dist .venv-train .venv-test .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

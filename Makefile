# make train                      train on scikit-learn's digits, in a virtual environment of its own
# make train DATA=fashion-mnist   … on Fashion-MNIST; Ctrl-C stops, the same command goes on
# make test                       the whole test suite, likewise
.POSIX:

PYTHON = python3
DATA = digits
RUN = runs/$(DATA)
ARGS =
BUILD_TOOLS = 'scikit-build-core>=0.10' 'pybind11>=3.0' 'cmake>=3.24' ninja
SOURCES = CMakeLists.txt pyproject.toml csrc python

all: train

train: env-train
	.venv-train/bin/python examples/train.py --data $(DATA) --run-dir $(RUN) --resume $(ARGS)

test: env-test
	.venv-test/bin/python -m pytest $(ARGS)

bench: env-test
	.venv-test/bin/python benchmarks/run.py $(ARGS)

lint: env-test
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy
	git ls-files 'csrc/*.h' 'csrc/*.cpp' | xargs .venv-test/bin/clang-format --dry-run --Werror

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
	  echo 'Building and installing lamina (minutes the first time, seconds after a change)'; \
	  .venv-$(NAME)/bin/python -m pip install -q $(BUILD_TOOLS); \
	  SKBUILD_BUILD_DIR=build/$(NAME) .venv-$(NAME)/bin/python -m pip install -q --no-build-isolation '.[$(EXTRAS)]'; \
	  mv .venv-$(NAME)/starting .venv-$(NAME)/installed; \
	fi

clean:
	rm -rf build dist .venv-train .venv-test .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

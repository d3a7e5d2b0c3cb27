# make run     start Watchkeeper on live flights and look at it
# make test    install what the tests need and run all of them
# make check   format, lint, types, architecture
# make bench   speed against the peers (PEERS=none for ours alone)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: run test check format bench bench-alerts dashboards clean

run: $(VENV)/.demo
	@$(BIN)/watchkeeper demo

test: $(VENV)/.dev
	@.ci/system-packages
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench --peers $(or $(PEERS),all)

bench-alerts: $(VENV)/.dev
	$(BIN)/python -m tests.bench.alerts --peers $(or $(PEERS),all)

dashboards: $(VENV)/.dev
	$(BIN)/python -m monitor.dashboards.build

clean:
	rm -rf $(VENV) var build dist

# A stamp for each set of packages: nothing is installed again until pyproject.toml changes.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing Watchkeeper and its demonstration (a minute or two, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing Watchkeeper and what its tests need (a minute or two, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.demo

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/system-packages
	@$(PYTHON) -m venv $(VENV)

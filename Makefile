# Everything a contributor does here. The first target that needs it makes the environment, from the
# pins and hashes in requirements/dev.txt. Written for POSIX sh and GNU Make 3.81, which macOS brings.

PYTHON := python3.13 python3.12 python3.11 python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The pins are complete: pip has nothing to resolve, and older ones get extras in a lock wrong.
PIP_INSTALL := -m pip --disable-pip-version-check install --quiet --no-deps
UV_COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-annotate --no-header

PROJECT := .
ARGS :=
PYTEST_ARGS := -n 2 --dist worksteal
# The newest one: what breaks with those between breaks with it or with the first.
OTHERS := 3.13
WITH_OTHERS := tests/test_config.py tests/test_decoding.py tests/test_masking.py tests/events/test_log_contract.py \
    tests/events/test_sqlite_store.py tests/events/test_bus.py tests/jobs tests/workflow \
    tests/cli/test_run.py

.NOTPARALLEL:
.PHONY: help run test test-all lint format typecheck check-self pytest other-pythons bench bench-agents bench-fleet soak lock clean

help: ## Say what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: $(READY) ## Run crackerjack here, or in PROJECT=dir; more options in ARGS="..."
	@$(BIN)/crackerjack run --project "$(PROJECT)" $(ARGS)

test: lint typecheck check-self other-pythons pytest ## All that must pass before a change lands

test-all: ## The same, and every test with every Python: half an hour
	$(MAKE) test OTHERS="3.11 3.12 3.13" WITH_OTHERS=tests

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## Let ruff fix and format what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(READY)
	$(BIN)/mypy

check-self: $(READY)
	$(BIN)/crackerjack run --check

pytest: $(READY) ## The tests alone, with PYTEST_ARGS="..."
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The interpreters that are not here are not an error: a contributor rarely has them all. What starts
# many processes runs with the first one only, but for a few whole runs: it would take minutes again.
other-pythons: $(READY)
	@for version in $(OTHERS); do \
	    if $(BIN)/python -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')"; then continue; fi; \
	    if ! scripts/find-python python$$version >/dev/null 2>&1; then echo "Python $$version is not installed: not tested with it"; continue; fi; \
	    $(MAKE) pytest PYTHON=python$$version VENV=.venv-$$version PYTEST_ARGS='$(PYTEST_ARGS) --hypothesis-profile=few $(WITH_OTHERS)' || exit; \
	done

bench: $(READY) .venv-bench/.ready ## Measure against the other runners, in ratios
	$(BIN)/python -m benches $(ARGS)

bench-agents: $(READY) ## Measure an agent's episode over MCP: calls, bytes, delays
	$(BIN)/python -m benches agents

bench-fleet: $(READY) ## Measure a broker, servers and workers: delays, replicas, runs
	$(BIN)/python -m benches fleet

soak: $(READY) ## The tests of what is random again, for much longer
	$(BIN)/python -m pytest $(PYTEST_ARGS) --hypothesis-profile=soak $(ARGS)

lock: ## Resolve the pinned requirements anew; ARGS=--upgrade for newer versions
	@test -x .venv-lock/bin/uv || { python=$$(scripts/find-python $(PYTHON)) && "$$python" -m venv .venv-lock \
	    && .venv-lock/bin/python $(PIP_INSTALL) uv; }
	$(UV_COMPILE) pyproject.toml --group dev -o requirements/dev.txt $(ARGS)
	$(UV_COMPILE) benches/requirements.in -o benches/requirements.txt $(ARGS)

clean: ## Remove the environments and all that was built or cached here
	rm -rf .venv .venv-* build dist htmlcov .coverage .coverage.* .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.txt pyproject.toml
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	    python=$$(scripts/find-python $(PYTHON)) && echo "Setting up $(VENV) with $$python: once, about a minute" \
	    && "$$python" -m venv --clear $(VENV); \
	fi
	@$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement requirements/dev.txt
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation --editable .
	@$(BIN)/python -m pip check >/dev/null || $(BIN)/python -m pip check
	@touch $@

.venv-bench/.ready: benches/requirements.txt
	@test -x .venv-bench/bin/python || { python=$$(scripts/find-python $(PYTHON)) && "$$python" -m venv .venv-bench; }
	@.venv-bench/bin/python $(PIP_INSTALL) --require-hashes --requirement benches/requirements.txt
	@touch $@

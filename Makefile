# Quorate. `make help` lists what there is. The virtual environment is .venv; nothing is installed outside of it, but for
# Debian packages that `make test` and `make bench` need, and only when make is run by root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help up test lint bench storage campaign chaos fuzz compiled clean

help:  ## Show this list.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

up: $(VENV)/.installed  ## Start a cluster and a Redis gateway; make up ARGS="--replicas 7" passes options to `quorate up`.
	@exec $(BIN)/quorate up $(ARGS)

test: $(VENV)/.installed-for-development packages-for-test lint  ## Lint, types and all tests; ARGS goes to pytest.
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/.installed-for-development  ## Lint, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-for-development packages-for-bench  ## Quorate beside its peers, in ten minutes; ARGS="--full --output docs" measures all for docs/PERFORMANCE.md.
	$(BIN)/python -m benchmarks $(ARGS)

storage: $(VENV)/.installed-for-development  ## What checkpoints, fetching a state, and disks cost; docs/RELIABILITY.md has figures.
	$(BIN)/python -m benchmarks.checkpoints
	$(BIN)/python -m benchmarks.transfer
	$(BIN)/python -m benchmarks.room

campaign: $(VENV)/.installed-for-development  ## Ten minutes of simulated worlds; goes on where the last one ended; report in build/campaign.
	$(BIN)/quorate campaign --seconds 600 --output build/campaign --mix $(ARGS)

chaos: $(VENV)/.installed packages-for-chaos  ## Ten minutes of kills, pauses, cut links and damaged files for real processes; ARGS="--seconds 60 --seed 7".
	nice -n 10 $(BIN)/quorate chaos --seconds 600 $(ARGS)

fuzz: $(VENV)/.installed-for-development  ## Ten minutes of bytes that nobody meant, for all that reads some; ARGS="--seconds 60 replica" chooses.
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]' || true
	cd tests && ../$(BIN)/python -m fuzz.run $(ARGS)

compiled: $(VENV)/.installed-for-development  ## The rules compiled with mypyc, in build/compiled, for those who simulate much (docs/COMPILED.md).
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[compiled]"
	$(BIN)/python tools/compile.py build/compiled
	$(BIN)/pytest tests/sim/test_compiled.py
	@echo "compiled; use it so: PYTHONPATH=$(CURDIR)/build/compiled $(BIN)/quorate sim --seeds 0:1000"

clean:  ## Remove the virtual environment and what tools have cached. Clusters' folders stay.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------------- Python packages

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing Quorate and its dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-for-development: pyproject.toml | $(BIN)/python
	@echo "installing Quorate, its dependencies and its tests' into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Quorate needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt_install,python3-venv)
	@$(PYTHON) -m venv $(VENV)

# ---------------------------------------------------------------------------------------------- Debian packages

.PHONY: packages-for-test packages-for-bench packages-for-chaos

packages-for-test: packages-for-chaos
	@{ type -P redis-server && type -P redis-benchmark; } >/dev/null || $(call apt_install,redis-server redis-tools)

packages-for-chaos:
	@type -P ip >/dev/null || [ "$$(id -u)" != 0 ] || $(call apt_install,iproute2)  # else what needs it is skipped

packages-for-bench: packages-for-test
	@type -P etcd >/dev/null || $(call apt_install,etcd-server) || $(call apt_install,etcd)

# Install Debian packages when run by root, and keep their services from starting meanwhile; else say what to do.
define apt_install
{ \
  if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
    echo "$(1) is missing: run \`sudo apt-get install $(1)\`, then make again" >&2; exit 1; \
  fi; \
  echo "installing $(1)"; \
  policy=/usr/sbin/policy-rc.d; \
  if [ ! -e $$policy ]; then \
    printf '#!/bin/sh\nexit 101\n' > $$policy && chmod +x $$policy; trap "rm -f $$policy" EXIT; \
  fi; \
  export DEBIAN_FRONTEND=noninteractive; \
  apt-get update -qq && apt-get install -y -qq --no-install-recommends $(1) >/dev/null; \
}
endef

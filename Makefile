# Every task of the project. `make` alone lists them.
# Needs Python 3.11 or later and make; Node 20 or later for the browser and Node clients.
# Everything lands in .venv; an activated environment of yours is neither used nor changed.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_USER PIP_REQUIRE_VIRTUALENV
export PYTHONDONTWRITEBYTECODE := 1

VENV := .venv
BIN := $(VENV)/bin
NODE := tests/integration/node
WORKSPACE ?= examples/shop/workspace
# The demo storefront belongs to its own workspace.
SHOP ?= $(if $(filter examples/shop/workspace,$(WORKSPACE)),examples/shop/site)
SEED ?=
ARGS ?=

.PHONY: help setup run test test-all check fmt sim mutations kills bench docs release clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed .stamps/node .stamps/sdk .stamps/browser ## Set up all that the other tasks need

run: $(VENV)/.installed ## Start Segue with the demo shop and simulated shoppers
	@exec env -u PYTHONDONTWRITEBYTECODE $(BIN)/segue run $(WORKSPACE) $(if $(SHOP),--shop $(SHOP)) $(ARGS)

test: setup ## Run all tests, the simulator's swarm and the slow ones excepted
	$(BIN)/pytest -n 2 --dist=worksteal -m "not slow" $(ARGS)

test-all: setup ## Run the slow tests too, with coverage
	$(BIN)/coverage erase
	$(BIN)/pytest -n 2 --dist=worksteal --cov --cov-report= $(ARGS)
	$(BIN)/coverage report

check: $(VENV)/.installed ## Format, lint, types, floors, tidy rules: under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q tests/tidy

fmt: $(VENV)/.installed ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

sim: $(VENV)/.installed ## Simulate and audit worlds on all cores; SEED=… tells one as a story
	$(BIN)/python -m segue.sim.run $(if $(SEED),--seed $(SEED)) $(ARGS)

mutations: $(VENV)/.installed ## Plant each known bug: simulated worlds have to find it; ARGS=--help
	$(BIN)/python tests/sim/mutations $(ARGS)

kills: $(VENV)/.installed ## Kill the real process under load, 200 times; ARGS=… says how often
	$(BIN)/python tests/sim/kills.py $(ARGS)

bench: $(VENV)/.installed ## Run the benchmarks and keep their results
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.installed ## Write the generated reference pages again
	$(BIN)/python docs/generate.py

release: check test-all ## Build the wheel and the source archive, and try the wheel
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m zipfile -t dist/*.whl

clean: ## Remove everything that the tasks made
	rm -rf $(VENV) .stamps build dist coverage .coverage* $(NODE)/node_modules web/sdk/node_modules web/sdk/dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ── what the tasks stand on ──

# The environment, from the locked requirements. uv makes it faster where it is installed.
$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || .ci/find-python -m venv $(VENV)
	@if command -v uv >/dev/null && uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt; then :; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --no-build-isolation --editable .
	@touch $@

# Real SDKs for Node and the browser, which the tests of ingestion drive. Not `npm ci`: it refuses
# a lock that leaves out optional parts made for other platforms; the versions are the lock's.
.stamps/node: $(wildcard $(NODE)/package.json $(NODE)/package-lock.json)
	@mkdir -p .stamps
	@if [ ! -f $(NODE)/package.json ]; then :; \
	elif ! command -v npm >/dev/null; then echo "npm is not installed: the tests with Node clients are skipped"; \
	else cd $(NODE) && npm install --no-save --no-fund --no-audit --ignore-scripts --loglevel=error; fi
	@touch $@

# What the browser SDK is built and tested with; the built file itself is in the repository.
.stamps/sdk: web/sdk/package.json web/sdk/package-lock.json
	@mkdir -p .stamps
	@if ! command -v npm >/dev/null; then echo "npm is not installed: the browser SDK's own tests are skipped"; \
	else npm --prefix web/sdk ci --no-fund --no-audit --silent; fi
	@touch $@

# A browser for the end-to-end tests. Installed only where that asks nobody: as root, on Debian.
.stamps/browser:
	@mkdir -p .stamps
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; then \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 \
	  || echo "Chromium could not be installed: the tests in a browser are skipped"; \
	else echo "Chromium is not installed: the tests in a browser are skipped"; fi
	@touch $@

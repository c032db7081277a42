# Every developer and CI action. `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin
BENCH ?=
DRILL ?=
IMAGES ?=

.DEFAULT_GOAL := help
.PHONY: help setup check format test test-fast bench demo drill images wire clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/installed  ## Make the environment in .venv (every other target does it first)

# The stamp makes it free of charge until what it depends on changes.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else "snowmode needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

check: setup  ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup  ## Run every test, a file a core
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-fast: setup  ## Run the tests that take no more than a few seconds each
	$(BIN)/pytest -m 'not slow'

bench: setup  ## Measure: all, or one with BENCH=classify; rows go to build/bench.json
	$(BIN)/python -m tests.benchmarks $(BENCH)

demo: setup  ## See it all once: synthetic winters, training, serving, classification, pictures
	$(BIN)/python -m training.demo build/demo

images:  ## Build the container images with docker or buildah: all, or IMAGES="client sidecar"
	@$(PYTHON) docker/build_images.py $(IMAGES)

drill: setup  ## Break servers, database, disks and programs under load; count the frames. One with DRILL=kill-one
	$(BIN)/python -m tests.drill $(addprefix --only ,$(DRILL))

wire: setup  ## Compile serving/protocol/*.proto into wire.desc
	$(BIN)/python -m serving.protocol.compile

clean:  ## Remove what the targets above made, except the environment
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

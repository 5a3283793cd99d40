# Every target makes its own .venv first; nothing but Python 3.11+ has to be installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help venv lock demo dev test check bench chaos compat mutation

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(READY)  ## Make .venv from the lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "OmniNode needs Python 3.11 or later: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lock: $(READY)  ## Write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --all-extras \
		--python-version 3.11 --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

demo: $(READY)  ## Process real webhooks with a local AI model, end to end, and report
	$(BIN)/omninode demo

dev: $(READY)  ## Run servers, worker, beat, relay, Flower and exporter until Ctrl-C
	$(BIN)/omninode dev

test: $(READY)  ## Run every test against real servers, three files at a time
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: $(READY)  ## Lint, type-check, check the rooms and the compose file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	REDIS_PASSWORD=a POSTGRES_PASSWORD=b OMNINODE_EXPORTER_TOKEN=c GRAFANA_PASSWORD=d \
		$(BIN)/podman-compose --podman-path /usr/bin/env config > /dev/null

bench: $(READY)  ## Measure, always beside a peer in the same run
	for file in bench/*.py; do $(BIN)/python $$file || exit 1; done

chaos: $(READY)  ## Kill what can be killed, and see that nothing is lost
	$(BIN)/python -m pytest -s tests/chaos
	OMNINODE_TEST_COUNTED_TASKS=100000 $(BIN)/python -m pytest tests/acceptance/test_counts.py --timeout 1200
	$(BIN)/python -m tests.chaos.transport

compat: $(READY)  ## Run Celery's own integration tests on stock Celery and on OmniNode, and compare
	$(BIN)/python -m tests.compat

mutation: $(READY)  ## Change the circuit breakers' rules one by one, and count what no test notices
	$(BIN)/python -m tests.mutation

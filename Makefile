# The commands of this project; each makes what it needs. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find agent_config_sync migrations sql -type f -not -name '*.pyc') pyproject.toml README.md \
	index.js openclaw.plugin.json package.json
GATEWAY_VERSION ?= 2026.9.6
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint test-gateway test-install mutants bench docs format clean

help:  ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(VENV)/wheel  ## Show the main job: SQL in, a file out (ARGS=--once ends by itself)
	@$(BIN)/agent-config-sync demo $(ARGS)

test: $(VENV)/wheel $(VENV)/test  ## Run the tests on the built wheel and a real PostgreSQL
	@$(BIN)/pytest $(ARGS)

lint: $(VENV)/wheel $(VENV)/test $(VENV)/lint  ## Check style, types, layers and shell scripts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh' '*.bash' '*.bats')

test-gateway: $(VENV)/wheel $(VENV)/test  ## Run the tests on a real OpenClaw gateway from npm
	@VERSION=$(GATEWAY_VERSION) tests/gateway/install_gateway.sh
	@AGENT_CONFIG_SYNC_TEST_GATEWAY=$(CURDIR)/.gateway/$(GATEWAY_VERSION) $(BIN)/pytest tests/gateway $(ARGS)

test-install: $(VENV)/wheel  ## Run install.sh as a person does, and kill it at every step (bats, strace, a real OpenClaw)
	@command -v bats >/dev/null && command -v strace >/dev/null || \
		{ echo "test-install needs bats and strace: apt install bats strace" >&2; exit 1; }
	@VERSION=$(GATEWAY_VERSION) tests/gateway/install_gateway.sh
	@AGENT_CONFIG_SYNC_TEST_GATEWAY=$(CURDIR)/.gateway/$(GATEWAY_VERSION) bats $(ARGS) tests/install

mutants: $(VENV)/wheel $(VENV)/test  ## Take out each invariant and see its test fail
	@PYTHONPATH=tests $(BIN)/python -m mutants.run $(ARGS)

bench: $(VENV)/wheel  ## Measure commit to durable file against a bare floor
	@$(BIN)/python benchmarks/commit_to_file.py $(ARGS)

bench-idle: $(VENV)/wheel  ## Measure processor and memory while nothing happens, for 10 minutes
	@$(BIN)/python benchmarks/idle.py $(ARGS)

docs: $(VENV)/wheel  ## Generate docs/configuration.md from the settings
	@$(BIN)/python -m agent_config_sync.cli.reference > docs/configuration.md

format: $(VENV)/lint  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## Remove everything that was made here
	@rm -rf $(VENV) .gateway build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "agent-config-sync needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "this Python cannot make virtual environments: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) and installing what is needed (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@touch $@

# Everything runs on the built wheel, as a user's installation does, never on the tree.
$(VENV)/wheel: $(VENV)/made $(SOURCES)
	@rm -rf dist build/wheel
	@$(BIN)/pip wheel --quiet --no-deps --wheel-dir build/wheel .
	@$(BIN)/pip install --quiet --force-reinstall --no-deps build/wheel/*.whl
	@$(BIN)/pip install --quiet "$$(ls build/wheel/*.whl)[demo]"
	@touch $@

$(VENV)/test $(VENV)/lint: $(VENV)/%: $(VENV)/made pyproject.toml
	@$(BIN)/pip install --quiet --group $*
	@touch $@

# The commands of this project; each makes what it needs. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find agent_config_sync migrations sql -type f -not -name '*.pyc') pyproject.toml README.md \
	index.js openclaw.plugin.json package.json
GATEWAY_VERSION ?= 2026.9.6
EARLIER_GATEWAY := 2026.7.1
FIRST_WITH_TOOLS := 2026.5.12
EVERY_GATEWAY := $(GATEWAY_VERSION) 2026.8.1 $(EARLIER_GATEWAY) $(FIRST_WITH_TOOLS) 2026.3.13 2026.2.9
GATEWAY_BRIEFLY := $(addprefix tests/gateway/test_,row_to_running_config.py processes.py signal.py prompt.py responses.py)
SIDE_BY_SIDE := --numprocesses auto --dist loadfile
ARGS ?=

# Install one version of the gateway and run tests on it: $(call on-gateway,VERSION,TESTS)
on-gateway = VERSION=$(1) tests/gateway/install_gateway.sh && \
	AGENT_CONFIG_SYNC_TEST_GATEWAY=$(CURDIR)/.gateway/$(1) $(BIN)/pytest $(2) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help demo test coverage lint test-gateway test-gateway-all test-browser test-http test-faults test-deploy \
	test-install screenshots mutants chaos chaos-delivery soak bench bench-applied bench-idle docs format clean

help:  ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

# Write one lock file, for all platforms and every Python that pyproject.toml allows: $(call locked,NAME,OPTIONS)
locked = build/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --output-file requirements/$(1).lock $(2) pyproject.toml

demo: $(VENV)/wheel  ## Show the main job: SQL in, a file out (ARGS=--once ends by itself)
	@$(BIN)/agent-config-sync demo $(ARGS)

test: $(VENV)/wheel $(VENV)/test  ## Run the tests on the built wheel and a real PostgreSQL
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

coverage: $(VENV)/wheel $(VENV)/test  ## Run the tests and see which lines and branches they reach (95 % or more)
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run $(BIN)/pytest --quiet $(SIDE_BY_SIDE) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

lint: $(VENV)/wheel $(VENV)/test $(VENV)/lint  ## Check style, types, layers and shell scripts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck .ci/run $$(git ls-files '*.sh' '*.bash' '*.bats')

test-gateway: $(VENV)/wheel $(VENV)/test  ## Run the tests on real OpenClaw gateways from npm, three versions
	@VERSION=$(EARLIER_GATEWAY) tests/gateway/install_gateway.sh
	@$(call on-gateway,$(GATEWAY_VERSION),tests/gateway)
	@$(call on-gateway,$(EARLIER_GATEWAY),$(GATEWAY_BRIEFLY))
	@$(call on-gateway,$(EARLIER_GATEWAY),tests/gateway/test_delivery.py -k three_rounds)
	@$(call on-gateway,$(FIRST_WITH_TOOLS),tests/gateway/test_delivery.py -k three_rounds)

test-gateway-all: $(VENV)/wheel $(VENV)/test  ## Run them on every version that is known, about an hour
	@for version in $(EVERY_GATEWAY); do VERSION=$$version tests/gateway/install_gateway.sh || exit; done
	@for version in $(EVERY_GATEWAY); do $(call on-gateway,$$version,tests/gateway) || exit; done

test-browser: $(VENV)/wheel $(VENV)/test  ## Use the pages as people do, in Chromium, with a real OpenClaw behind them
	@tests/browser/install_axe.sh
	@VERSION=$(GATEWAY_VERSION) tests/gateway/install_gateway.sh
	@$(call on-gateway,$(GATEWAY_VERSION),tests/browser)

test-http: $(VENV)/wheel $(VENV)/test  ## Ask the endpoints whatever their OpenAPI document allows, and what it does not
	@$(BIN)/pytest tests/http $(ARGS)

screenshots: $(VENV)/wheel $(VENV)/test  ## Take the pictures of the pages for README.md
	@$(BIN)/pytest --quiet tests/browser/screenshots.py $(ARGS)

test-faults: $(VENV)/wheel $(VENV)/test  ## Run the tests that break servers, disks and processes; needs root, pgbouncer and strace
	@$(BIN)/pytest $(SIDE_BY_SIDE) tests/faults $(ARGS)

test-deploy: $(VENV)/wheel $(VENV)/test  ## Check metrics, alerts, units and containers with promtool and systemd-analyze
	@for tool in promtool:prometheus systemd-analyze:systemd; do command -v $${tool%:*} >/dev/null || \
		{ echo "make test-deploy needs $${tool%:*}: apt install $${tool#*:}" >&2; exit 1; }; done
	@$(BIN)/pytest tests/deploy $(ARGS)

test-install: $(VENV)/wheel  ## Run install.sh as a person does, and kill it at every step (bats, strace, a real OpenClaw)
	@command -v bats >/dev/null && command -v strace >/dev/null || \
		{ echo "test-install needs bats and strace: apt install bats strace" >&2; exit 1; }
	@VERSION=$(GATEWAY_VERSION) tests/gateway/install_gateway.sh
	@AGENT_CONFIG_SYNC_TEST_GATEWAY=$(CURDIR)/.gateway/$(GATEWAY_VERSION) bats $(ARGS) tests/install

mutants: $(VENV)/wheel $(VENV)/test  ## Take out each invariant and see its test fail
	@PYTHONPATH=tests $(BIN)/python -m mutants.run $(ARGS)

chaos: $(VENV)/wheel $(VENV)/test  ## Take 10,000 random steps of operators, faults and restarts (STEPS=, SEED=)
	@PYTHONPATH=tests $(BIN)/python tests/chaos/run.py $(STEPS:%=--steps %) $(SEED:%=--seed %)

chaos-delivery: $(VENV)/wheel $(VENV)/test  ## Deliver 2,000 notifications while processes and gateways fall (NOTIFICATIONS=, PROCESSES=, SEED=)
	@PYTHONPATH=tests $(BIN)/python tests/chaos/delivery.py $(NOTIFICATIONS:%=--notifications %) \
		$(PROCESSES:%=--processes %) $(SEED:%=--seed %)

soak: $(VENV)/wheel $(VENV)/test  ## Change and break things for 10 minutes and see memory and descriptors stay (MINUTES=)
	@PYTHONPATH=tests $(BIN)/python benchmarks/soak.py $(MINUTES:%=--minutes %)

bench: $(VENV)/wheel $(VENV)/test  ## Measure commit to durable file, to applied, and workspaces, each against a bare floor
	@$(BIN)/python benchmarks/commit_to_file.py $(ARGS)
	@$(MAKE) --no-print-directory bench-applied ARGS=
	@$(BIN)/python benchmarks/workspaces.py
	@$(BIN)/python benchmarks/board.py
	@$(BIN)/python benchmarks/delivery.py

bench-applied: $(VENV)/wheel $(VENV)/test  ## Measure commit to applied against a bare mv, on a real gateway
	@VERSION=$(GATEWAY_VERSION) tests/gateway/install_gateway.sh
	@AGENT_CONFIG_SYNC_TEST_GATEWAY=$(CURDIR)/.gateway/$(GATEWAY_VERSION) PYTHONPATH=tests \
		$(BIN)/python benchmarks/commit_to_applied.py $(ARGS)

bench-idle: $(VENV)/wheel  ## Measure processor and memory while nothing happens, for 10 minutes
	@$(BIN)/python benchmarks/idle.py $(ARGS)

bench-outages: $(VENV)/wheel $(VENV)/test  ## Measure how soon a silent link is found, and an outage is over
	@PYTHONPATH=tests $(BIN)/python benchmarks/outages.py $(ARGS)

docs: $(VENV)/wheel  ## Generate docs/configuration.md, templates.md, tools.md and openclaw.plugin.json from the code
	@$(BIN)/python -m agent_config_sync.cli.reference > docs/configuration.md
	@$(BIN)/python -m agent_config_sync.cli.template_reference > docs/templates.md
	@$(BIN)/python -m agent_config_sync.cli.tool_reference > docs/tools.md
	@$(BIN)/python -m agent_config_sync.cli.manifest > openclaw.plugin.json

lock:  ## Pin anew what is installed here: the newest versions that pyproject.toml allows
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet uv
	@$(call locked,run,--group build --extra demo)
	@$(call locked,test,--group build --extra demo --group test --constraint requirements/run.lock)
	@$(call locked,lint,--group build --extra demo --group test --group lint --constraint requirements/test.lock)

audit: $(VENV)/lint  ## Ask whether anything that is pinned has a known weakness
	@requirements/audit.sh $(BIN)/pip-audit requirements/lint.lock

format: $(VENV)/lint  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## Remove everything that was made here
	@rm -rf $(VENV) .gateway build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "agent-config-sync needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "this Python cannot make virtual environments: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) and installing what is needed (once)" >&2
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# What is installed is pinned, hashes and all; `make lock` makes the files anew from pyproject.toml.
$(VENV)/run $(VENV)/test $(VENV)/lint: $(VENV)/%: requirements/%.lock $(VENV)/made
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Everything runs on the built wheel, as a user's installation does, never on the tree.
$(VENV)/wheel: $(VENV)/run $(SOURCES)
	@rm -rf dist build/wheel
	@$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	@$(BIN)/pip install --quiet --force-reinstall --no-deps build/wheel/*.whl
	@touch $@

# `make` lists the targets. Each one sets up what it needs, once; the second time costs nothing.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALL := scripts/install.sh
SOURCES := setup.cfg pyproject.toml constraints.txt $(INSTALL)

# Arguments for the command behind a target: make serve ARGS="--port 8000"
ARGS ?=

# Tests run side by side, a file at a time: `auto` is one process more than there are cores, `logical` one for each.
# `ARGS="-n 0 -s"` runs them one by one, and shows what they print.
# Tests start hundreds of Python processes, which would each compile the source where the variable is set.
PYTEST := env PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=10

# The revision that `make bench-builds` compares the present one with.
OLD ?= HEAD~1

# How long `make chaos` and `make soak` go on, and how many requests a second `make soak` sends.
MINUTES ?= 10
RATE ?= 170

# An environment holds absolute paths, so one that came here with a copied tree is stale.
ifneq ($(shell cat $(VENV)/.root 2>/dev/null),$(CURDIR))
STALE := stale
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install serve observe observe-logs test test-unit test-integration test-e2e check format bench bench-fleet bench-peers bench-scale
.PHONY: bench-hands bench-access bench-edges bench-plain bench-logs bench-weights bench-builds bench-choices chaos soak clients models hostile deploy-check docs house build release clean stale

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

$(VENV)/.serve: $(SOURCES) $(STALE)
	@$(INSTALL) serve

$(VENV)/.dev: $(SOURCES) $(STALE)
	@$(INSTALL) dev

install: $(VENV)/.dev  ## Install everything this machine can use, and the development tools

serve: $(VENV)/.serve  ## Start Athena; pass options with ARGS="..."
	@exec $(VENV)/bin/athena serve $(ARGS)

observe: $(VENV)/.serve  ## The same with Prometheus and Alertmanager; ATHENA_PORT=8000 make observe
	@exec scripts/observe.sh $(VENV)/bin/athena serve $(ARGS)

observe-logs: $(VENV)/.dev  ## Try docs/logs.md with a real log store (VictoriaLogs, built by Go; skipped without)
	@scripts/install-victoria-logs.sh || { [ $$? -eq 3 ]; exit; }; exec $(PYTHON) -m tests.log_store

test: $(VENV)/.dev  ## Run all tests
	@scripts/install-chromium.sh
	@scripts/install-clients.sh cheap
	@scripts/install-cc.sh
	@scripts/install-prometheus.sh
	@scripts/install-systemd.sh
	@exec $(PYTEST) $(ARGS)

test-unit: $(VENV)/.dev  ## Run the tests that start no other process
	@exec $(PYTEST) -n logical tests/unit $(ARGS)

test-integration: $(VENV)/.dev  ## Run the tests against a real Redis, which they start
	@scripts/install-cc.sh
	@scripts/install-prometheus.sh
	@scripts/install-systemd.sh
	@exec $(PYTEST) tests/integration $(ARGS)

test-e2e: $(VENV)/.dev  ## Run the tests that start the whole of Athena
	@scripts/install-chromium.sh
	@scripts/install-clients.sh cheap
	@scripts/install-cc.sh
	@scripts/install-prometheus.sh
	@exec $(PYTEST) tests/e2e $(ARGS)

check: $(VENV)/.dev  ## Check style and types
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

format: $(VENV)/.dev  ## Format the code and fix what can be fixed
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

bench: $(VENV)/.dev  ## Measure the overhead of gateway, queue and dispatcher
	@scripts/install-wrk.sh
	@$(PYTHON) -m benchmarks.noop $(ARGS)
	@$(PYTHON) -m benchmarks.ocr $(ARGS)
	@$(PYTHON) -m benchmarks.models
	@$(PYTHON) -m benchmarks.dispatch

bench-fleet: $(VENV)/.dev  ## Measure how a simulated fleet of 16 GPUs is kept busy
	@scripts/install-cc.sh
	@exec $(PYTHON) -m benchmarks.fleet $(ARGS)

bench-peers: $(VENV)/.dev  ## Measure Athena beside LitServe, mosec, BentoML, Ray Serve and Flask + Celery
	@scripts/install-peers.sh
	@exec $(PYTHON) -m benchmarks.peer_bench $(ARGS)

bench-scale: $(VENV)/.dev  ## Measure how far one Redis goes: make bench-scale ARGS=idle
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.scale $(ARGS)

bench-choices: $(VENV)/.dev  ## Measure what some choices cost: make bench-choices ARGS=aof
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.choices $(ARGS)

bench-builds: $(VENV)/.dev  ## Measure two revisions side by side: make bench-builds OLD=34af608
	@scripts/install-wrk.sh
	@scripts/install-cc.sh
	@exec $(PYTHON) -m benchmarks.builds --old $(OLD) $(ARGS)

bench-calls: $(VENV)/.dev  ## Count the system calls of one call, in each process
	@exec $(PYTHON) -m benchmarks.one_call.system_calls $(ARGS)

bench-hands: $(VENV)/.dev  ## Draw how one call changes hands in two revisions: make bench-hands OLD=34af608
	@$(PYTHON) -m benchmarks.one_call.hand_overs --old $(OLD) $(ARGS)
	@$(PYTHON) -m benchmarks.report

bench-access: $(VENV)/.dev  ## Measure what keys and signatures cost
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.access $(ARGS)

bench-edges: $(VENV)/.dev  ## Measure what quotas and TLS cost
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.edges $(ARGS)

bench-plain: $(VENV)/.dev  ## Measure what the plain form costs beside the envelope
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.plain $(ARGS)

bench-logs: $(VENV)/.dev  ## Measure what the access log, lines of JSON and traces cost
	@scripts/install-wrk.sh
	@exec $(PYTHON) -m benchmarks.logs $(ARGS)

bench-weights: $(VENV)/.dev  ## Measure what two workers of one large model hold
	@exec $(PYTHON) -m benchmarks.weights $(ARGS)

clients: $(VENV)/.dev  ## Try real HTTP clients, proxies and load tools, and renew the table in docs/clients.md
	@scripts/install-clients.sh
	@exec $(PYTHON) -m tests.clients --write $(ARGS)

models: $(VENV)/.dev  ## Serve models of packages, and compare each with a plain script
	@exec $(PYTHON) -m tests.models $(ARGS)

hostile: $(VENV)/.dev  ## Attack a gateway while somebody else calls it
	@exec $(PYTHON) -m tests.hostile $(ARGS)

chaos: $(VENV)/.dev  ## Break things at random under load: make chaos MINUTES=10
	@exec $(PYTHON) -m tests.chaos --minutes $(MINUTES) $(ARGS)

soak: $(VENV)/.dev  ## Ordinary load, and what each process takes: make soak MINUTES=60 RATE=170
	@exec $(PYTHON) -m tests.soak --minutes $(MINUTES) --rate $(RATE) $(ARGS)

deploy-check: $(VENV)/.dev  ## Try images, Compose, systemd and the rest for real, and say what could not be had
	@exec deploy/check/run.sh $(ARGS)

docs: $(VENV)/.dev  ## Renew the pages that are written from the code
	@exec $(PYTHON) -m tests.pages

house: $(VENV)/.dev  ## Print the sizes of files and functions, comments, documentation
	@exec $(PYTHON) -m tests.house

build: $(VENV)/.dev  ## Build the wheel into dist/
	@rm -rf build
	@$(PYTHON) -m build --wheel

release: $(VENV)/.dev  ## Make what a version is shipped as, in dist/VERSION: make release ARGS="--with bundle,images"
	@exec scripts/release.sh $(ARGS)

clean:  ## Remove the environments, caches and builds; .athena/, the data, stays
	@rm -rf $(VENV) .bench .tools build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -path ./.git -prune -o -path ./.athena -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

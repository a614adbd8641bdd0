# The commands of a developer; `make` alone lists them.
# Programs of .venv run as modules: the first line of a console script breaks at a long path.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python

.PHONY: help setup setup-dev run manage test test-unit test-js check lint fmt lock bench soak clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv with the packages of `make run` (PYTHON=... chooses the interpreter)
	@exec sh devstack/setup.sh run

setup-dev:
	@exec sh devstack/setup.sh dev

run: setup ## Start the whole stack in the foreground (PORT=8000); Ctrl-C stops it
	@exec $(PY) -m devstack run

manage: setup ## Run a management command on the stack of `make run` (ARGS="check_subscriptions --repair")
	@exec $(PY) -m devstack manage -- $(ARGS)

test: setup-dev ## Run all tests; starts a temporary PostgreSQL and Redis (ARGS="tests/e2e -k chain")
	@exec $(PY) -m devstack exec -- $(PY) -m devstack.commands suite $(ARGS)

test-unit: setup-dev ## Run the unit tests, without servers (ARGS="-k placement")
	@exec $(PY) -m pytest tests/unit $(ARGS)

test-js: setup-dev ## Run the tests of the browser code with Node
	@exec $(PY) -m devstack.commands js

check: ## Run lint, then test, as CI does
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

lint: setup-dev ## Check locks, format, rules, types, import contracts and migrations
	@exec $(PY) -m devstack exec -- $(PY) -m devstack.commands lint

fmt: setup-dev ## Format all Python code and fix the rules that ruff can fix
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

lock: setup-dev ## Resolve requirements*.txt to hashed lock files, after each change
	@exec $(PY) -m devstack.commands lock

bench: setup-dev ## Run the benchmarks, with one table at the end (ARGS=placement; ARGS="--against DIR" for another checkout)
	@exec $(PY) -m devstack exec --durable -- $(PY) -m devstack.commands bench $(ARGS)

soak: setup-dev ## Break the stack for hours and report recovery times and violations (ARGS="chaos --minutes 30")
	@exec $(PY) -m devstack exec --durable -- $(PY) -m devstack.commands soak $(ARGS)

clean: ## Remove .venv, .run and all data of the local stack
	@exec sh devstack/clean.sh

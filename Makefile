# One short command per chore; `make` alone lists them.
# Programs of the environment run as modules: a console script's first line breaks at long paths.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python

.PHONY: help setup setup-dev run test check lint lock bench soak clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: ## Make .venv with what `make run` needs (PYTHON=... chooses the interpreter)
	@exec sh devstack/setup.sh run

setup-dev:
	@exec sh devstack/setup.sh dev

run: setup ## Start the whole stack in the foreground (PORT=8000); Ctrl-C stops it
	@exec $(PY) -m devstack run

test: setup-dev ## Run the whole suite on servers of its own
	@exec $(PY) -m devstack exec -- $(PY) -m devstack.commands suite $(ARGS)

check: ## What CI runs: lint, then test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test

lint: setup-dev ## Check locks, format, rules, types, layers and migrations
	@exec $(PY) -m devstack exec -- $(PY) -m devstack.commands lint

lock: setup-dev ## Resolve requirements*.txt to hashed lock files, after a change of them
	@exec $(PY) -m devstack.commands lock

bench: setup-dev ## Measure every promise in benchmarks/
	@exec $(PY) -m devstack exec --durable -- $(PY) -m devstack.commands bench $(ARGS)

soak: setup-dev ## Kill and restart for hours, and give figures (ARGS="kills --runs 20")
	@exec $(PY) -m devstack exec --durable -- $(PY) -m devstack.commands soak $(ARGS)

clean: ## Remove .venv, .run and all data of the local stack
	@exec sh devstack/clean.sh

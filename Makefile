# Everything a person or a CI job runs is a target here; the work is in scripts/.
SHELL := bash
run = . scripts/environment &&
FUZZTIME ?= 30s

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench chaos fuzz emulators live build clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: ## install and build all that demo and test need, below .cache except for system packages
	@scripts/setup

demo: ## keys from real tokens into LocalStack and our emulators of three clouds, proven, with the inventory
	@$(run) scripts/setup demo && scripts/demo

test: ## lint, vet, every test (with the race detector but for e2e), known vulnerabilities; a summary of what was left out
	@scripts/test

lint: ## the pinned linter over everything
	@$(run) scripts/setup-tools golangci-lint && golangci-lint run ./...

bench: setup ## what docs/benchmarks.md shows, as ratios in one run, and writes it anew
	@scripts/bench

chaos: setup ## kill the program KILLS times (1000) while it brings keys to every target, and all other faults; SEED repeats a run
	@scripts/chaos "$(KILLS)" "$(SEED)"

fuzz: ## every fuzz target for FUZZTIME (30s)
	@scripts/fuzz $(FUZZTIME)

emulators: ## start the emulators until ^C; exports and the targets of a config go to .cache/emulators
	@$(run) go run ./cmd/localclouds --out .cache/emulators

live: ## the live checklist's automatic part, against the accounts of KEYFERRY_LIVE_CONFIG
	@scripts/live

build: ## bin/keyferry
	@$(run) go build -o bin/ ./cmd/keyferry

clean: ## remove what was built and cached here; Go's read-only module cache too
	@chmod -R u+w .cache 2>/dev/null; rm -rf .cache bin

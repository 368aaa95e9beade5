# Two commands are enough: `make demo` and `make test`. Everything else is listed by `make help`.

SHELL := /bin/bash
CARGO ?= cargo
GANTLINE := target/debug/gantline
# histories of a Pipeline that the simulator plays
SIMULATE ?= 20000

.PHONY: help demo test lint unit e2e test-cluster bench release install tools clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools ## build, run the story's stage on this machine, print the URL and three things to try
	@echo "Building gantline (the first time takes some minutes: about 700 crates) ..."
	@$(CARGO) build --quiet --bin gantline
	@$(GANTLINE) demo $(ARGS)

test: lint unit e2e ## everything that decides whether a change may land

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --quiet --workspace --all-targets -- -D warnings
	@xtask/check-dependencies

unit: tools
	SIMULATE=$(SIMULATE) $(CARGO) test --quiet --workspace --exclude e2e

e2e: tools ## the black-box suite against the built binary, on the sandbox (or on E2E_KUBECONFIG)
	$(CARGO) build --quiet --bin gantline
	$(CARGO) test --quiet -p e2e
	$(GANTLINE) demo --unattended

test-cluster: tools ## the same suite on a real Kubernetes API server, built from Go modules (needs Go)
	@e2e/run-on-cluster

bench: ## measure beside the real programs, where they are installed (bench/scale: thousands of Applications)
	@bench/run

release: tools ## the optimised binary, target/release/gantline
	$(CARGO) build --release --bin gantline

install: release ## put it on PATH (BINDIR=, PREFIX= and DESTDIR= say where)
	@BINDIR="$(BINDIR)" PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" xtask/install target/release/gantline

tools:
	@xtask/check-tools

clean:
	$(CARGO) clean

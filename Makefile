# The two commands of the README are `make demo` and `make test`; the rest is what they are made of.
SHELL := /bin/bash
ORDERS ?= 2000
FAULTS ?= 0.10
SEED ?= 1
ARGS ?=
# embedded, or kafka: on a broker and a registry that are started for it, or on those that the environment names.
LOG ?= embedded
SECONDS_EACH ?= 60
SECONDS_EACH_IN_TEST ?= 4
SEEDS ?=
SIMULATE_SECONDS ?= 150
SIMULATE_SECONDS_NIGHTLY ?= 1800

# Always all packages at once: with some, cargo chooses other features of what they share, and compiles all of it again.
ALL := --locked --workspace
# Every suite of integration-tests, by name: choosing that package alone would be another choice of features.
SUITES := $(addprefix --test ,$(sort $(basename $(notdir $(wildcard integration-tests/tests/*.rs))) \
	$(notdir $(patsubst %/main.rs,%,$(wildcard integration-tests/tests/*/main.rs)))))
# Those that do more every night than with every change; integration-tests/budgets.toml says how much.
NIGHTLY := kafka_full_disk kafka_outages kafka_service kill
.PHONY: help demo test nightly build lint deny unit simulate fuzz system doc bench schema-version clean-cache

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: build ## the whole line on this machine: ORDERS, FAULTS, SEED, LOG=kafka, ARGS="--data-dir D --keep-running"
	@source scripts/env.sh && $(if $(filter kafka,$(LOG)),scripts/kafka-demo.sh,"$$CARGO_TARGET_DIR/debug/orderstream") \
		demo --orders $(ORDERS) --faults $(FAULTS) --seed $(SEED) $(ARGS)

build: ## the binary
	@scripts/setup.sh
	@source scripts/env.sh && cargo build $(ALL) --bins

test: ## every test, with its set-up
	@scripts/setup.sh
	@$(MAKE) --no-print-directory lint deny unit system simulate
	@$(MAKE) --no-print-directory fuzz SECONDS_EACH=$(SECONDS_EACH_IN_TEST)

nightly: ## faults on real processes in their full numbers, and half an hour of simulation
	@scripts/setup.sh
	@source scripts/env.sh && cargo build $(ALL) --bins && ORDERSTREAM_BUDGET=nightly \
		ORDERSTREAM__GATEWAY__LISTEN= ORDERSTREAM_BIN="$$CARGO_TARGET_DIR/debug/orderstream" cargo test $(ALL) \
		$(addprefix --test ,$(NIGHTLY)) -- --test-threads=1 --nocapture
	@$(MAKE) --no-print-directory simulate SIMULATE_SECONDS=$(SIMULATE_SECONDS_NIGHTLY)

lint: ## format and clippy, warnings denied; shell scripts; the Dockerfiles
	@source scripts/env.sh && cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings
	@shellcheck scripts/*.sh .ci/run packaging/docker/*.sh
	@scripts/hadolint.sh Dockerfile packaging/docker/registry.Dockerfile

deny: ## licences, sources and duplicate crates of all dependencies
	@scripts/deny.sh

unit: ## the tests of every crate
	@source scripts/env.sh && cargo test $(ALL) --exclude integration-tests

simulate: ## the pipeline in a world that fails by seed: SEEDS=n, else as many as fit in SIMULATE_SECONDS; ARGS="--seed N" plays one again
	@scripts/setup.sh
	@source scripts/env.sh && cargo build $(ALL) --bins && "$$CARGO_TARGET_DIR/debug/orderstream-simulate" \
		$(or $(ARGS),$(if $(SEEDS),--seeds $(SEEDS),--seconds $(SIMULATE_SECONDS)))

fuzz: ## looks for inputs that a decoder cannot take: SECONDS_EACH of each target
	@scripts/fuzz.sh $(SECONDS_EACH)

system: ## the whole system on real files and processes
	@scripts/python.sh >/dev/null
	@source scripts/env.sh && cargo build $(ALL) --bins && \
		ORDERSTREAM__GATEWAY__LISTEN= ORDERSTREAM_BIN="$$CARGO_TARGET_DIR/debug/orderstream" cargo test $(ALL) $(SUITES) -- --test-threads=1

bench: ## throughput, latency, cost, memory, start-up, and growth with cores, as tables and as JSON; and the processors against the last commit
	@scripts/bench.sh $(ARGS)

doc: ## the generated parts of docs/, and config/orderstream.toml
	@source scripts/env.sh && cargo build $(ALL) --bins && "$$CARGO_TARGET_DIR/debug/orderstream" docs --write docs

schema-version: ## a version of every contract that changed, if all are compatible
	@source scripts/env.sh && cargo build $(ALL) --bins && "$$CARGO_TARGET_DIR/debug/orderstream" docs --schema-versions schemas/history

clean-cache: ## removes what builds keep outside the clone
	rm -rf "$${ORDERSTREAM_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/orderstream}"

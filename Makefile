# What one runs here. `make test` is everything that CI runs; it installs what it needs when it may, and says what it
# had to leave out. NOTHING_LEFT_OUT=1 makes that an error.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help test lint demo demo-down bench soak tools cluster cluster-up cluster-down lab-up lab-down

CARGO ?= cargo
# Where cargo builds.
TARGET = $(shell $(CARGO) metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
# Programs that tests run, and the packages that bring them.
TOOLS := sudo:sudo dash:dash bash:bash busybox:busybox mksh:mksh setfattr:attr
# The same for real hosts; see tests/lab.
TOOLS += systemd-nspawn:systemd-container mmdebstrap:mmdebstrap iptables:iptables ip:iproute2 ssh:openssh-client gpg:gpg openssl:openssl python3:python3
# Seconds that each fuzz target gets in `make test`.
LIONS_FUZZ_SECONDS ?= 10
export LIONS_FUZZ_SECONDS

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' "$(firstword $(MAKEFILE_LIST))" | while IFS=$$'\t' read -r name what; do \
	  printf '  make %-12s %s\n' "$$name" "$$what"; done

test: tools cluster lint ## everything: format, lints, all tests, a short fuzz, a smoke run of the benchmarks
	$(CARGO) test --no-fail-fast
	$(CARGO) test --bench plan --bench cluster -- --quick
	@benches/hosts/run.py "$(TARGET)/debug/lions" --hosts 2 --rounds 1 || { [ $$? = 69 ] && echo "the benchmark on real hosts" >> target/left-out; }
	@ended=0; tests/lab/demo.sh "$(TARGET)/debug/lions" || ended=$$?; \
	if [ $$ended = 69 ]; then echo "make demo" >> target/left-out; else tests/lab/demo.sh down; exit $$ended; fi
	@if [ -n "$$(cat target/left-out 2>/dev/null)" ]; then \
	  printf '\n*** LEFT OUT: %s\n' "$$(tr '\n' ' ' < target/left-out)"; \
	  if [ -n "$${NOTHING_LEFT_OUT:-}" ]; then rm -f target/left-out; exit 1; fi; \
	else printf '\nnothing was left out\n'; fi; rm -f target/left-out

# A real Kubernetes for tests: built once a machine, in the background while the project compiles. Tests wait for it.
cluster:
	@mkdir -p target; setsid nice -n 10 tests/lab/cluster/build.sh > target/cluster-build.log 2>&1 < /dev/null &

cluster-up: ## the real Kubernetes of the tests, to look around in; it stays until cluster-down
	@tests/lab/cluster/cluster.sh up

cluster-down: ## takes it away again
	@tests/lab/cluster/cluster.sh down

lint: ## format and lints
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

tools:
	@mkdir -p target; rm -f target/left-out; for tool in $(TOOLS); do \
	  program="$${tool%%:*}"; package="$${tool##*:}"; \
	  command -v "$$program" > /dev/null && continue; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    echo "installing $$package"; \
	    apt-get install -y -q --no-install-recommends "$$package" > /dev/null || { apt-get update -q > /dev/null && apt-get install -y -q --no-install-recommends "$$package" > /dev/null; } || true; \
	  fi; \
	  command -v "$$program" > /dev/null || echo "tests that need $$program" >> target/left-out; \
	done

demo: tools cluster ## three bare hosts become a cluster with components, on this machine; needs root
	$(CARGO) build
	@tests/lab/demo.sh "$(TARGET)/debug/lions" || { [ $$? = 69 ] && echo "this machine cannot have such hosts: see above"; }

demo-down: ## takes the hosts of the demo away again
	@tests/lab/demo.sh down

bench: ## benchmarks, in full
	$(CARGO) bench
	$(CARGO) build --release
	benches/hosts/run.py "$(TARGET)/release/lions" --others

soak: ## long random runs; the seed is printed
	LIONS_MANIFESTS=$${LIONS_MANIFESTS:-1000} LIONS_KILLS=$${LIONS_KILLS:-100} PROPTEST_CASES=$${PROPTEST_CASES:-20000} \
	  LIONS_FUZZ_SECONDS=$${SOAK_SECONDS:-600} $(CARGO) test --release -- --nocapture

lab-up: tools ## three real hosts to try things on: tests/lab/hosts/README.md
	tests/lab/hosts/lab up 3

lab-down: ## and away with them
	tests/lab/hosts/lab down

# Everything that is run by hand or by CI. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/waflows-operator
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny
VERSION = $(shell awk -F '"' '$$1 == "version = " { print $$2; exit }' Cargo.toml)
IMAGE = waflows-operator:$(VERSION)
# The first engine that answers: a docker client may be there without its daemon.
ENGINE = $(shell for engine in docker podman buildah; do $$engine info >/dev/null 2>&1 && echo $$engine && break; done)
BUILD_IMAGE = $(or $(ENGINE),$(error install docker, podman or buildah)) build

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole operator at work on this machine, beside a real API server; KEEP=1 leaves it up
	@tests/control-plane/build etcd kubectl kube-controller-manager kube-apiserver
	cargo build --locked -p demo -p waflows-operator
	@cargo run --quiet --locked -p demo -- $(if $(KEEP),--keep)

.PHONY: run
run: ## the operator on the cluster of your kubeconfig and Meta's Graph API (first: kubectl apply -f crds/)
	cargo run --locked -p waflows-operator -- run --http-address 127.0.0.1:8080 $(ARGS)

.PHONY: test
test: tools $(CARGO_DENY) ## all checks: format, clippy, dependencies, and every test, on a real API server
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO_DENY) --locked check bans licenses sources
	cargo test --workspace --locked

.PHONY: tools
tools: ## build the programs of the test control plane (about 9 minutes the first time; needs Go)
	@tests/control-plane/build

.PHONY: generate
generate: ## write what is made from the Rust code: crds/ and the tables in docs/
	WAFLOWS_GENERATE=1 cargo test --quiet --locked -p waflows-operator --test generated

.PHONY: image
image: ## build the container image with docker, podman or buildah (IMAGE=registry/name:tag)
	$(BUILD_IMAGE) --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD || echo unknown) \
		--build-arg SOURCE=$(SOURCE) $(IMAGE_FLAGS) .

.PHONY: chart
chart: ## write what the chart has from elsewhere: its copy of crds/ and its README
	cp crds/flowsencryptionkeys.waflows.dev.yaml charts/waflows-operator/files/crd.yaml
	tests/chart/tools/run helm-docs --chart-search-root charts --sort-values-order file --log-level warning

.PHONY: chart-lint
chart-lint: tools ## lint the chart and the Dockerfile, and run the chart's unit tests
	tests/chart/lint

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

$(CARGO_DENY):
	@echo "cargo-deny $(CARGO_DENY_VERSION) is missing, building it into $(CARGO_DENY_ROOT) (some minutes, once)…"
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet --root $(CARGO_DENY_ROOT)

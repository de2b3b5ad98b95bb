# Everything that is run by hand or by CI. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/waflows-operator
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := $(CACHE)/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny
CARGO_FUZZ_VERSION := 0.13.2
CARGO_FUZZ_ROOT := $(CACHE)/cargo-fuzz-$(CARGO_FUZZ_VERSION)
CARGO_FUZZ := $(CARGO_FUZZ_ROOT)/bin/cargo-fuzz
CARGO_MUTANTS_VERSION := 27.1.0
CARGO_MUTANTS_ROOT := $(CACHE)/cargo-mutants-$(CARGO_MUTANTS_VERSION)
CARGO_MUTANTS := $(CARGO_MUTANTS_ROOT)/bin/cargo-mutants
CARGO_CYCLONEDX_VERSION := 0.5.9
CARGO_CYCLONEDX_ROOT := $(CACHE)/cargo-cyclonedx-$(CARGO_CYCLONEDX_VERSION)
CARGO_CYCLONEDX := $(CARGO_CYCLONEDX_ROOT)/bin/cargo-cyclonedx
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# python FILE: the folder of a Python environment with what this file lists.
python = $(CACHE)/python-$(firstword $(shell cksum < $(1)))
PYTHON_LINTERS := $(call python,tests/chart/tools/python/requirements.txt)
WORKFLOW_LINTER := $(call python,.ci/python/workflows.txt)
SITE_TOOLS := $(call python,.ci/python/site.txt)
VERSION = $(shell awk -F '"' '$$1 == "version = " { print $$2; exit }' Cargo.toml)
IMAGE = waflows-operator:$(VERSION)
EMULATOR_IMAGE = graph-emulator:$(VERSION)
# The first engine that answers: a docker client may be there without its daemon.
ENGINE = $(shell for engine in docker podman buildah; do $$engine info >/dev/null 2>&1 && echo $$engine && break; done)
BUILD_IMAGE = $(or $(ENGINE),$(error install docker, podman or buildah)) build

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole operator at work on this machine, beside a real API server; KEEP=1 leaves it up
	@support/control-plane/build etcd kubectl kube-controller-manager kube-apiserver
	cargo build --locked -p demo -p waflows-operator
	@cargo run --quiet --locked -p demo -- $(if $(KEEP),--keep)

.PHONY: run
run: ## the operator on the cluster of your kubeconfig and Meta's Graph API (first: kubectl apply -f crds/)
	cargo run --locked -p waflows-operator -- run --http-address 127.0.0.1:8080 $(ARGS)

.PHONY: check
check: ## what needs neither Go nor a network: format, clippy, and the tests of core, keys and the operator's own code
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --locked -p waflows-core -p waflows-key -p waflows-probe
	cargo test --locked -p waflows-operator --lib --test purity --test house --test generated

.PHONY: test
test: tools $(CARGO_DENY) ## all checks: format, clippy, dependencies, and every test, on a real API server
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO_DENY) --locked check bans licenses sources
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml > /dev/null # its lock file is up to date
	tests/chart/lint
	cargo test --workspace --locked

.PHONY: deny
deny: $(CARGO_DENY) ## check the licences and sources of the crates
	$(CARGO_DENY) --locked check bans licenses sources

.PHONY: workflows
workflows: $(WORKFLOW_LINTER)/installed ## lint the workflows of GitHub
	GOWORK=off go run $(ACTIONLINT)
	$(WORKFLOW_LINTER)/bin/zizmor --offline --quiet .github

.PHONY: advisories
advisories: $(CARGO_DENY) ## look up known vulnerabilities of the crates (downloads RustSec's list)
	$(CARGO_DENY) --locked check advisories
	$(CARGO_DENY) --locked --manifest-path fuzz/Cargo.toml check advisories

.PHONY: soak
soak: SEED := $(shell date +%s)
soak: TEST := cargo test --profile soak --locked -p
soak: tools ## the random tests with new seeds for longer (MINUTES=60: an hour of changes), then the wide models (half an hour)
	@echo "The seed is $(SEED)."
	WAFLOWS_SIMULATION_HISTORIES=100000 WAFLOWS_SIMULATION_SEED=$(SEED) $(TEST) waflows-core --lib every_history
	PROPTEST_CASES=50000 PROPTEST_RNG_SEED=$(SEED) $(TEST) waflows-operator --lib leader::simulation
	PROPTEST_RNG_SEED=$(SEED) $(TEST) waflows-core --lib properties
	WAFLOWS_SPEC_SECONDS=$$(($(or $(MINUTES),30) * 60)) WAFLOWS_SPEC_SEED=$(SEED) $(TEST) waflows-operator --test specs --test faults -- --nocapture
	WAFLOWS_MODEL=wide $(TEST) waflows-operator --test model -- --nocapture

.PHONY: rotations
rotations: tools ## rotations under the traffic of simulated WhatsApp clients, with troubles from 200 seeds (SEEDS=20: fewer)
	WAFLOWS_ROTATION_SEEDS=$(or $(SEEDS),200) cargo test --workspace --locked --test rotation gated -- --nocapture

.PHONY: bench
bench: ## measure speed and cost on this machine (docs/performance.md); ARGS="a b2k" runs some scenarios only
	@support/control-plane/build etcd kubectl kube-controller-manager kube-apiserver
	CARGO_TARGET_DIR=target/shipped .ci/release-build
	cargo build --release --locked -p graph-emulator
	cd tools/bench/peer && go build -trimpath -o ../../../target/peer .
	@cargo run --release --locked -p bench -- --operator target/shipped/release/waflows-operator --peer target/peer $(ARGS)

.PHONY: tools
tools: ## build the programs of the test control plane (about 9 minutes the first time; needs Go)
	@support/control-plane/build

.PHONY: generate
generate: ## write what is made from the Rust code: crds/, the tables in docs/, and the table of bad inputs
	WAFLOWS_GENERATE=1 cargo test --quiet --locked -p waflows-operator --test generated
	WAFLOWS_GENERATE=1 cargo test --quiet --locked -p waflows-operator --test check bad_inputs

.PHONY: record
record: tools ## write docs/argocd/testdata, docs/session.svg and the golden tables: what is reported in each situation
	WAFLOWS_GENERATE=1 cargo test --quiet --locked --test verbs -- session status
	WAFLOWS_GENERATE=1 cargo test --quiet --locked --test cluster gitops::situations
	WAFLOWS_GENERATE=1 cargo test --quiet --locked --test cluster gitops::recordings

.PHONY: image
image: ## build the container image with docker, podman or buildah (IMAGE=registry/name:tag)
	$(BUILD_IMAGE) --tag $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD || echo unknown) \
		--build-arg CREATED="$$(git log -1 --format=%cI)" --build-arg SOURCE=$(SOURCE) \
		--build-arg BASE_NAME=$$(.ci/base-image runtime) $(IMAGE_FLAGS) .

.PHONY: emulator-image
emulator-image: ## build the image of the emulator of Meta's API, for docs/quickstart.md (EMULATOR_IMAGE=registry/name:tag)
	$(BUILD_IMAGE) --tag $(EMULATOR_IMAGE) --target emulator $(IMAGE_FLAGS) .

.PHONY: bundle
bundle: ## one archive with all that an installation without a network needs, for this platform (.ci/bundle)
	$(MAKE) image sbom
	ENGINE=$(ENGINE) IMAGE=$(IMAGE) .ci/bundle target/bundle

.PHONY: chart
chart: ## write what the chart has from elsewhere (its copy of crds/, its README), and what is made of it (install/)
	@support/control-plane/build helm
	cp crds/flowsencryptionkeys.waflows.dev.yaml charts/waflows-operator/files/crd.yaml
	install/render crds > install/crds.yaml
	install/render operator > install/operator.yaml
	install/render monitoring > install/components/monitoring/monitoring.yaml
	WAFLOWS_GENERATE=1 cargo test --quiet --locked -p waflows-operator --test chart olm
	tests/chart/tools/run helm-docs --chart-search-root charts --sort-values-order file --log-level warning

.PHONY: chart-lint
chart-lint: $(PYTHON_LINTERS)/installed ## lint the chart and the Dockerfile, also with linters from PyPI
	@support/control-plane/build helm
	CHECKOV=$(PYTHON_LINTERS)/bin/checkov HADOLINT=$(PYTHON_LINTERS)/bin/hadolint tests/chart/lint

.PHONY: site
site: $(SITE_TOOLS)/installed ## build the documents as a site into target/site, and check every link
	PYTHON=$(SITE_TOOLS)/bin/python .ci/site

.PHONY: release-check
release-check: workflows ## check what can be checked of a release before it is made (TAG=v0.1.0: with its tag)
	.ci/release-check "$${TAG-}"

.PHONY: node-test
node-test: ## the chart in real pods, on a node of its own; needs Linux and root (tests/node/README.md)
	tests/node/run

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## fuzz with nightly Rust, each target for SECONDS=60 (TARGETS="key answer": only those)
	@CARGO_FUZZ=$(CARGO_FUZZ) fuzz/run $(or $(SECONDS),60) $(TARGETS)

.PHONY: mutants
mutants: $(CARGO_MUTANTS) ## change the code in small ways and see that a test fails (hours; FILES="crates/core/src/number/criteria.rs": minutes)
	@CARGO_MUTANTS=$(CARGO_MUTANTS) tools/mutants $(FILES)

.PHONY: sbom
sbom: $(CARGO_CYCLONEDX) ## write target/waflows-operator.cdx.json: what the binary is made of, as CycloneDX (TARGET=aarch64-unknown-linux-gnu)
	@CARGO_CYCLONEDX=$(CARGO_CYCLONEDX) .ci/sbom $(TARGET)

.PHONY: reproducible
reproducible: ## build the release binary twice, in two folders, and compare
	.ci/reproducible

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

$(CARGO_DENY):
	@echo "cargo-deny $(CARGO_DENY_VERSION) is missing, building it into $(CARGO_DENY_ROOT) (some minutes, once)…"
	cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet --root $(CARGO_DENY_ROOT)

# Python programs, each list in an environment of its own.
$(PYTHON_LINTERS)/installed: tests/chart/tools/python/requirements.txt
$(WORKFLOW_LINTER)/installed: .ci/python/workflows.txt
$(SITE_TOOLS)/installed: .ci/python/site.txt
$(PYTHON_LINTERS)/installed $(WORKFLOW_LINTER)/installed $(SITE_TOOLS)/installed:
	@echo "The programs of $< are missing, installing them into $(@D) (a minute or two, once)…"
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	touch $@

$(CARGO_FUZZ):
	@echo "cargo-fuzz $(CARGO_FUZZ_VERSION) is missing, building it into $(CARGO_FUZZ_ROOT) (once)…"
	cargo install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --quiet --root $(CARGO_FUZZ_ROOT)

$(CARGO_MUTANTS):
	@echo "cargo-mutants $(CARGO_MUTANTS_VERSION) is missing, building it into $(CARGO_MUTANTS_ROOT) (some minutes, once)…"
	cargo install cargo-mutants --version $(CARGO_MUTANTS_VERSION) --locked --quiet --root $(CARGO_MUTANTS_ROOT)

$(CARGO_CYCLONEDX):
	@echo "cargo-cyclonedx $(CARGO_CYCLONEDX_VERSION) is missing, building it into $(CARGO_CYCLONEDX_ROOT) (some minutes, once)…"
	cargo install cargo-cyclonedx --version $(CARGO_CYCLONEDX_VERSION) --locked --quiet --root $(CARGO_CYCLONEDX_ROOT)

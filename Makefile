# A newcomer needs two commands: make demo and make test. Each installs what it
# needs into .tools/, which git ignores.

TOOLS    := $(CURDIR)/.tools
LINT     := $(TOOLS)/bin/golangci-lint-2.15.0
FUZZTIME ?= 10s
BENCHCOUNT ?= 6

EGCTL    := v1.9.1

.PHONY: help demo test interop bench compare load stats lint release build fuzz clean docs api mutate fairness scale deploy-test manifests golden

help: ## this list
	@echo "A newcomer needs make demo and make test. All targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## runs a real Envoy, doorward, an MCP server and a client (ONCE=1 ends by itself)
	@./envoy/install
	@mkdir -p bin
	@echo "Building doorward and the demo (the first time takes a minute or two) ..."
	@go build -trimpath -o bin/ ./cmd/doorward ./cmd/demo
	@./bin/demo $(if $(ONCE),-once) $(DEMO_FLAGS)

test: ## every test: unit, Rego, fuzz seeds, real Envoy, race detector on
	@./envoy/install
	@echo "Testing (the first time builds everything with the race detector: some minutes) ..."
	DOORWARD_REQUIRE_ENVOY=1 go test -race -timeout 15m ./...
	go test -run 'TestLimits|TestMemory' ./benchmarks/
	cd deploy/release && go test .
	@$(MAKE) --no-print-directory release DRY=1

interop: ## minutes: oidc-provider (Node), Keycloak and Spring (Java 17, Maven), zitadel/oidc, lighttpd and PHP, the MCP SDKs' readers (Node, Python), MCP servers that call an API (Python) or verify an assertion (Python, Java 17, Maven), MCP clients and the conformance suite through Envoy (Node, Python), Chromium, each skipped where missing; ONLY=oidc|keycloak|zitadel|spring|upstream|assertion|readers|messages|sdks|conformance|browser, KEEP=1, RECORD=1
	@./envoy/install
	@./envoy/interop/install $(or $(ONLY),oidc keycloak zitadel spring upstream assertion messages sdks)
	@echo "Building doorward and its environment (the first time takes a minute or two) ..."
	@go test -tags interop -run '^TestInterop$$' -count 1 -v -timeout $(if $(KEEP),0,30m) ./envoy/interop \
		-args $(if $(ONLY),-only $(ONLY)) $(if $(KEEP),-keep) $(if $(RECORD),-record) $(INTEROP_FLAGS)

lint: $(LINT) ## vet and the linters of .golangci.yml
	go vet ./...
	$(LINT) run ./...

bench: ## Check in process, hot and cold, its steps, and the bare signature (for benchstat)
	go test -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./benchmarks/

compare: ## the benchmarks of BASE and of the working tree, in turns: ratio, interval, allocations (BASE=commit)
	@go run ./benchmarks/compare -base "$(BASE)" $(COMPARE_FLAGS)

load: ## twenty minutes: what a Check costs, beside other services, through Envoy and while keys rotate or fail (QUICK=1, ONLY=part: into bin/load)
	@./envoy/install
	@go run ./benchmarks/load $(if $(QUICK),-quick) $(if $(ONLY),-only $(ONLY)) $(LOAD_FLAGS)

docs: ## writes the pages of docs/ that are generated from the code, and the configuration's part of the chart's schema
	@go run ./internal/dev/docs
	@go test -count 1 -run TestTheSchemaKnowsTheConfiguration ./deploy/helm -update

golden: ## quarter of an hour: what Istio and Envoy Gateway make of envoy/istio and envoy/gateway, for the tests
	@GOBIN=$(TOOLS)/bin go install github.com/envoyproxy/gateway/cmd/egctl@$(EGCTL)
	@cd envoy/generate && PILOT_ENABLE_AMBIENT=true go run -trimpath . -egctl $(TOOLS)/bin/egctl

api: ## writes the lists of exported declarations in internal/dev/api/testdata
	@go run ./internal/dev/api

mutate: ## runs the tests against changed code: BASE=commit, ALL=1 (hours; ONLY=folder/, JOURNAL=file) or PLANTED=1
	@go run ./internal/dev/mutate $(if $(BASE),-base $(BASE)) $(if $(ALL),-all) $(if $(PLANTED),-planted) $(if $(ONLY),-only $(ONLY)) $(if $(JOURNAL),-journal $(JOURNAL))

stats: ## code lines, exported names, wide lines (TESTS=1: cases and coverage too)
	@go run ./internal/dev/stats $(if $(TESTS),-tests)

fairness: ## two minutes: p99 of one issuer's new tokens during a flood of forgeries that name another issuer
	@go run ./benchmarks/fairness $(FAIRNESS_FLAGS)

scale: ## five minutes: check, start, reload, memory and a Check against the number of resources (SCALE_FLAGS="-numbers 1,20000")
	@go run ./benchmarks/scale $(SCALE_FLAGS)

deploy-test: ## the chart, its manifests and the systemd unit: helm, kubeconform with schemas of Kubernetes and of CRDs
	@./deploy/install
	DOORWARD_REQUIRE_DEPLOY_TOOLS=1 go test -count 1 ./deploy/helm ./deploy/systemd ./internal/dev/schemas

manifests: ## writes deploy/kubernetes from the chart
	@./deploy/install
	@go test -count 1 -run TestManifestsAreCurrent ./deploy/helm -update

release: ## archives, image, bill of materials, checksums into bin/release (VERSION=v1.0.0; DRY=1: one of each, not kept)
	@cd deploy/release && go run . -root ../.. -out ../../bin/release $(if $(DRY),-dry) $(if $(VERSION),-version $(VERSION))

build: ## bin/doorward
	go build -trimpath -o bin/ ./cmd/doorward

fuzz: ## every fuzz target for FUZZTIME each
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package; \
		done; done

clean:
	rm -rf bin .tools

$(LINT):
	@echo "Building golangci-lint into .tools (once, about a minute) ..."
	@mkdir -p $(TOOLS)/bin
	@GOBIN=$(TOOLS)/bin/tmp go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(TOOLS)/bin/tmp/golangci-lint $@ && rmdir $(TOOLS)/bin/tmp

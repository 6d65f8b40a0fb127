# Everything that is done with this tree. Needs Go, git and make; servers and the
# linter are installed by scripts/ when they are missing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DEMO_SECONDS ?= 60
FUZZTIME ?= 10s
BENCH_OUT ?= bench.txt
BENCH_FLAGS ?=
POSTGRES_VERSIONS ?= 13 14 15 16 17 18
STRESS_VERSIONS ?= 15 18
STRESS_FLAGS ?=

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What the tests must find, so that none is skipped for want of a server. MySQL
# counts once it is there: not every mirror has it.
REQUIRE = TAILSTOCK_TEST_REQUIRE=postgres,redis,mariadb$(if $(wildcard .servers/mysql),$(comma)mysql)
comma := ,

# SQLite is C translated to Go. Its own accesses to memory are not ours to check,
# and under the race detector it is several times slower. Only that package: others
# make copies of the generic code of sync.Map and the like, of which the linker takes
# any for all, and unchecked ones report races that there are not.
UNCHECKED = -gcflags='modernc.org/sqlite/lib=-race=false'

##@ Use

.PHONY: help
help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/tailstock: static, stripped
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/tailstock ./cmd/tailstock

.PHONY: demo
demo: servers build ## See stock follow a private ERP for DEMO_SECONDS seconds (60)
	DEMO_SECONDS=$(DEMO_SECONDS) bin/tailstock demo

##@ Check

.PHONY: test
test: servers mysql ## Vet, then run every test, crash loops included
	go vet ./...
	go vet -tags failpoint ./...
	$(REQUIRE) go test -timeout 20m ./...

# The cases look at what rows come to. Whole daemons are checked for races end to end.
.PHONY: race
race: servers servers-build mysql ## Run the tests under the race detector, without the long loops
	$(REQUIRE) go test -race $(UNCHECKED) -short -timeout 20m $$(go list ./... | grep -v /internal/cases)

.PHONY: lint
lint: tools ## Run the linters and look for unformatted files
	.tools/golangci-lint run ./...
	.tools/golangci-lint fmt --diff ./...

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME (10s)
	FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: bench
bench: servers ## Measure whole processes, write the table to BENCH_OUT (bench.txt); BENCH_FLAGS are passed on
	go run ./internal/bench -out $(BENCH_OUT) $(BENCH_FLAGS)

.PHONY: test-postgres-versions
test-postgres-versions: servers postgres-versions ## Run the source's tests against PostgreSQL 13 to 18, and the stress tests against 15 and 18
	for version in $(POSTGRES_VERSIONS); do \
		echo "PostgreSQL $$version"; \
		$(REQUIRE) TAILSTOCK_TEST_POSTGRES=$$version go test -count=1 ./sources/postgres; \
	done
	for version in $(STRESS_VERSIONS); do \
		echo "stress on PostgreSQL $$version"; \
		$(REQUIRE) TAILSTOCK_TEST_POSTGRES=$$version go test -count=1 -run '^TestStress' ./internal/endtoend $(STRESS_FLAGS); \
	done

##@ Install

.PHONY: servers
servers: ## Install PostgreSQL, MariaDB and Redis for tests and demo
	@scripts/install-servers postgres mariadb redis

.PHONY: mysql
mysql: ## Unpack MySQL 9 into .servers for tests, and go on without it if it cannot be had
	-@scripts/install-mysql

.PHONY: servers-build
servers-build:
	@scripts/install-servers build

.PHONY: tools
tools: ## Install the linter into .tools
	@scripts/install-tools

.PHONY: postgres-versions
postgres-versions: ## Install PostgreSQL 13 to 18 for test-postgres-versions (needs npm)
	@scripts/install-postgres-versions

.PHONY: clean
clean: ## Remove what make built and installed in this tree
	rm -rf bin .tools .servers bench.txt scripts/postgres-versions/node_modules

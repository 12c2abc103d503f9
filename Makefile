# Two commands do everything: `make demo` and `make test`.

GO      ?= go
BIN     := bin/galley
# One static binary: no cgo, no paths, no build id, so that it is the same
# wherever it is built.
LDFLAGS := -s -w -buildid= $(if $(VERSION),-X github.com/galleyhq/galley/internal/cli.release=$(VERSION))
# Tools are pinned in a module of their own; the product's go.mod stays small.
TOOL    := $(GO) tool -modfile=.ci/tools/go.mod

.PHONY: build demo test vet unit matrices race lint fmt docs release-snapshot parity corpus-share acceptance kills openstackclient clients \
	listings-check test-chefserver chefnode bench bench-deps bench-fetch bench-converge fuzz clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/galley

# The main job on the embedded cloud, as a newcomer would type it.
demo:
	@echo "Compiling Galley (a minute or two the first time) ..."
	@$(MAKE) --no-print-directory build
	@sh testdata/demo.sh $(BIN)

# All tests. CI calls this.
test: lint vet unit race

# Test binaries without debugging information are linked in half the time;
# traces of panics do not need it.
GOTEST = $(GO) test -ldflags='-s -w'
unit matrices race: export TMPDIR = $(shell sh testdata/scripts/tmpdir.sh)

unit:
	$(GOTEST) -timeout 20m ./...

# Every call of every kill and fault matrix, where "make unit" takes each sixth.
matrices:
	GALLEY_MATRIX=full $(GOTEST) -timeout 60m -run 'AtEveryCall' ./internal/cli

# With -short the kill and fault matrices run in part, and the documentation
# not at all: both start programs whose races the other tests would show. A
# program with the detector sleeps for a second at its end unless told otherwise.
race: export GORACE = atexit_sleep_ms=10
race:
	$(GOTEST) -race -short -timeout 30m ./...

vet:
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...

# What every change must pass beside the tests.
lint:
	$(GO) mod tidy -diff
	$(TOOL) golangci-lint run
	@out=$$($(TOOL) deadcode -test ./... | grep -v 'func: .*\.\(M\|Unm\)arshalJSON'); if [ -n "$$out" ]; then echo "unreachable:"; echo "$$out"; exit 1; fi

fmt:
	$(TOOL) gofumpt -w .

# The generated part of docs/: commands and configuration keys. A test of
# internal/cli fails where it is stale.
docs:
	GALLEY_WRITE_DOCS=1 $(GO) test -count=1 -run TestReference ./internal/cli

# All packages of a release, built here and not published.
release-snapshot:
	sh testdata/scripts/release.sh

# The run that a cloud must pass, embedded or real: with OS_* set it goes
# against that cloud, else against an embedded one that it starts.
acceptance: build
	sh testdata/acceptance.sh $(BIN)

# Creates that are ended at random moments, on the cloud of OS_*, with the stock
# client's lists before and after. KILLS is how many.
KILLS ?= 30
kills:
	GALLEY_TEST_KILLS=$(KILLS) $(GO) test ./internal/cli -run TestKilledOnARealCloud -v -timeout 3h

# The stock client against the embedded cloud, where it is installed.
openstackclient: build
	sh testdata/scripts/openstackclient.sh $(BIN)

# gophercloud's own acceptance tests against embedded clouds: a table of what
# passes of each service. SERVICES chooses some.
clients: build
	sh testdata/scripts/clients.sh $(BIN) $(SERVICES)

# What talks to a Chef Server, against a real one: goiardi, in memory on a free
# port of this machine. Installed where apt-get can.
test-chefserver:
	sh testdata/scripts/chefserver.sh $(GO)

# A server that becomes a node of a real Chef Server and goes again, on the
# cloud of OS_* or an embedded one. CHEFNODE_ADDRESS is an address of this
# machine that the cloud's guests reach.
chefnode: build
	sh testdata/scripts/chefnode.sh $(BIN)

# Galley's listings and networks beside the stock client's answers: with OS_*
# set on that cloud, else on an embedded one.
listings-check: build
	sh testdata/scripts/listings.sh $(BIN)

# What Test Kitchen makes of real kitchen files, beside what Galley does:
# CORPUS is a folder with compare.py, kitchen/ and expected/.
parity: build
	@test -n "$(CORPUS)" || { echo "CORPUS=DIR is needed: a folder with kitchen/ and expected/"; exit 1; }
	python3 $(or $(COMPARE),$(CORPUS)/../parity/compare.py) $(abspath $(BIN)) $(CORPUS)/kitchen $(CORPUS)/expected

# The share of the Ruby interpreter's statements that real files run: those of
# CORPUS and the forms in internal/ruby/testdata. At least 60 %.
corpus-share:
	@test -n "$(CORPUS)" || { echo "CORPUS=DIR is needed: a folder with kitchen/, expected/ and knife/"; exit 1; }
	@sh testdata/scripts/corpus-share.sh $(abspath $(CORPUS))

FUZZTIME ?= 1m
fuzz:
	sh testdata/scripts/fuzz.sh $(FUZZTIME)

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./internal/config/... ./internal/ruby/... ./internal/fetch/... ./internal/bootstrap/...

# galley fetch beside curl, gzip and requests, as ratios of one run.
SIZE ?= 512M
bench-fetch: build
	$(GO) test ./internal/testing/bench -count=1 -run TestFetch -timeout 0 -v -galley $(abspath $(BIN)) -size $(SIZE)

# galley deps beside chef-cli and Berkshelf, where they are installed.
bench-deps: build
	$(GO) test ./internal/testing/bench -count=1 -run TestDeps -timeout 0 -v -runs 3 -galley $(abspath $(BIN))

# A converge, an upload and twenty machines at once, each beside what it is
# measured against, as ratios of one run.
N ?= 10
bench-converge:
	$(GO) test ./internal/cli -run '^$$' -bench 'NoChangeConverge|FirstUpload|SecondUpload' -benchtime $(N)x -timeout 30m
	$(GO) test ./internal/cli -run '^$$' -bench TwentyAtOnce -benchtime 2x -timeout 30m

clean:
	rm -rf bin dist

# What a developer and CI run. `make help` lists the targets.

GO ?= go
IMAGE ?= debian:6.12

.PHONY: help build test newest lint workflows exec matrix suite host libbpf vm vm-deps fuzz mutate bench man page release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

build: ## build bin/nkconform
	$(GO) build -o bin/nkconform ./cmd/nkconform

test: ## all tests, with the race detector
	$(GO) test -race ./...

newest: ## what leans on libraries, with the newest versions of these
	$(GO) test -modfile adapter/ciliumebpf/newest.mod ./adapter/... ./api/... ./intercept/... ./examples/...

lint: ## gofmt, vet (also for macOS and Windows) and staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./... # which also finds what go.mod's version of Go does not have yet
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

workflows: ## check the CI workflows
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

exec: ## unmodified programs on the simulated kernel
	scripts/exec.sh

matrix: ## the suite on every kernel of interest, with a report in bin/report
	$(GO) run ./cmd/nkconform matrix --report bin/report

suite: ## the suite on the fake
	$(GO) run ./cmd/nkconform run

host: ## the suite on the running kernel (as root)
	$(GO) run ./cmd/nkconform run --backend host

libbpf: build ## the suite through libbpf on the running kernel (as root)
	adapter/libbpf/build.sh bin/libbpf
	bin/nkconform run --backend testee:bin/libbpf/libbpf-testee --known adapter/libbpf/deviations.txt

vm: ## the suite on the kernel IMAGE, booted for it
	$(GO) run ./cmd/nkconform run --backend vm:$(IMAGE)

vm-deps: ## install what booting kernels needs (Debian, Ubuntu)
	scripts/vm-deps.sh

fuzz: ## a minute for every fuzz target
	@for t in $$(git grep -ho 'func Fuzz[A-Za-z]*' -- '*_test.go' | cut -c6-); do \
		d=$$(dirname $$(git grep -l "func $$t(" -- '*_test.go')); \
		$(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime 1m -fuzzminimizetime 5s ./$$d || exit 1; \
	done

mutate: ## small defects in the fake, to see whether the suite notices
	$(GO) run ./internal/mutate

bench: ## benchmarks of the fake, of interception and, as root, of the running kernel
	$(GO) test -run '^$$' -bench . -benchmem ./fake ./kernel ./api/link ./intercept/...

man: build ## manual pages in bin/man
	bin/nkconform commands | SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) -C internal/man run . $(CURDIR)/bin/man

page: build ## bin/page.html, the page with the simulated kernel in it, its tests in Chromium, and its code compiled with libbpf
	bin/nkconform explain --html bin/page.html
	NKCONFORM_LIBBPF=$(CURDIR)/bin/libbpf $(GO) test -count=1 -v -run CodeCompiles ./internal/picture
	NKCONFORM_PAGE=$(CURDIR)/bin/page.html $(GO) -C internal/browser test -count=1 -v ./...

release: ## what a release consists of, in dist, to try it
	scripts/release.sh

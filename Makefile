# Thin calls: what each does stands in scripts/ and crates/xtask.
.PHONY: setup build run test soak bench demo fmt
.DEFAULT_GOAL := build

setup: ## installs what is missing to build and run
	@scripts/setup.sh
build: setup ## target/release/docaiche, the site inside
	@cargo xtask build
run: ## setup, build, serve on http://localhost:4080 (DOCKER=no: without a Docker Engine)
	@scripts/run.sh
test: ## everything deterministic and a short form of the rest
	@scripts/test.sh
soak: ## floods, fuzzing and kills at full size
	@scripts/soak.sh
bench: ## every published figure
	@scripts/bench.sh
demo: ## talkative sample containers; scripts/demo.sh stop removes them
	@scripts/demo.sh
fmt: ## formats the Rust code
	@cargo fmt --all

# `make help` lists the targets. Each sets up what it needs; PYTHON chooses the interpreter. An active
# environment that has the package serves as it is, and nothing is installed into it.

PYTHON ?= python3
ACTIVE := $(firstword $(foreach folder,$(VIRTUAL_ENV) $(CONDA_PREFIX),$(dir $(wildcard $(folder)/bin/dpam))))
BIN := $(if $(ACTIVE),$(ACTIVE:%/=%),.venv/bin)
READY := $(if $(ACTIVE),,.venv/ready)
DEVELOP := $(if $(ACTIVE),has-tools,.venv/develop)
IN := PATH="$$(cd $(BIN) && pwd):$$PATH"
PIP := $(BIN)/pip install --quiet --progress-bar off --constraint envs/constraints.txt --editable
DEMO := workflow/presets/demo.yaml
# Where the demonstration lies, as its preset says.
DEMO_RESULTS := results/demo
# Its networks are too small to fill a processor: one core each, as many at a time as there are cores.
SIDE_BY_SIDE := --set-threads train=1 test=1 test_test_selected=1 map_quality=1 --resources gpu=64
DEMO_RUN := $(DEMO_RESULTS)/runs/demo_authentic/all/slic/split00/seed20

.DEFAULT_GOAL := help
.PHONY: has-tools help setup demo reruns docs test tutorial-test slurm-test fault-test lint bench bench-network bench-superpixels bench-packing bench-reading bench-joining bench-near-duplicates bench-scoring bench-start bench-threads bench-gpu slurm chromium pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nfor developers:\n'
	@awk -F ':.*##- ' '/^[a-z-]+:.*##- / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the pinned dependencies and the package

.venv/ready: pyproject.toml envs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is too old; Python 3.11 or later is needed: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into .venv: about 7 GB with PyTorch's CUDA libraries, a few minutes."
	@$(PYTHON) -m venv .venv
	@$(PIP) '.[pipeline,demo]'
	@touch $@

# What tests and checks need besides.
.venv/develop: .venv/ready
	@$(PIP) '.[dev]'
	@touch $@

has-tools:
	@test -x $(BIN)/ruff || { echo "make: $(BIN) lacks the tools for development; pip install -e '.[dev]'"; exit 1; }

demo: $(READY) ## run the whole pipeline on the demonstration data; some ten minutes
	@echo "The demonstration takes some ten minutes on two cores. Its results go to $(DEMO_RESULTS)."
	@$(IN) snakemake --configfile $(DEMO) $(SIDE_BY_SIDE)
	@echo
	@echo "The report: $(CURDIR)/$(DEMO_RESULTS)/report/index.html"
	@echo "Score a photograph of yours with the network just trained:"
	@echo "  $(BIN)/dpam predict PHOTO.jpg --checkpoint $(DEMO_RUN)/model.safetensors"

reruns: $(DEVELOP) ##- try each kind of change and write docs/reruns.md's table (minutes)
	@$(IN) OMP_NUM_THREADS=1 DPAM_WRITE_RERUNS=1 pytest -q tests/workflow/test_rerun_table.py

# One thread per worker: threads of several processes mostly wait for each other. Of the tests that
# need much memory, one runs at a time.
test: $(DEVELOP) ## run the tests
	@$(IN) OMP_NUM_THREADS=1 pytest -n auto --dist loadgroup -m "not slurm and not faults and not tutorial"

tutorial-test: $(DEVELOP) ##- do what README and docs say, on small data; also the ablation, a union, bench-gpu; minutes
	@$(IN) OMP_NUM_THREADS=1 pytest -q -m tutorial

slurm-test: slurm $(DEVELOP) ##- run profiles/slurm on a private Slurm (Debian, as root)
	@$(IN) OMP_NUM_THREADS=1 pytest -m slurm tests/cluster

# At most an hour; on two idle cores about a third of it. Kills run beside nothing else.
fault-test: $(DEVELOP) ##- break things on purpose; writes docs/reliability.md and results/faults.md
	@mkdir -p results
	@$(IN) OMP_NUM_THREADS=1 timeout 3600 \
	  pytest tests/faults -p no:cacheprovider -o junit_family=xunit1 --junitxml results/faults.xml; status=$$?; \
	  $(BIN)/python tests/faults/write_table.py docs/reliability.md results/faults.xml; exit $$status

lint: $(DEVELOP) ##- ruff, mypy, snakefmt, snakemake --lint, the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(IN) lint-imports

docs: $(DEVELOP) ##- make the pictures of README and docs/ from the finished demonstration
	$(BIN)/python docs/make.py $(DEMO_RESULTS)
	$(IN) python docs/diagrams.py

bench: bench-network bench-superpixels bench-packing bench-reading bench-joining bench-near-duplicates bench-scoring bench-start bench-threads ##- the benchmarks below but bench-gpu, an hour on two cores

bench-network: $(DEVELOP) ##- time and memory of the network, beside the reference
	$(BIN)/python benchmarks/network.py

bench-superpixels: $(DEVELOP) ##- time SLICO and the preparation of images beside OpenCV, on one core
	@$(PIP) '.[opencv]'
	$(BIN)/python benchmarks/superpixels.py

bench-packing: $(DEVELOP) ##- time and memory of packing 100 and 1,000 images
	$(IN) python benchmarks/packing.py

bench-reading: $(DEVELOP) ##- time reading training batches from a pack, beside a plain reader
	$(BIN)/python benchmarks/reading.py

bench-joining: $(DEVELOP) ##- join shards of a pack by copying, beside HDF5's virtual datasets
	$(BIN)/python benchmarks/joining.py

bench-near-duplicates: $(DEVELOP) ##- look for near-duplicates among 40,000 hashes, beside a plain search
	$(BIN)/python benchmarks/near_duplicates.py

bench-scoring: $(DEVELOP) ##- score photographs of 0.2 to 50 megapixels, beside pyiqa's networks where it is installed
	$(BIN)/python benchmarks/scoring.py

bench-start: $(DEVELOP) ##- what each command costs before it works
	$(BIN)/python benchmarks/start.py

bench-threads: $(DEVELOP) ##- a small network with one and two threads, on an idle and a busy machine
	$(BIN)/python benchmarks/threads.py

# Installs nothing: the machine with the GPU may have no network. What is missing there it names.
bench-gpu: ##- measure everything that a GPU is for, in eight minutes; one page in results/bench-gpu
	@$(IN) python3 -m benchmarks.gpu --output results/bench-gpu

slurm: ##- install Slurm for slurm-test, if it is not there (Debian, as root)
	@command -v slurmctld slurmd sbatch munged >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends munge slurm-client slurmctld slurmd >/dev/null; }

chromium: ##- install Chromium and bsdtar for the tests that need them (Debian, as root)
	@command -v chromium >/dev/null && command -v bsdtar >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium libarchive-tools >/dev/null; }

pins: $(DEVELOP) ##- write the versions now in .venv to envs/
	$(BIN)/pip freeze --exclude-editable --exclude dpam-iqa > envs/constraints.txt
	$(BIN)/python envs/render.py

clean: ## remove everything made, but not .venv; asks first
	@set -- $(filter-out results/README.md,$(wildcard results/* .snakemake)); [ $$# -gt 0 ] || { echo "nothing to remove"; exit 0; }; du -sh "$$@"; \
	  printf 'Remove all of it? yes or no: '; read answer; if [ "$$answer" = yes ]; then rm -rf "$$@"; fi

#!/usr/bin/env bash
# Snakemake runs this, in the folder of the Snakefile's working directory, after it has made the
# conda environment of dpam.yaml: it adds the package of this checkout.
set -o errexit -o nounset -o pipefail
python -m pip install --no-deps --editable .

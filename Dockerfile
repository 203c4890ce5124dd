# All that the jobs need, for machines without conda. For Apptainer, on a machine that has Docker:
#   docker build --tag dpam . && docker save dpam --output dpam.tar
#   apptainer build dpam.sif docker-archive:dpam.tar
# Put dpam.sif beside the Snakefile; `snakemake --sdm apptainer` then runs each job in it.
# Docker itself, so that what it writes is yours; in HOME, Snakemake, timm and numba keep their things:
#   docker run --rm --user "$(id -u):$(id -g)" --env HOME=/here --volume "$PWD:/here" --workdir /here dpam dpam ...
FROM python:3.12-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git libarchive-tools \
 && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE /dpam/
COPY envs/constraints.txt /dpam/envs/
COPY dpam /dpam/dpam
RUN pip install --no-cache-dir --constraint /dpam/envs/constraints.txt "/dpam[pipeline,demo,slurm,parquet]"
# The package of the folder that it is called in, if that is a checkout; else the one installed.
RUN printf '#!/bin/sh\nexec python -m dpam.cli "$@"\n' > /usr/local/bin/dpam
ENTRYPOINT []
CMD ["dpam", "--help"]

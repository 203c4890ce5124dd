# From a dataset as downloaded to a pack that training reads.


rule make_demo_data:
    output:
        directory("<results>/datasets/{made}"),
    log:
        "<logs>/make_demo_data/{made}.log",
    benchmark:
        "<benchmarks>/make_demo_data/{made}.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("make_demo_data"),
    params:
        **config["demo"],
        code=fingerprint("make_demo_data"),
    shell:
        "dpam make-demo-data {wildcards.made} --photographs {params.photographs:q}"
        " --crops {params.crops} --levels {params.levels} --seed {params.seed}"
        " --output {output:q} --log {log:q}"


# Only when asked for by its name: snakemake download.
rule download:
    log:
        "<logs>/download.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        names=[name for name in DATASETS if name not in {*MADE, *config["custom"]}],
        roots=json.dumps({name: root_of(name) for name in DATASETS}),
        code=fingerprint("download"),
    shell:
        "dpam download {params.names} --roots {params.roots:q} --log {log:q}"


rule verify_download:
    input:
        root=dataset_root,
        made=made,
    output:
        "<results>/data/{dataset}/verified.json",
    log:
        "<logs>/verify_download/{dataset}.log",
    benchmark:
        "<benchmarks>/verify_download/{dataset}.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("verify_download"),
    params:
        own=own_dataset,
        allow=allowed_findings,
        state=state,
        code=fingerprint("verify_download"),
    shell:
        "dpam verify-download {wildcards.dataset} --root {input.root:q} {params.own:q}"
        " {params.allow:q} --threads {threads} --output {output:q} --log {log:q}"


rule normalise_labels:
    input:
        root=dataset_root,
        verified="<results>/data/{dataset}/verified.json",
    output:
        "<results>/data/{dataset}/labels.csv",
    log:
        "<logs>/normalise_labels/{dataset}.log",
    benchmark:
        "<benchmarks>/normalise_labels/{dataset}.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("normalise_labels"),
    params:
        own=own_dataset,
        code=fingerprint("normalise_labels"),
    shell:
        "dpam normalise-labels {wildcards.dataset} --root {input.root:q} {params.own:q}"
        " --verified {input.verified:q} --output {output:q} --log {log:q}"


rule draw_splits:
    input:
        labels="<results>/data/{dataset}/labels.csv",
        verified="<results>/data/{dataset}/verified.json",
    output:
        splits="<results>/data/{dataset}/splits.csv",
        near="<results>/data/{dataset}/near_duplicates.csv",
    log:
        "<logs>/draw_splits/{dataset}.log",
    benchmark:
        "<benchmarks>/draw_splits/{dataset}.tsv"
    wildcard_constraints:
        dataset="|".join(DATASETS),
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("draw_splits"),
    params:
        seed=config["splits"]["seed"],
        validation=[] if config["splits"]["validation"] else "--no-validation",
        code=fingerprint("draw_splits"),
    shell:
        "dpam draw-splits {input.labels:q} --verified {input.verified:q} --seed {params.seed}"
        " {params.validation} --output {output.splits:q} --near-duplicates {output.near:q} --log {log:q}"


# Of datasets that one network is trained on.
rule join_splits:
    input:
        splits=of_each("splits.csv"),
        labels=of_each("labels.csv"),
        verified=of_each("verified.json"),
    output:
        splits="<results>/data/{dataset}/splits.csv",
        near="<results>/data/{dataset}/near_duplicates.csv",
    log:
        "<logs>/join_splits/{dataset}.log",
    benchmark:
        "<benchmarks>/join_splits/{dataset}.tsv"
    wildcard_constraints:
        dataset="|".join(map(re.escape, UNIONS)) or "none",
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("join_splits"),
    params:
        code=fingerprint("join_splits"),
    shell:
        "dpam join-splits {input.splits:q} --labels {input.labels:q} --verified {input.verified:q}"
        " --output {output.splits:q} --near-duplicates {output.near:q} --log {log:q}"


rule pack_superpixels:
    input:
        root=dataset_root,
        verified="<results>/data/{dataset}/verified.json",
        labels="<results>/data/{dataset}/labels.csv",
        weights=superpixel_weights,
        shards=shards,
    output:
        "<results>/data/{dataset}/{method}.h5",
    log:
        "<logs>/pack_superpixels/{dataset}-{method}.log",
    benchmark:
        "<benchmarks>/pack_superpixels/{dataset}-{method}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("pack_superpixels"),
    params:
        own=own_dataset,
        method=superpixels_of,
        image_size=setting("image_size"),
        how=options_of_pack,
        shard=[],
        code=fingerprint("pack_superpixels"),
    shell:
        "dpam pack-superpixels {wildcards.dataset} --root {input.root:q} {params.own:q}"
        " --verified {input.verified:q} --labels {input.labels:q} --method {params.method}"
        " {params.how:q} --image-size {params.image_size} --threads {threads} {params.shard}"
        " --shards {input.shards:q} --output {output:q} --log {log:q}"


# A large dataset is packed by several jobs; then pack_superpixels joins what they made.
use rule pack_superpixels as pack_shard with:
    input:
        root=dataset_root,
        verified="<results>/data/{dataset}/verified.json",
        labels="<results>/data/{dataset}/labels.csv",
        weights=superpixel_weights,
        shards=[],
    output:
        temp("<results>/data/{dataset}/{method}-{shard}of{shards}.h5"),
    log:
        "<logs>/pack_shard/{dataset}-{method}-{shard}of{shards}.log",
    benchmark:
        "<benchmarks>/pack_shard/{dataset}-{method}-{shard}of{shards}.tsv"
    resources:
        **asked("pack_shard"),
    params:
        own=own_dataset,
        method=superpixels_of,
        image_size=setting("image_size"),
        how=options_of_pack,
        shard="--shard {shard}/{shards}",
        code=fingerprint("pack_superpixels"),

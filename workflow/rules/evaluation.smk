# Predictions of each run and baseline on each dataset it is tested on, and their numbers.


rule test:
    input:
        weights="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/model.safetensors",
        pack=pack("test_dataset"),
        splits="<results>/data/{test_dataset}/splits.csv",
    output:
        "<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/on-{test_dataset}.csv",
    log:
        "<logs>/test/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/test/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("test"),
    params:
        views=setting("views"),
        code=fingerprint("test"),
    shell:
        "dpam test {input.weights:q} {input.pack:q} --splits {input.splits:q}"
        " --views {params.views} --threads {threads} --output {output:q} --log {log:q}"


# The weights of the epoch best on the test set, as the release selects.
use rule test as test_test_selected with:
    input:
        weights="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/test_selected.safetensors",
        pack=pack("test_dataset"),
        splits="<results>/data/{test_dataset}/splits.csv",
    output:
        "<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/test_selected/on-{test_dataset}.csv",
    log:
        "<logs>/test/{dataset}-{distortion}-{method}-{split}-seed{seed}-test_selected-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/test/{dataset}-{distortion}-{method}-{split}-seed{seed}-test_selected-on-{test_dataset}.tsv"


rule map_quality:
    input:
        weights="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/model.safetensors",
        pack=pack("test_dataset"),
        predictions="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/on-{test_dataset}.csv",
    output:
        "<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/maps-on-{test_dataset}.npz",
    log:
        "<logs>/map_quality/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/map_quality/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("map_quality"),
    params:
        views=setting("views"),
        code=fingerprint("map_quality"),
    shell:
        "dpam map-quality {input.weights:q} {input.pack:q} --predictions {input.predictions:q}"
        " --views {params.views} --threads {threads} --output {output:q} --log {log:q}"


rule extract_brisque:
    input:
        root=dataset_root,
        verified="<results>/data/{dataset}/verified.json",
        labels="<results>/data/{dataset}/labels.csv",
    output:
        "<results>/data/{dataset}/brisque.npy",
    log:
        "<logs>/extract_brisque/{dataset}.log",
    benchmark:
        "<benchmarks>/extract_brisque/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("extract_brisque"),
    params:
        code=fingerprint("extract_brisque"),
    shell:
        "dpam extract-brisque {input.labels:q} --root {input.root:q} --threads {threads}"
        " --output {output:q} --log {log:q}"


rule extract_vit:
    input:
        root=dataset_root,
        verified="<results>/data/{dataset}/verified.json",
        labels="<results>/data/{dataset}/labels.csv",
        weights=backbone()["weights"] or [],
    output:
        "<results>/data/{dataset}/vit.npy",
    log:
        "<logs>/extract_vit/{dataset}.log",
    benchmark:
        "<benchmarks>/extract_vit/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("extract_vit"),
    params:
        own=own_dataset,
        backbone=json.dumps(backbone()),
        image_size=config["image_size"],
        code=fingerprint("extract_vit"),
    shell:
        "dpam extract-vit {wildcards.dataset} --root {input.root:q} {params.own:q}"
        " --labels {input.labels:q} --model {params.backbone:q}"
        " --image-size {params.image_size} --threads {threads} --output {output:q} --log {log:q}"


rule train_baseline:
    input:
        features=lambda wildcards: features(wildcards.dataset, wildcards.baseline),
        labels="<results>/data/{dataset}/labels.csv",
        splits="<results>/data/{dataset}/splits.csv",
        test_features=lambda wildcards: features(wildcards.test_dataset, wildcards.baseline),
        test_labels="<results>/data/{test_dataset}/labels.csv",
        test_splits="<results>/data/{test_dataset}/splits.csv",
    output:
        "<results>/runs/{dataset}/{distortion}/{baseline}/{split}/seed{seed}/on-{test_dataset}.csv",
    log:
        "<logs>/train_baseline/{dataset}-{distortion}-{baseline}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/train_baseline/{dataset}-{distortion}-{baseline}-{split}-seed{seed}-on-{test_dataset}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("train_baseline"),
    params:
        code=fingerprint("train_baseline"),
    shell:
        "dpam train-baseline {wildcards.baseline} --features {input.features:q}"
        " --labels {input.labels:q} --splits {input.splits:q}"
        " --test-features {input.test_features:q} --test-labels {input.test_labels:q}"
        " --test-splits {input.test_splits:q} --split {wildcards.split} --distortion {wildcards.distortion}"
        " --seed {wildcards.seed} --output {output:q} --log {log:q}"


# The mean of the predictions of several seeds, each trained on its own.
rule average:
    input:
        lambda wildcards: expand(
            "<results>/runs/{{dataset}}/{{distortion}}/{{method}}/{{split}}/seed{seed}/on-{{test_dataset}}.csv",
            seed=wildcards.seeds.split("+"),
        ),
    output:
        "<results>/runs/{dataset}/{distortion}/{method}+ensemble/{split}/seed{seeds}/on-{test_dataset}.csv",
    log:
        "<logs>/average/{dataset}-{distortion}-{method}-{split}-seed{seeds}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/average/{dataset}-{distortion}-{method}-{split}-seed{seeds}-on-{test_dataset}.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("average"),
    params:
        code=fingerprint("average"),
    shell:
        "dpam average {input:q} --output {output:q} --log {log:q}"


rule evaluate:
    input:
        predictions="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/on-{test_dataset}.csv",
        splits="<results>/data/{dataset}/splits.csv",
        verified=of_each("verified.json"),
        test_verified="<results>/data/{test_dataset}/verified.json",
    output:
        "<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/on-{test_dataset}.json",
    log:
        "<logs>/evaluate/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/evaluate/{dataset}-{distortion}-{method}-{split}-seed{seed}-on-{test_dataset}.tsv"
    wildcard_constraints:
        method=r"\w+(\+\w+)*",
        seed=r"\d+(\+\d+)*",
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("evaluate"),
    params:
        identity=identity,
        code=fingerprint("evaluate"),
    shell:
        "dpam evaluate {input.predictions:q} --identity {params.identity:q} --splits {input.splits:q}"
        " --verified {input.verified:q} --test-verified {input.test_verified:q}"
        " --output {output:q} --log {log:q}"


use rule evaluate as evaluate_test_selected with:
    input:
        predictions="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/test_selected/on-{test_dataset}.csv",
        splits="<results>/data/{dataset}/splits.csv",
        verified=of_each("verified.json"),
        test_verified="<results>/data/{test_dataset}/verified.json",
    output:
        "<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/test_selected/on-{test_dataset}.json",
    log:
        "<logs>/evaluate/{dataset}-{distortion}-{method}-{split}-seed{seed}-test_selected-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/evaluate/{dataset}-{distortion}-{method}-{split}-seed{seed}-test_selected-on-{test_dataset}.tsv"

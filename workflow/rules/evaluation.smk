# Predictions of each run on each dataset it is tested on, and their numbers.


rule test:
    input:
        weights="<results>/runs/{dataset}/{part}/{method}/{split}/seed{seed}/model.safetensors",
        pack="<results>/data/{test_dataset}/{method}.h5",
        splits="<results>/data/{test_dataset}/splits.csv",
    output:
        "<results>/runs/{dataset}/{part}/{method}/{split}/seed{seed}/on-{test_dataset}.csv",
    log:
        "<logs>/test/{dataset}-{part}-{method}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/test/{dataset}-{part}-{method}-{split}-seed{seed}-on-{test_dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        gpu=1,
    params:
        views=config["views"],
        code=fingerprint("test"),
    shell:
        "dpam test {input.weights:q} {input.pack:q} --splits {input.splits:q}"
        " --views {params.views} --threads {threads} --output {output:q} --log {log:q}"


rule score:
    input:
        "<results>/runs/{dataset}/{part}/{method}/{split}/seed{seed}/on-{test_dataset}.csv",
    output:
        "<results>/runs/{dataset}/{part}/{method}/{split}/seed{seed}/on-{test_dataset}.json",
    log:
        "<logs>/score/{dataset}-{part}-{method}-{split}-seed{seed}-on-{test_dataset}.log",
    benchmark:
        "<benchmarks>/score/{dataset}-{part}-{method}-{split}-seed{seed}-on-{test_dataset}.tsv"
    conda:
        ENVIRONMENT
    params:
        identity=identity,
        code=fingerprint("score"),
    shell:
        "dpam score {input:q} --identity {params.identity:q} --output {output:q} --log {log:q}"

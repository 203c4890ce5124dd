# One network per dataset, distortion, method, split and seed.


rule train:
    input:
        pack=pack("dataset"),
        splits="<results>/data/{dataset}/splits.csv",
        starts=starts,
    output:
        weights="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/model.safetensors",
        test_selected="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/test_selected.safetensors",
        history="<results>/runs/{dataset}/{distortion}/{method}/{split}/seed{seed}/history.csv",
    log:
        "<logs>/train/{dataset}-{distortion}-{method}-{split}-seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{dataset}-{distortion}-{method}-{split}-seed{seed}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("train"),
        # The checkpoint keeps the views that predictions take. No parameter: another number of them
        # is no reason to train again.
        views=setting("views"),
    params:
        settings=training_settings,
        scaling=config["labels"]["scaling"],
        code=fingerprint("train"),
    shell:
        "exec dpam train {input.pack:q} --splits {input.splits:q} --split {wildcards.split}"
        " --distortion {wildcards.distortion} --seed {wildcards.seed} --set {params.settings:q}"
        " --scaling {params.scaling} --views {resources.views}"
        " --threads {threads}"
        " --output {output.weights:q} --test-selected {output.test_selected:q}"
        " --history {output.history:q} --log {log:q}"

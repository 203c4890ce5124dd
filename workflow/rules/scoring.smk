# Scores of photographs of one's own, of any number. Only when asked for: snakemake score_photographs.


rule score_photographs:
    input:
        "<results>/photographs/scores.parquet",


checkpoint list_photographs:
    input:
        lambda wildcards: scoring("photographs", "lists (.txt) and folders of photographs"),
    output:
        directory("<results>/photographs/lists"),
    log:
        "<logs>/list_photographs.log",
    retries: 0
    localrule: True
    conda:
        ENVIRONMENT
    params:
        per_job=config["scoring"]["per_job"],
        code=fingerprint("list_photographs"),
    shell:
        "dpam list-photographs {input:q} --per-job {params.per_job} --output-dir {output:q}"
        " --log {log:q}"


rule predict:
    input:
        list="<results>/photographs/lists/{chunk}.txt",
        weights=lambda wildcards: config["scoring"]["checkpoint"] or the_judge(),
    output:
        scores="<results>/photographs/scores/{chunk}.csv",
        failures="<results>/photographs/scores/{chunk}.failures.txt",
    log:
        "<logs>/predict/{chunk}.log",
    benchmark:
        "<benchmarks>/predict/{chunk}.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        **asked("predict"),
    params:
        code=fingerprint("predict"),
    shell:
        "dpam predict - --checkpoint {input.weights:q} --workers {threads}"
        " --output {output.scores:q} --failures {output.failures:q} --log {log:q}"
        " < {input.list:q} > /dev/null"


rule gather_scores:
    input:
        lists="<results>/photographs/lists",
        scores=scored_chunks,
    output:
        "<results>/photographs/scores.parquet",
    log:
        "<logs>/gather_scores.log",
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("gather_scores"),
    params:
        folder=lambda wildcards, input: Path(input.scores[0]).parent,
        code=fingerprint("gather_scores"),
    shell:
        "dpam gather-scores {input.lists:q} {params.folder:q} --output {output:q} --log {log:q}"

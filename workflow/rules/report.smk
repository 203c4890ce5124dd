# Over all runs: tables, figures and the report.


localrules:
    list_scores,


rule list_scores:
    output:
        "<results>/scores.csv",
    log:
        "<logs>/list_scores.log",
    params:
        table=scores_table(),
    run:
        Path(output[0]).write_text(params.table)


rule tabulate:
    input:
        list="<results>/scores.csv",
        scores=paths_of_scores(".json"),
    output:
        scores="<results>/tables/scores.csv",
        tables=expand("<results>/tables/{experiment}.{ending}", experiment=EXPERIMENTS, ending=["csv", "tex"]),
    log:
        "<logs>/tabulate.log",
    benchmark:
        "<benchmarks>/tabulate/all.tsv"
    conda:
        ENVIRONMENT
    params:
        folder=subpath(output.scores, parent=True),
        code=fingerprint("tabulate"),
    shell:
        "dpam tabulate {input.list:q} --output-dir {params.folder:q} --log {log:q}"


rule plot:
    input:
        list="<results>/scores.csv",
        predictions=paths_of_scores(".csv"),
        scores=paths_of_scores(".json"),
        histories=paths_of_runs("history.csv"),
        packs=packs(),
    output:
        curves="<results>/figures/training_curves.svg",
        scatter="<results>/figures/scatter.svg",
        examples="<results>/figures/examples.svg",
        cross="<results>/figures/cross_dataset.svg",
    log:
        "<logs>/plot.log",
    benchmark:
        "<benchmarks>/plot/all.tsv"
    conda:
        ENVIRONMENT
    params:
        folder=subpath(output.curves, parent=True),
        code=fingerprint("plot"),
    shell:
        "dpam plot {input.list:q} --packs {input.packs:q} --output-dir {params.folder:q} --log {log:q}"


rule report:
    input:
        list="<results>/scores.csv",
        tables=rules.tabulate.output,
        figures=rules.plot.output,
        benchmarks=benchmarks_of_runs(),
    output:
        "<results>/report/index.html",
    log:
        "<logs>/report.log",
    conda:
        ENVIRONMENT
    params:
        settings=as_json("experiments", "image_size", "model", "training", "splits"),
        code=fingerprint("report"),
    shell:
        "dpam report ..."

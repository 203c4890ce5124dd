# Over all runs: their cost, tables, figures and the report.


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


# Only when asked for by its name: snakemake estimate.
rule estimate:
    input:
        "<results>/scores.csv",
    output:
        "<results>/tables/estimate.csv",
    log:
        "<logs>/estimate.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        images=lambda wildcards: json.dumps({name: images_of(name) for name in DATASETS}),
        own=as_json("plain"),
        model=as_json("model"),
        image_size=config["image_size"],
        epochs=config["training"]["epochs"],
        views=config["views"],
        code=fingerprint("estimate"),
    shell:
        "dpam estimate {input:q} --images {params.images:q} --plain {params.own:q}"
        " --model {params.model:q} --image-size {params.image_size} --epochs {params.epochs}"
        " --views {params.views} --output {output:q} --log {log:q}"


rule tabulate:
    input:
        list="<results>/scores.csv",
        scores=paths_of_scores(".json"),
    output:
        scores="<results>/tables/scores.csv",
        kinds="<results>/tables/types_and_levels.csv",
        significance=expand("<results>/tables/significance.{ending}", ending=["csv", "tex", "md"]),
        tables=expand(
            "<results>/tables/{name}{layout}.{ending}",
            name=EXPERIMENTS,
            layout=["", "_paper"],
            ending=["csv", "tex", "md"],
        ),
    log:
        "<logs>/tabulate.log",
    benchmark:
        "<benchmarks>/tabulate/all.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("tabulate"),
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
        curves=captioned("figures/training_curves.svg", "Figures"),
        scatter=captioned("figures/scatter.svg", "Figures"),
        examples=captioned("figures/examples.svg", "Figures"),
        superpixels=captioned("figures/superpixels.svg", "Figures"),
        cross=captioned("figures/cross_dataset.svg", "Figures"),
    log:
        "<logs>/plot.log",
    benchmark:
        "<benchmarks>/plot/all.tsv"
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("plot"),
    params:
        folder=subpath(output.curves, parent=True),
        code=fingerprint("plot"),
    shell:
        "dpam plot {input.list:q} --packs {input.packs:q} --output-dir {params.folder:q}"
        " --log {log:q}"


rule report:
    input:
        scores="<results>/tables/scores.csv",
        tables=rules.tabulate.output.tables,
        kinds=rules.tabulate.output.kinds,
        significance=rules.tabulate.output.significance,
        curves="<results>/figures/training_curves.svg",
        figures=rules.plot.output,
        verified=expand("<results>/data/{dataset}/verified.json", dataset=DATASETS),
        histories=paths_of_runs("history.csv"),
        costs=benchmarks_of_runs(),
        plotted="<benchmarks>/plot/all.tsv",
    output:
        captioned("report/index.html", "Report"),
    log:
        "<logs>/report.log",
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("report"),
    params:
        tables=subpath(input.scores, parent=True),
        figures=subpath(input.curves, parent=True),
        benchmarks=subpath(input.plotted, ancestor=2),
        config=as_json(*sorted(config)),
        code=fingerprint("report"),
    shell:
        "dpam report --tables-dir {params.tables:q} --figures-dir {params.figures:q}"
        " --benchmarks-dir {params.benchmarks:q} --verified {input.verified:q} --config {params.config:q}"
        " --output {output:q} --log {log:q}"

# Over all runs: their cost, tables, figures and the report.


localrules:
    list_runs,
    list_planned,


rule list_runs:
    output:
        "<results>/runs.csv",
    log:
        "<logs>/list_runs.log",
    params:
        table=runs_table().to_csv(index=False),
    run:
        write_text(output[0], params.table)
        planned = len(params.table.splitlines()) - 1
        write_text(log[0], f"# list runs\n{planned} tests are planned\n", ours=b"# list runs")


# The list of what is planned must not take the place of the list of what is there.
use rule list_runs as list_planned with:
    output:
        "<results>/tables/planned.csv",
    log:
        "<logs>/list_planned.log",


# Only when asked for by its name: snakemake estimate.
rule estimate:
    input:
        "<results>/tables/planned.csv",
    output:
        "<results>/tables/estimate.csv",
    log:
        "<logs>/estimate.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        images=lambda wildcards: json.dumps({name: images_of(name) for name in DATASETS}),
        own=as_json("custom"),
        model=as_json("model"),
        image_size=config["image_size"],
        epochs=config["training"]["epochs"],
        views=config["views"],
        per_job=config["superpixels"]["images_per_job"],
        code=fingerprint("estimate"),
    shell:
        "dpam estimate {input:q} --images {params.images:q} --custom {params.own:q}"
        " --model {params.model:q} --image-size {params.image_size} --epochs {params.epochs}"
        " --views {params.views} --images-per-job {params.per_job} --output {output:q} --log {log:q}"


rule tabulate:
    input:
        list="<results>/runs.csv",
        metrics=paths_of_tests(".json"),
        # Differences of variants within a single split are drawn from them.
        predictions=paths_of_tests(".csv", VARIED),
    output:
        metrics="<results>/tables/metrics.csv",
        kinds="<results>/tables/types_and_levels.csv",
        significance=expand("<results>/tables/significance.{ending}", ending=["csv", "tex", "md"]),
        tables=expand(
            "<results>/tables/{name}{layout}.{ending}",
            name=EXPERIMENTS,
            layout=["", "_paper"],
            ending=["csv", "tex", "md"],
        ),
        variants=expand(
            "<results>/tables/{name}_variants.{ending}", name=VARIED, ending=["csv", "tex", "md"]
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
        folder=subpath(output.metrics, parent=True),
        code=fingerprint("tabulate"),
    shell:
        "dpam tabulate {input.list:q} --output-dir {params.folder:q} --log {log:q}"


rule plot:
    input:
        list="<results>/runs.csv",
        predictions=paths_of_tests(".csv"),
        metrics=paths_of_tests(".json"),
        histories=paths_of_runs("history.csv"),
        packs=packs(),
        maps=paths_of_maps(),
    output:
        *figures(),
        wrong="<results>/figures/most_wrong.json",
        # For papers; a figure that has nothing to show is not among them.
        papers=report(
            directory("<results>/figures/pdf"),
            patterns=["{name}.pdf"],
            category="Figures",
            labels={"name": "{name}", "file": "PDF"},
        ),
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
        folder=subpath(output.wrong, parent=True),
        code=fingerprint("plot"),
    shell:
        "dpam plot {input.list:q} --packs {input.packs:q} --maps {input.maps:q}"
        " --output-dir {params.folder:q} --log {log:q}"


rule report:
    input:
        metrics="<results>/tables/metrics.csv",
        tables=paths(rules.tabulate.output.tables),
        variants=paths(rules.tabulate.output.variants),
        kinds="<results>/tables/types_and_levels.csv",
        significance=paths(rules.tabulate.output.significance),
        wrong="<results>/figures/most_wrong.json",
        # Not the folder of PDFs: Snakemake knows a folder by its time alone, which a copy changes.
        figures=[path for path in paths(rules.plot.output) if path.endswith(".svg")],
        verified=expand("<results>/data/{dataset}/verified.json", dataset=DATASETS),
        splits=expand("<results>/data/{dataset}/splits.csv", dataset=DATASETS),
        histories=paths_of_runs("history.csv"),
        weights=paths_of_runs("model.safetensors"),
        costs=benchmarks_of_runs(),
        plotted="<benchmarks>/plot/all.tsv",
    output:
        page=captioned("report/index.html", "Report"),
        jobs="<results>/report/jobs.csv",
        disk="<results>/report/disk.csv",
        config="<results>/report/configuration.yaml",
        as_released="<results>/report/as_released.yaml",
    log:
        "<logs>/report.log",
    retries: 0
    conda:
        ENVIRONMENT
    resources:
        **asked("report"),
    params:
        tables=subpath(input.metrics, parent=True),
        figures=subpath(input.wrong, parent=True),
        results=subpath(input.metrics, ancestor=2),
        benchmarks=subpath(input.plotted, ancestor=2),
        config=as_yaml(config),
        as_released=as_yaml(AS_RELEASED),
        gpu_rules=ON_GPU,
        planned=PLANNED,
        code=fingerprint("report"),
    shell:
        "printf %s {params.config:q} > {output.config:q};"
        " printf %s {params.as_released:q} > {output.as_released:q};"
        " dpam report --tables-dir {params.tables:q} --figures-dir {params.figures:q}"
        " --benchmarks-dir {params.benchmarks:q} --results-dir {params.results:q}"
        " --verified {input.verified:q} --config {output.config:q}"
        " --as-released {output.as_released:q}"
        " --gpu-rules {params.gpu_rules} --planned {params.planned}"
        " --output {output.page:q} --log {log:q}"

"""Everything that a GPU is for, measured in at most eight minutes: one page and one JSON file.

Runs from a checkout, without a network; what is missing of its packages it names. Each section is a
process of its own with a share of the time: what it has measured until then counts, and a section
that failed or was stopped says so on the page.

    python -m benchmarks.gpu --output results/bench-gpu
    python -m benchmarks.gpu --small --output FOLDER    tries the benchmark itself, on any machine
"""

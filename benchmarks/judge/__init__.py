"""How good a judge of photographs is, by the same measurements for networks and baselines.

Each judge gets a JSON of numbers, section by section; the tables, figures and thumbnails of the
model card (docs/judge.md) are made of these:

    python -m benchmarks.judge measure model.safetensors --output judge.json \
        --data results/judge/data/biq2021 --root data/biq2021
    python -m benchmarks.judge measure brisque_svr --features brisque.npy --output brisque.json \
        --data results/judge/data/biq2021 --root data/biq2021
    python -m benchmarks.judge page judge.json brisque.json

A section is measured anew where it is named by --sections, and the others are kept. Without
--data and --root, a network is measured on all but the test set.
"""

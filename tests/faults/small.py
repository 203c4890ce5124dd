"""What the small network of the tests of faults says of itself."""

ABOUT = {
    "dataset": "tiny",
    "title": "Tiny",
    "label_kind": "MOS",
    "score_range": [1, 5],
    "higher_is_better": True,
    "part": "all",
    "split": "split00",
    "selected_by": "validation",
}

"""Names of unions: of several datasets that one network is trained on, as koniq10k+spaq.

No name of a dataset has a +. The name of a single dataset is that of a union of one.
"""

from collections.abc import Iterable


def union_of(names: Iterable[str]) -> str:
    """The name of the union of datasets."""
    return "+".join(names)


def members_of(dataset: str) -> list[str]:
    """The datasets of a union; of a single dataset, itself."""
    return dataset.split("+")


def is_own(dataset: str, test_dataset: str) -> bool:
    """Whether a network is tested on a dataset that it was trained on, perhaps among others."""
    return test_dataset in members_of(dataset)


def dataset_name(dataset: str) -> str:
    """A dataset's or union's name for people, with blanks where a line may break."""
    return " + ".join(members_of(dataset))

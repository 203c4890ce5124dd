"""The page of the made-up results."""

from pathlib import Path

import fake_results
import pytest


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    fake_results.build(results)
    return fake_results.make_page(results, pdf=True)

"""Fixtures that several tests share."""

import pytest
from hypothesis import settings
from samples import ABOUT, in_full, labels_table, photograph, preparation, write_pack

from dpam.pack.preparing import prepare

# A busy machine makes no test fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(params=["whole", "crop"])
def pack_file(request, tmp_path):
    """A pack of twelve small images, made with `whole` and with `crop` inputs."""
    how = preparation(request.param)
    labels = labels_table(12)
    about = {**ABOUT, "preparation": vars(how)}
    images = (prepare(photograph(i), how) for i in range(len(labels)))
    write_pack(tmp_path / "tiny.h5", labels, how, about, images)
    return tmp_path / "tiny.h5"


@pytest.fixture
def full_pack(tmp_path):
    """A pack of twelve images of different sizes that are kept in full, for the image alone."""
    how = in_full()
    images = [prepare(photograph(i, 70 + 5 * (i % 4), 90 + 6 * (i % 3)), how) for i in range(12)]
    about = {**ABOUT, "preparation": vars(how)}
    write_pack(tmp_path / "full.h5", labels_table(12), how, about, images)
    return tmp_path / "full.h5"

"""What all tests share."""

import pytest
import torch

torch.set_num_threads(1)  # as every cohort has it


@pytest.fixture(params=[0, 1])
def seed(request) -> int:
    """A seed: any from 0 to 99 must pass."""
    return request.param


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory, request):
    """A cache of members for every test, so that none finds what another, or the user, left."""
    place = tmp_path_factory.getbasetemp() / "caches" / str(abs(hash(request.node.nodeid)))
    monkeypatch.setenv("ONTOGENY_CACHE", str(place))

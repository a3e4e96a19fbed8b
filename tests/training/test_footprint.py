"""How members are cut into chunks, by hand."""

import pytest
import torch

from ontogeny.training import footprint
from ontogeny.training.footprint import Footprint, chunk_size

MB = 1 << 20


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (16, 4),  # four chunks, two for each core
        (12, 3),  # three chunks of four would do, and leave a core without work for half of the time
        (9, 3),  # no even number of even chunks
        (5, 3),  # three and two
        (2, 1),
        (1, 1),
    ],
)
def test_as_many_chunks_for_every_core(members, expected, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(footprint, "available_bytes", lambda: 1 << 40)
    one = Footprint(parameters=1, flops=1, bytes=10 * MB)  # four in 40 MB
    assert chunk_size(one, members, torch.device("cpu")) == expected


def test_small_members_stay_together(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(footprint, "available_bytes", lambda: 1 << 40)
    one = Footprint(parameters=1, flops=1, bytes=MB)
    assert chunk_size(one, 5, torch.device("cpu")) == 5  # 5 MB are less than two cores are worth
    assert chunk_size(one, 6, torch.device("cpu")) == 3


def test_memory_comes_first(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(footprint, "available_bytes", lambda: 80 * MB)  # half of it for two cohorts: 20 MB each
    one = Footprint(parameters=1, flops=1, bytes=MB, held=9 * MB)
    assert chunk_size(one, 8, torch.device("cpu")) == 2

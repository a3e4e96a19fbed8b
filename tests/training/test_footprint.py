"""How members are cut into chunks, by hand; operations as torch counts them."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ontogeny.training import footprint
from ontogeny.training.footprint import Footprint, Products, chunk_size

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


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (3, 5, 8)),
        (nn.Sequential(nn.Linear(6, 4), nn.GELU(), nn.Linear(4, 2)), (7, 6)),
        (nn.Conv2d(3, 4, 3), (2, 3, 8, 8)),
    ],
)
def test_operations_are_those_of_torchs_counter(module, shape):
    def there_and_back():
        module(torch.ones(shape)).sum().backward()

    with FlopCounterMode(display=False) as counter:
        there_and_back()
    with Products() as products:
        there_and_back()
    assert products.flops == counter.get_total_flops() > 0


def test_counting_does_not_load_the_compiler():
    """Why torch's counter is not taken: loading it takes a second and more of a first update."""
    look = "import sys, torch; from ontogeny.training.footprint import Products; p = Products(); p.__enter__(); "
    look += "torch.ones(2, 2) @ torch.ones(2, 2); assert p.flops == 16; assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", look], check=True)

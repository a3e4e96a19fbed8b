"""Oracles: the same products alone and in company, at any alignment, and whose setting it is."""

import pytest
import torch

from ontogeny import mkl
from ontogeny.models.stacked import matmul

SIZES = (1, 2, 3, 5, 8, 11, 16, 17, 32, 33, 64, 70, 128)


@pytest.mark.parametrize(
    ("vendor", "given", "expected"),
    [
        ("AuthenticAMD", None, "AUTO"),
        ("GenuineIntel", None, None),
        ("", None, None),
        ("AuthenticAMD", "COMPATIBLE", "COMPATIBLE"),
    ],
)
def test_set_where_it_is_needed_and_not_over_what_is_there(monkeypatch, vendor, given, expected):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    if given:
        monkeypatch.setenv("MKL_CBWR", given)
    monkeypatch.setattr(mkl, "_vendor", lambda: vendor)
    mkl.keep_to_members()
    assert mkl.os.environ.get("MKL_CBWR") == expected


def moved(x, places):
    """The same numbers and strides, at another alignment."""
    return torch.empty(x.numel() + places, dtype=x.dtype).as_strided(x.shape, x.stride(), places).copy_(x)


def test_products_alone_and_in_company(seed):
    chance = torch.Generator().manual_seed(seed)
    for _ in range(60):
        row, inner, column = (SIZES[i] for i in torch.randint(len(SIZES), (3,), generator=chance))
        x = torch.randn(5, row, inner, generator=chance)
        w = torch.randn(5, inner, column, generator=chance)
        for x_, w_ in ((x, w), (x.mT.contiguous().mT, w), (x, w.mT.contiguous().mT)):
            together = matmul(x_, w_)
            for few, places in ((slice(2, 3), 0), (slice(4, 5), 3), (slice(1, 3), 16)):
                alone = matmul(moved(x_[few], places), moved(w_[few], places))
                assert torch.equal(alone, together[few]), (row, inner, column)

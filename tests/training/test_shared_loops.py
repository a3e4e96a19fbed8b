"""Shared loops: the same bits on two threads as on one, and nothing divided that adds up."""

from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from ontogeny.machine import threads
from ontogeny.training import compiled, shared_loops
from ontogeny.training.shared_loops import sums_whole

ROWS, WIDTH, WORDS = 4_096, 64, 10


def work(x: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What an update has beside products: loops, sums of rows and columns and of all, additions to rows by number."""
    y = torch.nn.functional.gelu(x) * 3 + x.square()
    rows = y.softmax(-1)
    table = torch.zeros(WORDS, WIDTH).index_put((words,), rows, accumulate=True)
    return y, rows, rows.sum(0), y.sum(), table


def given(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, WIDTH, generator=chance), torch.randint(WORDS, (ROWS,), generator=chance)


def program(options: dict, arguments) -> Any:
    graph = make_fx(work, tracing_mode="fake")(*arguments)
    return torch._inductor.compile(graph, list(arguments), {**compiled.OPTIONS, "fx_graph_cache": False, **options})


@pytest.fixture(scope="module")
def programs():
    """For one thread, and with shared loops; and what was asked of loops that were to be shared."""
    adds, asked = shared_loops._adds, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_loops, "_adds", lambda nest: asked.append(adds(nest)) or asked[-1])
        with sums_whole():
            shared = program(shared_loops.OPTIONS, given(0))
        return program({}, given(0)), shared, asked


def test_bits_are_those_of_one_thread(programs, seed):
    alone, shared, _ = programs
    wanted = alone(*given(seed))
    for count in (1, 2):
        with threads(count):
            for _ in range(5):
                for one, other in zip(wanted, shared(*given(seed)), strict=True):
                    assert torch.equal(one, other)


def test_loops_are_shared_and_additions_are_not(programs):
    _, _, asked = programs
    assert sorted(set(asked)) == [False, True]


def test_left_to_itself_the_compiler_divides_sums():
    """Why it is told."""
    arguments = given(0)
    divided = program(shared_loops.OPTIONS, arguments)
    with threads(1):
        wanted = divided(*arguments)
    with threads(2):
        found = divided(*arguments)
    assert not all(map(torch.equal, wanted, found))
    torch.testing.assert_close(wanted, found, rtol=1e-4, atol=1e-3)


def test_the_compiler_is_left_as_it_was():
    from torch._inductor.codegen.cpp import LoopNest

    before = LoopNest.max_parallel_depth
    with sums_whole():
        assert LoopNest.max_parallel_depth is not before
    assert LoopNest.max_parallel_depth is before

"""Halved products: the same bits on two cores as on one, and small products left as they are."""

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from ontogeny import Training, machine, seeds
from ontogeny.machine import threads
from ontogeny.models.mlp import MLP
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training import compiled, halved_products
from ontogeny.training.halved_products import BMM, halve_products, halves_agree
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW

CPU = torch.device("cpu")


def products(graph: torch.fx.GraphModule) -> list[tuple[int, ...]]:
    return [tuple(node.args[0].meta["val"].shape) for node in graph.graph.find_nodes(op="call_function", target=BMM)]


def given_shapes(graph: torch.fx.GraphModule) -> list[list[int]]:
    """What the first factor of every product is viewed as."""
    return [list(node.args[0].args[1]) for node in graph.graph.find_nodes(op="call_function", target=BMM)]


def layer(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A product and, as in a backward pass, one with its first matrix turned around."""
    y = torch.bmm(x, w)
    return y, torch.bmm(x.mT, y)


def traced(members: int, rows: int):
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(members, *shape, generator=generator) for shape in ((rows, 64), (64, 256)))
    return make_fx(layer, tracing_mode="fake")(x, w), (x, w)


def test_large_products_of_a_lone_member_are_halved_and_give_the_same_bits():
    graph, given = traced(1, 704)
    with threads(1):
        whole = graph(*given)
        assert halve_products(graph)
        assert given_shapes(graph) == [[2, 352, 64], [2, 32, 704]]
        apart = graph(*given)
    with threads(2):
        beside = graph(*given)
    for a, b, c in zip(whole, apart, beside, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.parametrize(("members", "rows"), [(2, 704), (1, 10)])
def test_company_and_small_products_are_left_alone(members, rows):
    graph, _ = traced(members, rows)
    before = graph.code
    assert not halve_products(graph)
    assert graph.code == before


def test_what_is_not_halved_beside_what_is_gets_a_twin():
    graph, given = traced(1, 703)  # an odd number of rows; of the second product the rows are the 64 columns
    with threads(1):
        whole = graph(*given)
        assert halve_products(graph)
    assert given_shapes(graph) == [[2, 703, 64], [2, 32, 703]]
    with threads(2):
        beside = graph(*given)
    for a, b in zip(whole, beside, strict=True):
        assert torch.equal(a, b)


def test_small_products_have_other_bits_on_two_threads_but_not_as_twins(seed):
    """Why they get one: of 1,500 such products on an AMD processor 31 differ, on an Intel one none was seen to."""
    chance = torch.Generator().manual_seed(seed)
    for _ in range(40):
        row, inner, column = (int(n) for n in torch.randint(2, 128, (3,), generator=chance))
        x, w = torch.randn(1, row, inner, generator=chance), torch.randn(1, inner, column, generator=chance)
        with threads(1):
            whole = torch.bmm(x, w)
        with threads(2):
            assert torch.equal(torch.bmm(x.expand(2, -1, -1), w.expand(2, -1, -1))[:1], whole)


def test_beside_kernels_that_divide_their_work_nothing_is_halved():
    def with_mm(x, w):
        return torch.bmm(x, w), torch.mm(x[0], w[0])

    _, given = traced(1, 704)
    graph = make_fx(with_mm, tracing_mode="fake")(*given)
    before = graph.code
    assert not halve_products(graph)
    assert graph.code == before


def test_a_product_whose_halves_would_differ_is_left_alone(monkeypatch):
    monkeypatch.setattr(halved_products, "halves_agree", lambda *_: False)
    graph, _ = traced(1, 704)
    before = products(graph)
    assert not halve_products(graph)
    assert products(graph) == before


def test_halves_are_told_to_differ_where_they_do(monkeypatch):
    bmm = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda x, w: bmm(x, w) + (1e-3 if len(x) == 2 else 0.0))
    assert not halves_agree(128, 64, 32, (64, 1), (32, 1), torch.float32)


def after(members: list[int]):
    """Parameters of some of three members after six compiled updates."""
    training = Training(
        factors=seeds(3),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=64, outputs=64),
        model=MLP(layers=2, width=128, activation="gelu"),
        objective=SquaredError(),
        optimizer=AdamW(lr=0.01),
        batch=256,
        steps=6,
    )
    rows = training.factors.rows()
    with threads(1):
        cohort = training.open([rows[i] for i in members], CPU, True)
        for _ in range(6):
            cohort.update()
    return cohort.population.flat


@pytest.fixture
def two_cores(monkeypatch):
    for module in (machine, compiled):
        monkeypatch.setattr(module, "CORES", 2)


def test_a_lone_member_has_its_bits_in_company(two_cores, monkeypatch):
    halved = []
    monkeypatch.setattr(compiled, "halve_products", lambda graph: halved.append(halve_products(graph)) or halved[-1])
    assert torch.equal(after([1])[0], after([0, 1, 2])[1])
    assert halved == [True], "of the lone member"


def test_a_compiler_that_cannot_be_told_makes_the_same_bits_on_one_core(two_cores, monkeypatch):
    def not_as_expected():
        raise AttributeError("max_parallel_depth")

    programs: dict = {}
    monkeypatch.setattr(compiled, "_programs", programs)
    monkeypatch.setattr(compiled.shared_loops, "sums_whole", not_as_expected)
    alone = after([1])
    assert [wanted for _, wanted in programs.values()] == [1]
    monkeypatch.undo()
    assert torch.equal(alone[0], after([0, 1, 2])[1])

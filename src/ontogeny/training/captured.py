"""Captured updates: on a GPU the operations of an update are recorded once and then launched together, as a CUDA graph.

An update of a small population is hundreds of operations that take a GPU less time than it takes Python to launch them.
A graph launches them all at once. It reads and writes the same memory every time, so what changes from update to update
is copied into tensors that stay where they are, and from there it goes on without a look at the host. The drawing of
data is a graph of its own, whose steps are such a tensor. What is recorded is tried beside what was launched one by
one, from the same state and with other data than it was recorded with, before it is used.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ontogeny.errors import CannotCapture
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Batch
from ontogeny.training.optimizers import Columns

Update = Callable[[Batch, Columns], Tensor]
Draw = Callable[[Streams], Batch]
Call = Callable[[], None]
Graph = Callable[[Call], Call]
"""Records what a call does to tensors; gives a call that does it again."""

WARM_UPS = 3  # calls before one is recorded, in which libraries make ready what they need
AGREEMENT = 1e-2  # of what an update changes in a member; rounding alone is seen where Adam divides 0 by 0, nearly


def cuda_graph(call: Call) -> Call:
    """A call as a CUDA graph. It is made some times first.

    Raises: whatever the call raises, and a `RuntimeError` when it waits for the device or copies from the host.
    """
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()
    graph = torch.cuda.CUDAGraph()
    try:
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                call()
        here.wait_stream(aside)
        with torch.cuda.graph(graph, pool=_pool().id):
            call()
    finally:  # which a recording that failed does not see to
        torch.cuda.set_stream(here)
        here.wait_stream(aside)
    return graph.replay


@functools.cache
def _pool() -> Any:  # a torch.cuda.MemPool
    """Memory for what lies between inputs and results. All graphs share it: replays follow each other in one stream."""
    return torch.cuda.MemPool()


class Captured:
    """A function of tensors that is recorded once and made again; its results are in the same tensors every time."""

    def __init__(self, function: Callable[..., list[Tensor]], given: Sequence[Tensor], graph: Graph) -> None:
        self.given = [_laid_out_like(t) for t in given]
        self.constants = Constants()

        def call() -> list[Tensor]:
            with self.constants:
                return function(*self.given)

        # Results are put where no graph's memory is: a block of data outlives many other graphs' replays.
        self.results = [t.clone(memory_format=torch.contiguous_format) for t in call()]

        def record() -> None:
            for place, result in zip(self.results, call(), strict=True):
                place.copy_(result)

        self.again = graph(record)

    def __call__(self, *given: Tensor) -> list[Tensor]:
        """The results for other values of the same shapes."""
        torch._foreach_copy_(self.given, list(given))  # pyright: ignore[reportPrivateImportUsage]
        self.again()
        return self.results


def _laid_out_like(t: Tensor) -> Tensor:
    """A copy with the strides of a tensor, on which a compiled program insists; of a repeated one, with its own."""
    if 0 in t.stride():
        return t.clone(memory_format=torch.contiguous_format)
    return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=t.device).copy_(t)


class Constants(TorchFunctionMode):
    """Within the `with`, numbers that code makes tensors of are sent the first time and kept: a graph sends nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, Tensor] = {}

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The call, or what it gave before."""
        kwargs = kwargs or {}
        if func not in (torch.tensor, torch.as_tensor) or "data" in kwargs:
            return func(*args, **kwargs)
        try:
            key = json.dumps([func.__name__, args, {name: str(value) for name, value in kwargs.items()}])
        except TypeError:  # of arrays and tensors
            return func(*args, **kwargs)
        if key not in self.sent:
            self.sent[key] = func(*args, **kwargs)
        return self.sent[key]


def captured_update(
    learn: Update, held: Sequence[Tensor], two: Sequence[tuple[Batch, Columns]], graph: Graph
) -> Update:
    """An update that is launched as one. `held` are the tensors that `learn` changes: they come out as they were.

    It is recorded on the first of `two` updates' data and numbers, and tried on the second.

    Raises: `CannotCapture` when it does not do what `learn` does; whatever recording raises.
    """
    (batch, columns), other = two
    names, empty = list(columns), _empty(batch)
    start = [t.clone() for t in held]

    def inputs(batch: Batch, columns: Columns) -> list[Tensor]:
        return [*batch.tensors(), *columns.values()]

    def update(*given: Tensor) -> list[Tensor]:
        count = len(given) - len(names)
        return [learn(empty.made_of(given[:count]), dict(zip(names, given[count:], strict=True)))]

    def rewind() -> None:
        for tensor, before in zip(held, start, strict=True):
            tensor.copy_(before)

    try:
        loss = learn(*other).clone()
        expected = [t.clone() for t in held]
        rewind()
        captured = Captured(update, inputs(batch, columns), graph)
        rewind()
        found = captured(*inputs(*other))[0]
        if not torch.allclose(found, loss, rtol=1e-3, equal_nan=True):
            raise CannotCapture("recorded, an update gives another loss")
        if not all(_changed_alike(*three).all() for three in zip(held, expected, start, strict=True)):
            raise CannotCapture("recorded, an update changes other numbers")
    finally:
        rewind()
    return lambda batch, columns: captured(*inputs(batch, columns))[0].clone()


def _changed_alike(found: Tensor, expected: Tensor, start: Tensor) -> Bool[Tensor, "member"]:
    """Whether each member's numbers changed alike, up to a share of their change."""
    found, expected, start = (t.flatten(1) if t.ndim > 1 else t[:, None].double() for t in (found, expected, start))
    change, least = (expected - start).norm(dim=1), 1e-6 * start.norm(dim=1)
    return (found - expected).norm(dim=1) <= AGREEMENT * change + least


def captured_drawing(draw: Draw, streams: Streams, ahead: int, graph: Graph) -> Draw:
    """The drawing of `ahead` steps' data, launched as one. What it gives stands until the next is drawn.

    Raises: `CannotCapture` when it does not give what `draw` gives; whatever recording raises.
    """
    first, later = (torch.arange(i * ahead, (i + 1) * ahead, device=streams.device) for i in (0, 1))
    drawn = draw(replace(streams, steps=later))
    captured = Captured(lambda steps: draw(replace(streams, steps=steps)).tensors(), [first], graph)
    for found, expected in zip(captured(later), drawn.tensors(), strict=True):
        if not torch.allclose(found.double(), expected.double(), equal_nan=True):
            raise CannotCapture("recorded, the drawing of data gives other data")

    empty = _empty(drawn)

    def at(steps: Sequence[int] | Int[Tensor, "step"]) -> Tensor:
        return torch.as_tensor(steps, device=streams.device)

    return lambda now: empty.made_of(captured(at(now.steps)))


def _empty(batch: Batch) -> Batch:
    """A batch of the same parts that holds no numbers."""
    return batch.made_of(t.new_empty(0) for t in batch.tensors())

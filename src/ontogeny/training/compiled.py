"""Compiled updates: forward, backward and optimizer of a whole cohort as one program, made by TorchInductor.

An update is traced once, operation by operation, and the trace is compiled with what surrounds the products fused.
The program holds no reference to the cohort that it was traced on, so cohorts of one structure and size share it.
Tracing changes torch's modules for a while: it is done before cohorts advance side by side, not while they do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from ontogeny.errors import CannotCompile
from ontogeny.machine import CORES, cores_each, threads
from ontogeny.models.population import Population
from ontogeny.tasks.contract import Batch
from ontogeny.training import shared_loops
from ontogeny.training.captured import Update
from ontogeny.training.halved_products import halve_products
from ontogeny.training.objectives import Objective
from ontogeny.training.optimizers import Columns, Optimizer
from ontogeny.training.precision import rounding, tensor_cores
from ontogeny.training.settle import settle

if TYPE_CHECKING:
    import torch._inductor.config  # the compiler: torch loads it, which takes a second, where it is first named

Program = Callable[..., Any]

SECONDS_TO_LOAD = 12.0  # the compiler, once a run
SECONDS_AN_OPERATION = 0.05  # to compile: 0.04 to 0.07 for traces of 195 to 580 operations, on two cores

# A thread a cohort; and a wrapper in C++, for the one in Python holds the interpreter while kernels run.
# What the C++ compiler can do is not tried out first, and no tiling is searched for: that took seconds for nothing.
OPTIONS = {
    "cpp.threads": 1,
    "cpp_wrapper": True,
    "cpp.vec_isa_ok": True,
    "cpp.enable_tiling_heuristics": False,
}
KEPT = {"emulate_precision_casts": True}  # a number that is rounded to bfloat16 and made float32 again stays rounded

SMALL = 64  # rows and columns of matrices that are copied rather than viewed
ROWS = torch.contiguous_format

_programs: dict[str, tuple[Program, int]] = {}  # each with the threads that it is for


class Trace:
    """The update of a cohort, written down operation by operation.

    `batch` and `columns` show shapes and types; targets are those of positions from `since` on. Cost: half a second.

    Raises: `CannotCompile` for a model or objective that decides in Python what to do by the numbers it sees.
    """

    def __init__(
        self,
        population: Population,
        objective: Objective,
        optimizer: Optimizer,
        memory: dict[str, Tensor],
        alive: Tensor,
        batch: Batch,
        columns: Columns,
        since: int,
        precision: str,
    ) -> None:
        constants = _constants(population)

        def update(flat: Tensor, alive: Tensor, *rest: Tensor) -> list[Tensor]:
            given = iter(rest)
            here_memory = {slot: next(given) for slot in memory}
            here_constants = {name: next(given) for name in constants}
            here_batch = batch.made_of(given)
            here_columns = {name: next(given) for name in columns}
            with rounding(precision):
                loss, gradient = _loss_and_gradient(population, objective, flat, here_constants, here_batch, since)
            norm = settle(alive, loss, gradient)
            optimizer.step(flat, gradient, here_memory, here_columns, alive, norm)
            return [loss]

        self.precision = precision
        self.held = [population.flat, alive, *memory.values(), *constants.values()]
        self.arguments: list[Any] = [*self.held, *_tensors(batch), *columns.values()]
        decomposed = DECOMPOSED if population.flat.device.type == "cpu" else {BADDBMM: _baddbmm}
        try:
            tracer = make_fx(update, decomposed, "fake", _allow_non_fake_inputs=True)
            self.graph = tracer(*self.arguments)
        except Exception as error:
            raise CannotCompile(reason(error)) from error
        alone = CORES > 1 and population.members == 1 and population.flat.device.type == "cpu"
        self.threads = 2 if alone and halve_products(self.graph) else 1

    @property
    def options(self) -> dict[str, Any]:
        """What the compiler is asked for."""
        on_device = OPTIONS if self.held[0].device.type == "cpu" else {}
        shared = shared_loops.OPTIONS if self.threads > 1 else {}
        return {**on_device, **shared, **(KEPT if self.precision == "bf16" else {})}

    @property
    def operations(self) -> int:
        """How many operations an update is."""
        return sum(node.op == "call_function" for node in self.graph.graph.nodes)

    @property
    def seconds_to_compile(self) -> float:
        """What compiling is expected to take where no program for the same trace is there."""
        return SECONDS_AN_OPERATION * self.operations

    def compiled(self) -> Program:
        """The update as one program: the same mathematics, with other rounding than operation by operation.

        Cost: some ten seconds.

        Raises: `CannotCompile`, without a compiler for instance, or when the trace holds numbers of its members.
        """
        members = self.held[0].shape[0]
        for node in self.graph.graph.nodes:
            if node.op == "get_attr" and getattr(self.graph, node.target).shape[:1] == (members,):
                raise CannotCompile("a model, objective or optimizer holds a tensor of its members that is no buffer")
        try:
            return self._made()
        except Exception as error:
            if self.threads == 1:
                raise CannotCompile(reason(error)) from error
        self.threads = 1  # for another torch, whose compiler cannot be told which loops to share: the same bits
        return self.compiled()

    def _made(self) -> Program:
        with torch.no_grad(), shared_loops.sums_whole() if self.threads > 1 else nullcontext():
            made: Any = torch._inductor.compile(self.graph, self.arguments, self.options)
        return made


def headers_apart(wanted: bool) -> AbstractContextManager[None]:
    """Whether the headers that all programs share are compiled once, beforehand: 7 s, and 4 s less for each program."""
    return torch._inductor.config.patch(cpp_cache_precompile_headers=wanted)


def compiled_update(
    structure: str,
    population: Population,
    objective: Objective,
    optimizer: Optimizer,
    memory: dict[str, Tensor],
    alive: Tensor,
    batch: Batch,
    columns: Columns,
    since: int,
    precision: str,
) -> Update:
    """The update of a cohort as a program, made when there is none yet for its structure and size.

    Every call changes the parameters, the optimizer's memory and who is alive in place. Cohorts with the same
    `structure` have the same operations.

    Raises: `CannotCompile`.
    """
    held = [population.flat, alive, *memory.values(), *_constants(population).values()]
    shapes = [(t.dtype, t.shape, t.stride(), t.device) for t in (*held, *_tensors(batch))]
    address = f"{structure} {shapes}"
    if address not in _programs:
        trace = Trace(population, objective, optimizer, memory, alive, batch, columns, since, precision)
        with tensor_cores(precision, population.flat.device):
            _programs[address] = trace.compiled(), trace.threads
    program, wanted = _programs[address]

    def call(batch: Batch, columns: Columns) -> Float[Tensor, "member"]:
        cores = threads(min(wanted, cores_each())) if wanted > 1 else nullcontext()
        with torch.no_grad(), cores, tensor_cores(precision, population.flat.device):
            return program(*held, *_tensors(batch), *columns.values())[0]

    return call


def _loss_and_gradient(
    population: Population, objective: Objective, flat: Tensor, constants: dict[str, Tensor], batch: Batch, since: int
) -> tuple[Tensor, Tensor]:
    """Loss `[member]`, and the gradient in the layout of the table."""
    parameters = {name: view.detach().requires_grad_() for name, view in population.views(flat).items()}
    with torch.enable_grad():
        inputs = (batch.inputs, since) if since else (batch.inputs,)
        outputs = torch.func.functional_call(population.network, {**parameters, **constants}, inputs)
        loss = objective(outputs, batch)
        slopes = torch.autograd.grad(loss, list(parameters.values()), torch.ones_like(loss))
    pieces: list[Tensor] = []
    filled = 0
    for (start, shape), slope in zip(population.layout.values(), slopes, strict=True):
        if start > filled:
            pieces.append(flat.new_zeros(flat.shape[0], start - filled))
        pieces.append(slope.flatten(1))
        filled = start + shape.numel()
    if flat.shape[1] > filled:
        pieces.append(flat.new_zeros(flat.shape[0], flat.shape[1] - filled))
    return loss.detach(), torch.cat(pieces, 1)


def _constants(population: Population) -> dict[str, Tensor]:
    """What a network holds beside the table, by name: parameters that are not trained, and buffers."""
    network = population.network
    fixed = {name: p.detach() for name, p in network.named_parameters() if name not in population.layout}
    return {**fixed, **dict(network.named_buffers())}


def _tensors(batch: Batch) -> list[Tensor]:
    """Those of a batch; on a GPU laid out row by row, as views of a block or copies of them may come."""
    tensors = batch.tensors()
    return [t.contiguous() for t in tensors] if batch.inputs.is_cuda else tensors


def _baddbmm(plus: Tensor, x: Tensor, w: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """Product and sum apart: the sum is fused with what comes after, where the library's copies `plus` first."""
    product = torch.ops.aten.bmm(x, w)
    product = product if alpha == 1.0 else product * alpha
    return product if beta == 0.0 else product + (plus if beta == 1.0 else plus * beta)


def _bmm(x: Tensor, w: Tensor) -> Any:
    """Small matrices are laid out row by row first: of views the library makes products four times as slowly."""
    if max(*x.shape[1:], w.shape[2]) > SMALL or (x.is_contiguous() and w.is_contiguous()):
        return NotImplemented
    return torch.ops.aten.bmm(x.clone(memory_format=ROWS), w.clone(memory_format=ROWS))


BADDBMM = torch.ops.aten.baddbmm.default
DECOMPOSED = {BADDBMM: _baddbmm, torch.ops.aten.bmm.default: _bmm}


def reason(error: Exception) -> str:
    """The kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"

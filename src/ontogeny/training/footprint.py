"""What a member costs: parameters, floating-point operations and memory of one update, measured on one member."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ontogeny.memory import available_bytes
from ontogeny.training.cohort import TrainingCohort

# Activations and parameters that a cohort holds at most on a CPU: two that hold more slow each other by a third, on a
# processor with 36 MB of shared cache.
CPU_BYTES = 40 << 20
CORE_BYTES = 3 << 20  # that a chunk holds at least, for two cores to be worth two chunks
GPU_SHARE = 0.6  # of the free memory of a GPU
CPU_SHARE = 0.5  # of the memory that is left, for the cohorts of a moment


@dataclass(frozen=True)
class Footprint:
    """One member's share of an update."""

    parameters: int
    flops: int  # forward and backward, matrix products only
    bytes: int  # activations kept for the backward pass, parameters, gradient and the optimizer's memory
    held: int = 0  # its examples, or data drawn ahead: an update touches few of them, so they need memory but no cache


class Products(TorchDispatchMode):
    """Counts the operations of products within a `with`, by torch's formulas for them.

    Torch's own counter does the same, and loads torch's compiler on the way, which takes a second and more.
    """

    flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # to tell the compiler that it shall skip this is what loads it

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        out = func(*args, **given)
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            self.flops += formula(*args, **given, out_val=out)
        return out


def footprint(cohort: TrainingCohort) -> Footprint:
    """Runs one member forward and backward, and counts. A fraction of a second."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    batch = cohort.data.at(0)
    products = Products()
    with products, torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = cohort.objective(cohort.population(batch.inputs, cohort.data.since), batch)
        cohort.population.backward(loss)
    tables = (2 + len(cohort.memory)) * cohort.population.flat.nbytes
    return Footprint(
        parameters=cohort.population.parameters_each,
        flops=products.flops,
        bytes=sum(kept.values()) + tables,
        held=sum(value.nbytes for value in cohort.data.held() or _drawn(cohort)),
    )


def _drawn(cohort: TrainingCohort) -> list[Tensor]:
    batch = cohort.data.drawn
    assert batch is not None
    return batch.tensors()


def chunk_size(one: Footprint, members: int, device: torch.device) -> int:
    """How many members train together: as many as fit, in chunks as even as they can be, and one at least.

    On a CPU there is a chunk a core, as long as each is large enough not to be all overhead; and where it can be, as
    many for every core.
    """
    if device.type == "cuda":
        most = int(torch.cuda.mem_get_info(device)[0] * GPU_SHARE) // max(one.bytes + one.held, 1)
    else:
        memory = int(available_bytes() * CPU_SHARE) // min(torch.get_num_threads(), members)
        most = min(CPU_BYTES // max(one.bytes, 1), memory // max(one.bytes + one.held, 1))
    most = max(1, most)
    chunks, cores = -(-members // most), 1
    if device.type == "cpu":
        cores = max(1, min(torch.get_num_threads(), members, one.bytes * members // CORE_BYTES))
        chunks = max(chunks, cores)
    even = [n for n in range(chunks, 2 * chunks) if members % n == 0]  # one size, compiled once
    found = next((n for n in even if n % cores == 0), even[0] if even else chunks)
    return -(-members // found)

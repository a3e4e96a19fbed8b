"""Networks that have learned a few facts on a ring, for tests of measures that ask them."""

import functools

import torch

from ontogeny import Training
from ontogeny.factors import vary
from ontogeny.measures.contract import Checkpoint
from ontogeny.models.plain_norms import PlainNorms
from ontogeny.tasks.cyclic_facts import CyclicFacts
from ontogeny.training.optimizers import AdamW
from ontogeny.training.steps import at

TASK = CyclicFacts(entities=8, reach=2)


@functools.cache
@torch.enable_grad()
def trained(seed, steps=60, members=2, task=TASK):
    """A checkpoint after so many full-batch updates, made once: leave it as it is."""
    run = Training(
        factors=vary(seed=tuple(range(seed, seed + members))), task=task, model=PlainNorms(layers=2, width=16, heads=1),
        optimizer=AdamW(lr=1e-2), batch=task.examples, examples=task.examples, steps=steps, at=at(),
    )  # fmt: skip
    cohort = run.open(run.factors.rows(), torch.device("cpu"))
    list(cohort.records())
    streams = cohort.streams.of("evaluation")
    return Checkpoint(population=cohort.population, task=task, world=cohort.world, streams=streams, step=steps)

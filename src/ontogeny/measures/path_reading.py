"""Reading a written path: whether it is one, and if not, whether a step was wrong or the plan."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint
from ontogeny.tasks.dag_navigation import DAGNavigation

OUTCOMES = ("valid", "misstep", "planning failure")


class Reading(NamedTuple):
    """How each written path came out."""

    outcome: Int[Tensor, "member sample"]  # index into `OUTCOMES`
    edges: Int[Tensor, "member sample"]  # tokens before the first END, or before the misstep


def read_path(
    tokens: Int[Tensor, "member sample place"],
    start: Int[Tensor, "member sample"],
    goal: Int[Tensor, "member sample"],
    edges: Bool[Tensor, "member node node"],
    end: int,
) -> Reading:
    """What was written from the start on, up to the first END.

    A *misstep* is a token that is neither END nor a node that an edge leads to from the one before (a word is a misstep
    too); only the first such event counts. Without one, a path is *valid* if END follows the goal at once, and a
    *planning failure* if END stands anywhere else or nowhere.
    """
    nodes, places = edges.shape[-1], tokens.shape[-1]
    before = torch.cat([start[..., None], tokens[..., :-1]], -1).clamp_max(nodes - 1)
    member = torch.arange(tokens.shape[0], device=tokens.device)[:, None, None]
    led = edges[member, before, tokens.clamp_max(nodes - 1)] & (tokens < nodes)
    ended = _first(tokens == end)
    wrong = _first(~led & (tokens != end))
    at_end = before.gather(-1, ended.clamp_max(places - 1)[..., None])[..., 0]
    # After a goal nothing leads back to it, so that a path that went on ends elsewhere.
    arrived = (ended < places) & (at_end == goal)
    outcome = torch.where(wrong < ended, 1, torch.where(arrived, 0, 2))
    return Reading(outcome, torch.minimum(wrong, ended))


def shares(
    outcome: Int[Tensor, "member sample"], among: Bool[Tensor, "member sample"]
) -> Float[Tensor, "member outcome"]:
    """Share of each outcome among some of the samples, summing to 1; NaN where there are none."""
    return torch.stack([average((outcome == i).double(), among) for i in range(len(OUTCOMES))], -1)


def navigation_task(at: Checkpoint) -> DAGNavigation:
    """The task of a checkpoint, which has to be one of finding paths.

    Raises: `UserError` for any other task.
    """
    if not isinstance(at.task, DAGNavigation):
        raise UserError(f"this measure reads written paths: it needs DAGNavigation, got {type(at.task).__name__}")
    return at.task


def share(values: Tensor, dims: tuple[str, ...] = ("member",), **coords: tuple[object, ...]) -> Labelled:
    """A labelled share."""
    return Labelled(values, dims, coords, unit="share")


def _first(marked: Bool[Tensor, "*sample place"]) -> Int[Tensor, "*sample"]:
    """The first place that is marked; one past the last where none is."""
    return (~marked).long().cumprod(-1).sum(-1)

"""Mixing errors: numbers put in the right order with each other's tails."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.labelled import Labelled
from ontogeny.measures.average import average
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.generate import generate
from ontogeny.tasks.balanced_sorting import CONFLICTS, COUNT, WIDTH, BalancedSorting
from ontogeny.tasks.digit_text import digits_of

KINDS = ("right", "swap", "repeat", "misorder", "other")
TAILS = (1, 2)  # digits


def mixing_kind(
    written: Int[Tensor, "*sample 2 digit"], true: Int[Tensor, "*sample 2 digit"]
) -> Int[Tensor, "*sample"]:
    """How two numbers came out that should stand in this order: an index into `KINDS`.

    With the last one or two digits of a number as its tail, and all before it as its head:

    - *right*: both are as they should be.
    - *swap*: heads as they should be, tails exchanged.
    - *repeat*: heads as they should be, and one of the true tails on both.
    - *misorder*: both numbers are written whole, in the wrong order.
    - *other*: anything else.

    What fits two of them is the first; numbers with equal tails can only be right, misordered or other.
    """
    kind = torch.full(written.shape[:-2], KINDS.index("other"), device=written.device)
    kind = kind.where(~_same(written, true.flip(-2)), KINDS.index("misorder"))
    for name in ("repeat", "swap"):  # what is asked last wins
        for tail in TAILS:
            head = _same(written[..., :-tail], true[..., :-tail])
            got, wanted = written[..., -tail:], true[..., -tail:]
            if name == "swap":
                fits = _same(got, wanted.flip(-2))
            else:
                both = (got[..., 0, :] == got[..., 1, :]).all(-1)
                fits = both & (got[..., :1, :] == wanted).all(-1).any(-1)
            kind = kind.where(~(head & fits), KINDS.index(name))
    return kind.where(~_same(written, true), KINDS.index("right"))


class MixingErrors(Measure):
    """What becomes of the two middle numbers of conflicting and agreeing lists, `items` of either, freely written.

    `mixing[test, kind]`: share of each of `KINDS`, see `mixing_kind`; they sum to 1. `sorted`: share of `items` lists
    like those of training that is written without any fault. Most probable character by character.
    Cost: a forward pass over 3 * `items` texts.
    """

    items: int = 1_000

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        """Both at one checkpoint."""
        task = at.task
        if not isinstance(task, BalancedSorting):
            raise UserError(f"this measure reads sorted lists: it needs BalancedSorting, got {type(task).__name__}")
        streams, tests = at.streams.of("mixing errors"), CONFLICTS
        batches = [task.conflict(streams.of(test), self.items, test) for test in tests]
        batches.append(task.sample(None, streams.of("lists"), self.items))
        tokens = torch.cat([torch.cat([b.inputs, b.targets[..., -1:]], -1) for b in batches], 1)
        written = generate(at.population, tokens[..., : task.prompt_length], task.answer)
        whole = (written == tokens[..., task.prompt_length :]).all(-1)[:, -self.items :]
        numbers = written.unflatten(-1, (COUNT, WIDTH + 1))[..., 1:3, :WIDTH]  # each with the symbol after it
        shares = []
        for i, batch in enumerate(batches[:-1]):
            here = numbers[:, i * self.items : (i + 1) * self.items]
            kind = mixing_kind(here, digits_of(batch.latents["ordered"][..., 1:3], WIDTH))
            shares.append(_shares(kind))
        coords = {"test": tests, "kind": KINDS}
        return {
            "mixing": Labelled(torch.stack(shares, 1), ("member", "test", "kind"), coords, unit="share of lists"),
            "sorted": Labelled(average(whole.double()), ("member",), unit="share of lists"),
        }


def _same(one: Int[Tensor, "*sample 2 digit"], other: Int[Tensor, "*sample 2 digit"]) -> Bool[Tensor, "*sample"]:
    return (one == other).all(-1).all(-1)


def _shares(kind: Int[Tensor, "member sample"]) -> Float[Tensor, "member kind"]:
    return torch.stack([average((kind == i).double()) for i in range(len(KINDS))], -1)

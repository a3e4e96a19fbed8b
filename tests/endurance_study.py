"""Two thousand members: small networks of fifteen widths, some of which diverge, and trials.

What the soak runs, kills, and runs again.
"""

import os

import torch

from ontogeny import Paper, Study, Training, Trial, every, factor, seeds, vary
from ontogeny.labelled import Labelled
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.models.mlp import MLP
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import SGD


class Sizes(Measure):
    """Sum of squares of each weight. With the variable STRICT it refuses large ones, as a careless measure would.

    For more members than ONTOGENY_TEST_MOST it asks for more memory than there is.
    """

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        if at.members > int(os.environ.get("ONTOGENY_TEST_MOST", at.members)):
            torch.empty(1 << 58)
        sizes = [w.square().flatten(1).cumsum(1)[:, -1] for w in at.population.parameters().values()]
        if os.environ.get("STRICT") and any(bool((size > 1e6).any()) for size in sizes):
            raise ValueError("the weights are too large\nto be measured")
        return {"size": Labelled(torch.stack(sizes, -1), ("member", "weight"))}


def draw(streams: Streams, shift: float) -> dict[str, Labelled]:
    return {"number": Labelled(streams.normal("number", (16,)) + shift, ("member", "sample"))}


def experiments(widths: int, networks: int, trials: int, steps: int) -> dict[str, Training | Trial]:
    # The third rate grows until the loss is infinite, some way into the training; the fourth at once.
    training = Training(
        factors=vary(width=tuple(range(3, 3 + widths)), lr=(0.01, 0.03, 0.1, 1e30)) * seeds(networks),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=factor("width"), activation="identity", bias=False),
        objective=SquaredError(),
        optimizer=SGD(lr=factor("lr"), momentum=0.9),
        batch=7,
        steps=steps,
        measures=(Sizes(),),
        at=every(20),
    )
    return {"main": training, "drawn": Trial(factors=vary(shift=(0.0, 1.0, 2.0)) * seeds(trials), function=draw)}


study = Study(
    paper=Paper("A paper", "Its authors", 2020),
    scales=dict(smoke=experiments(2, 3, 4, 60), desk=experiments(15, 25, 170, 200)),
    claims=[],
)

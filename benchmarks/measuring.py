"""What measuring costs: the measures of studies at desk scale, at 40 log-spaced checkpoints, as a share of training.

    python benchmarks/measuring.py            # some three minutes on two cores
    python benchmarks/measuring.py faithful-cot

A cohort a core is opened; their updates and their looks take turns. A share is 40 looks over all updates of a training.
"""

import warnings
from functools import partial

import torch
from in_ontogeny import side_by_side, update
from page import duration, made_on, options, put, table
from timing import in_turn

from ontogeny.experiment import cohorts_at_once
from ontogeny.locate import find
from ontogeny.memory import keep_freed
from ontogeny.training.cohort import TrainingCohort
from ontogeny.training.experiment import Training

STUDIES = ("faithful-cot", "icl-competition", "ghost-points")
LOOKS = 40


def look(cohort: TrainingCohort) -> None:
    cohort.measured = frozenset({cohort.done})  # whenever it is asked to, and as often
    cohort.record()


def training_of(slug: str) -> Training:
    """The first experiment of a study that trains and measures."""
    found = find(slug).study.experiments("desk").values()
    return next(of for of in found if isinstance(of, Training) and of.measures)


def cost(of: Training, device: torch.device, compiled: bool) -> tuple[int, float, float]:
    """Members that were tried, and seconds of an update and of a look of all of them."""
    cores = cohorts_at_once(len(of.plan(of.factors.rows(), device)), device)
    with side_by_side(of, device, compiled, cores) as (members, each):
        ways = {
            "update": lambda updates: each(partial(update, updates=updates)),
            "look": lambda looks: [each(look) for _ in range(looks)],
        }
        turns = in_turn(ways, device)
    return members, turns.seconds("update"), turns.seconds("look")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("studies", nargs="*", default=STUDIES, help="slugs")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    keep_freed()
    device = torch.device(args.device)
    rows = []
    for slug in args.studies[: 1 if args.quick else None]:
        of = training_of(slug)
        modes = ["eager"] if device.type == "cuda" or args.quick else ["eager", "compiled"]
        steps = of.member(of.factors.rows()[0]).steps
        costs = {mode: cost(of, device, mode == "compiled") for mode in modes}
        members = costs["eager"][0]
        shares = [f"{LOOKS * look / (steps * update):.1%}" for _, update, look in costs.values()]
        updates = [duration(update / members) for _, update, _ in costs.values()]
        a_look = duration(costs["eager"][2] / members)
        measures = ", ".join(type(measure).__name__ for measure in of.measures)
        rows.append([slug, measures, f"{steps:,}", " / ".join(updates), a_look, " / ".join(shares)])
        print(*rows[-1], sep="\t", flush=True)
    head = ["study", "measures", "updates", "an update", "a look", f"{LOOKS} looks, of training"]
    put(args.out, "measuring", "\n\n".join([table(head, rows, words=2), made_on(device)]))


if __name__ == "__main__":
    main()

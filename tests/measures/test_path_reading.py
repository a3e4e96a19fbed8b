"""Oracles: paths written by hand on a graph of five nodes."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.measures.contract import Checkpoint
from ontogeny.measures.path_reading import OUTCOMES, navigation_task, read_path, shares
from ontogeny.models.population import Population
from ontogeny.streams import Streams
from ontogeny.tasks.linear_teacher import LinearTeacher

EDGES = torch.zeros(1, 5, 5, dtype=torch.bool)
for a, b in ((0, 1), (1, 2), (2, 3), (0, 3), (3, 4)):
    EDGES[0, a, b] = True
STEP, PATH, END = 5, 7, 9


@pytest.mark.parametrize(
    ("written", "outcome", "edges"),
    [
        ([1, 2, 3, END, END], "valid", 3),
        ([3, END, 1, 1, STEP], "valid", 1),  # what follows the first END does not count
        ([1, 2, 3, 4, END], "planning failure", 4),  # through the goal and on
        ([1, 2, END, END, END], "planning failure", 2),  # stops short
        ([END, END, END, END, END], "planning failure", 0),
        ([1, 2, 3, 4, 4], "misstep", 4),  # 4 leads nowhere, not even to itself
        ([2, 3, END, END, END], "misstep", 0),  # the edge 0 -> 2 is not there, though the goal is named
        ([1, STEP, 3, END, END], "misstep", 1),
        ([1, 2, 1, 2, END], "misstep", 2),  # backwards
        ([1, 2, END, 4, 0], "planning failure", 2),  # the stop came first
        ([1, 0, END, END, END], "misstep", 1),  # the wrong step came first
        ([PATH, END, END, END, END], "misstep", 0),
    ],
)
def test_by_hand(written, outcome, edges):
    reading = read_path(torch.tensor([[written]]), torch.tensor([[0]]), torch.tensor([[3]]), EDGES, END)
    assert OUTCOMES[reading.outcome.item()] == outcome
    assert reading.edges.item() == edges


def test_no_end_is_a_planning_failure_even_at_the_goal():
    reading = read_path(torch.tensor([[[1, 2, 3]]]), torch.tensor([[0]]), torch.tensor([[3]]), EDGES, END)
    assert OUTCOMES[reading.outcome.item()] == "planning failure"
    assert reading.edges.item() == 3
    beyond = read_path(torch.tensor([[[1, 2, 3, 4]]]), torch.tensor([[0]]), torch.tensor([[3]]), EDGES, END)
    assert OUTCOMES[beyond.outcome.item()] == "planning failure"  # it stood at the goal before its last token


def test_each_member_is_read_on_its_own_graph():
    edges = torch.cat([EDGES, EDGES.mT])
    tokens = torch.tensor([[[3, END]], [[3, END]]])
    reading = read_path(tokens, torch.tensor([[0], [0]]), torch.tensor([[3], [3]]), edges, END)
    assert reading.outcome.tolist() == [[0], [1]]


def test_shares():
    outcome = torch.tensor([[0, 0, 1, 2], [1, 1, 1, 0]])
    among = torch.tensor([[True, True, True, True], [False, True, False, True]])
    assert shares(outcome, among).tolist() == [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]]
    assert shares(outcome, among & False).isnan().all()


def test_another_task_is_refused():
    task = LinearTeacher(strengths=(1.0,), inputs=3, outputs=2)
    population = Population(torch.nn.ParameterList([torch.zeros(2, 3)]))
    with pytest.raises(UserError, match="needs DAGNavigation, got LinearTeacher"):
        navigation_task(Checkpoint(population=population, task=task, world=None, streams=Streams((1, 2)), step=0))

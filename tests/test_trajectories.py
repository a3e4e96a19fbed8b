"""Stored weights: what is measured in them has the bits of a training, and where they are not enough, it is said."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

import ontogeny.advance
import ontogeny.trajectories
from ontogeny import Training, at, every, factor, seeds, vary
from ontogeny.addresses.address import Addresses
from ontogeny.cache import MemberCache
from ontogeny.errors import UserError
from ontogeny.executors.local import Local
from ontogeny.labelled import Labelled
from ontogeny.locate import find
from ontogeny.measures.contract import Checkpoint, Measure
from ontogeny.measures.update_size import UpdateSize
from ontogeny.models.mlp import MLP
from ontogeny.prepared import Prepared
from ontogeny.run import run
from ontogeny.store import CohortStore, load
from ontogeny.tasks.linear_teacher import LinearTeacher
from ontogeny.training.cohort import TrainingCohort
from ontogeny.training.k_adam import KAdam
from ontogeny.training.objectives import SquaredError
from ontogeny.training.optimizers import AdamW

CPU = torch.device("cpu")
STUDY = find(str(Path(__file__).parent / "small_study.py"))


class Outputs(Measure):
    """Outputs on held-out samples, scaled."""

    scale: float = 1.0

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        outputs = at.population(at.batch("outputs", 5).inputs)
        return {"outputs": Labelled(self.scale * outputs, ("member", "sample", "feature"))}


class Slopes(Measure):
    """Some of the gradient of the held-out loss, and a draw."""

    def __call__(self, at: Checkpoint) -> dict[str, Labelled]:
        batch = at.batch("slopes", 5)
        with torch.enable_grad():
            at.population.backward(SquaredError()(at.population(batch.inputs), batch))
        drawn = at.streams.of("noise").normal("noise", (2,))
        return {
            "slopes": Labelled(at.population.gradient[:, :20].clone(), ("member", "parameter")),
            "drawn": Labelled(drawn * at.step, ("member", "draw")),
        }


def small(**changes) -> Training:
    """Networks of two widths; the largest rate diverges."""
    return Training(
        factors=vary(lr=(0.0, 0.01, 1e30), width=(4, 6)) * seeds(1),
        task=LinearTeacher(strengths=(2.0, 1.0), inputs=5, outputs=3),
        model=MLP(layers=2, width=factor("width"), activation="tanh"),
        objective=SquaredError(),
        optimizer=KAdam(lr=factor("lr"), clip=1e3),
        batch=7,
        steps=12,
        measures=(Outputs(),),
        at=every(3),
    ).replace(**changes)


def changed() -> Training:
    """The same training with a measure that changed, and two more."""
    return small(measures=(Outputs(scale=3.0), Slopes(), UpdateSize()))


class Quiet:
    """A watcher that remembers the cohorts."""

    def say(self, text):
        pass

    def begin(self, experiment, cohorts):
        pass

    def look(self, index, seen):
        pass

    def end(self, experiment, diverged):
        self.diverged = list(diverged)


class Place:
    """A cache, what it said, and runs of one training beside it; `updates` counts those that were made."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.said, self.updates = folder, [], 0
        self.cache = MemberCache(folder / "cache", self.said.append)
        self.watcher = Quiet()
        real = TrainingCohort.update

        def update(cohort):
            self.updates += cohort.population.members
            real(cohort)

        monkeypatch.setattr(TrainingCohort, "update", update)

    def run(self, name, training, *, cache=True, weights=False, mode="eager", watcher=None, **more):
        prepared = Prepared(STUDY, "smoke", {"main": training}, {}, CPU, mode)
        self.said.clear()
        self.updates = 0
        kept = self.cache if cache else None
        run(prepared, self.folder / name, watcher or self.watcher, kept, weights=weights, **more)
        return load(self.folder / name)

    def stored(self):
        return sorted((self.folder / "cache" / "weights").glob("??/*"))

    def plan(self, name):
        return json.loads((self.folder / name / "run.json").read_text())["experiments"]["main"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache after a run that kept its weights: copied, never written."""
    with pytest.MonkeyPatch.context() as patch:
        one = Place(tmp_path_factory.mktemp("filled"), patch)
        one.run("first", small(), weights=True)
    return one.folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What training gives the changed measures: the run's folder."""
    with pytest.MonkeyPatch.context() as patch:
        one = Place(tmp_path_factory.mktemp("trained"), patch)
        one.run("alone", changed(), cache=False)
        assert one.updates == 6 * 12
    return one.folder / "alone"


@pytest.fixture
def warm(filled, tmp_path, monkeypatch):
    shutil.copytree(filled, tmp_path / "warm")
    return Place(tmp_path / "warm", monkeypatch)


def assert_the_same(ours, theirs):
    xr.testing.assert_identical(ours, theirs)
    for variable in ours.data_vars:
        a, b = (ds[variable].values for ds in (ours, theirs))
        assert a.dtype == b.dtype
        assert np.array_equal(np.ascontiguousarray(a).view(np.uint8), np.ascontiguousarray(b).view(np.uint8)), variable


# What is measured


def test_changed_and_added_measures_have_the_bits_of_a_training(warm, trained):
    ours = warm.run("changed", changed())
    assert warm.said == ["main: 6 members re-measured from stored weights"]
    assert warm.updates == 0
    assert {row["lr"] for row in warm.watcher.diverged} == {1e30}
    theirs = load(trained)
    assert {"train_loss", "diverged", "outputs", "slopes", "drawn", "largest_update"} <= set(ours)
    assert float(ours.largest_update.isel(step=-1).max()) > 0, "the optimizer's memory is there"
    assert_the_same(ours, theirs)
    states = [sorted((run / "main").glob("*/*/state.safetensors")) for run in (warm.folder / "changed", trained)]
    for one, other in zip(*map(_by_width, states), strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)
    again = warm.run("again", changed())
    assert warm.said == ["main: 6 of 6 members from the cache"], "what was re-measured is a member like any other"
    assert_the_same(again, theirs)


def _by_width(files):
    return sorted(map(load_file, files), key=lambda state: state["parameters.output.weight"].numel())


@pytest.mark.parametrize("steps", [every(6), at()])
def test_fewer_measured_steps(warm, steps):
    fewer = small(at=steps)
    ours = warm.run("fewer", fewer)
    assert warm.updates == 0
    assert_the_same(ours, warm.run("alone", fewer, cache=False))


def test_compiled_updates_have_weights_of_their_own(place):
    narrow = small(factors=vary(lr=(0.01, 1e30), width=(4,)) * seeds(1))
    place.run("first", narrow, weights=True, mode="compiled")
    looked = narrow.replace(measures=(Slopes(), UpdateSize()))
    ours = place.run("changed", looked, mode="auto")
    assert place.plan("changed")["mode"] == "compiled", "that in which the weights are stored"
    assert place.updates == 0
    assert_the_same(ours, place.run("alone", looked, cache=False, mode="compiled"))
    place.run("eager", looked, mode="eager")
    assert place.said == [
        "main: stored weights are not enough for 2 members: 2 were trained otherwise "
        "(in task, model, data, code, versions or mode)"
    ]
    assert place.updates == 2 * 12


def test_a_member_measured_alone_and_in_company(warm, trained, monkeypatch):
    monkeypatch.setattr(ontogeny.trajectories, "COHORT_BYTES", 1)
    assert_the_same(warm.run("alone", changed()), load(trained))
    assert [len(cohort) for cohort in warm.plan("alone")["cohorts"]] == [1] * 6


# What is enough


def test_a_missing_step_is_named_trained_and_then_there_as_well(warm):
    finer = small(at=at(0, 3, 4, 5))
    ours = warm.run("finer", finer, weights=True)
    assert warm.said == ["main: stored weights are not enough for 6 members: 6 lack step 4, 5"]
    assert warm.updates == 6 * 12
    assert_the_same(ours, warm.run("alone", finer, cache=False))
    assert len(warm.stored()) == 6
    steps = [json.loads((entry / "entry.json").read_text())["steps"] for entry in warm.stored()]
    assert steps == [[0, 3, 4, 5, 6, 9, 12]] * 6, "both runs' steps"
    warm.run("both", small(at=at(4, 9), measures=(Slopes(),)))
    assert warm.updates == 0


def test_a_missing_member_is_trained(warm):
    more = small(factors=vary(lr=(0.0, 0.01, 1e30), width=(4, 6)) * seeds(2), measures=(Slopes(),))
    ours = warm.run("more", more)
    assert warm.said == [
        "main: stored weights are not enough for 6 members: 6 have none",
        "main: 6 members re-measured from stored weights",
    ]
    assert warm.updates == 6 * 12
    assert_the_same(ours, warm.run("alone", more, cache=False))


def test_a_changed_training_is_trained(warm):
    warm.run("task", small(task=LinearTeacher(strengths=(2.0, 1.5), inputs=5, outputs=3)))
    assert warm.said == [
        "main: stored weights are not enough for 6 members: 6 were trained otherwise "
        "(in task, model, data, code, versions or mode)"
    ]
    assert warm.updates == 6 * 12


def test_members_whose_weights_were_not_kept_are_made_again_when_asked(place):
    place.run("first", small())
    assert not place.stored()
    place.run("changed", small(measures=(Slopes(),)))
    assert place.said == []
    assert place.updates == 6 * 12
    ours = place.run("kept", small(), weights=True)
    assert place.said == ["main: 6 members in the cache are made again, for their weights were not kept"]
    assert place.updates == 6 * 12
    assert len(place.stored()) == 6
    assert_the_same(ours, load(place.folder / "first"))
    place.run("again", small(), weights=True)
    assert (place.said, place.updates) == (["main: 6 of 6 members from the cache"], 0)


def test_what_the_address_of_weights_leaves_out():
    def address(training):
        return Addresses(CPU).of(training.unmeasured(), training.factors.rows()[1], "eager")

    first = address(small())
    for looks in (small(measures=(Slopes(),)), small(measures=()), small(at=every(1))):
        assert address(looks) == first
    trains = [
        small(model=MLP(layers=1, width=factor("width"), activation="tanh")),
        small(objective=SquaredError(), dtype="float64"),
        small(optimizer=KAdam(lr=factor("lr"), clip=1e2)),
        small(optimizer=AdamW(lr=factor("lr"), clip=1e3)),
        small(batch=8),
        small(steps=13),
        small(examples=20),
        small(factors=vary(lr=(0.0, 0.01, 1e30), width=(5, 7)) * seeds(1)),
    ]
    assert len({first, *map(address, trains)}) == 1 + len(trains)
    row = small().factors.rows()[1]
    others = [
        Addresses(CPU).of(small().unmeasured(), *how) for how in ((row | {"seed": 7}, "eager"), (row, "compiled"))
    ]
    assert len({first, *others}) == 3


# What goes wrong


@pytest.mark.parametrize(("file", "how"), [("state", "flipped"), ("state", "gone"), ("values", "short")])
def test_corrupt_weights_are_ignored_with_a_line_and_trained(warm, trained, file, how):
    path = warm.stored()[2] / f"{file}.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.unlink()
    if how != "gone":
        path.write_bytes(raw if how == "flipped" else raw[:-3])
    ours = warm.run("changed", changed())
    assert re.match(r"ignored a corrupt entry of the cache \(.*\): its member is made again", warm.said[0])
    assert warm.said[1:] == ["main: 5 members re-measured from stored weights"]
    assert warm.updates == 12
    assert_the_same(ours, load(trained))


def test_an_entry_that_names_steps_it_lacks_is_ignored_with_a_line(warm):
    entry = warm.stored()[0] / "entry.json"
    about = json.loads(entry.read_text())
    entry.write_text(json.dumps(about | {"steps": [*about["steps"], 4]}))
    warm.run("changed", small(at=at(3, 4)))
    assert [line for line in warm.said if "lacks steps that it names" in line]
    assert warm.updates == 6 * 12


class Interrupted(Quiet):
    """Interrupts a run when it is looked at for the third time."""

    seen = 0

    def look(self, index, seen):
        self.seen += 1
        if self.seen == 3:
            raise KeyboardInterrupt


def test_a_run_that_is_interrupted_keeps_and_replays_every_step(place, trained, monkeypatch):
    monkeypatch.setattr(ontogeny.advance, "COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(ontogeny.advance, "COMMIT_SHARE", float("inf"))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            place.run("first", small(), weights=True, watcher=Interrupted())
    place.run("first", small())
    assert [json.loads((entry / "entry.json").read_text())["steps"] for entry in place.stored()] == [
        [0, 3, 6, 9, 12]
    ] * 6
    assert not list((place.folder / "first").rglob("weights.safetensors")), "they are in the cache now"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            place.run("changed", changed(), watcher=Interrupted())
        shutil.rmtree(place.folder / "cache", ignore_errors=True)
    ours = place.run("changed", changed())
    assert place.updates == 0, "the run's folder holds what is left to be measured"
    assert not list((place.folder / "changed").rglob("weights.safetensors"))
    assert_the_same(ours, load(trained))


def test_a_replayed_cohort_that_was_deleted_is_trained(warm, trained):
    with pytest.raises(KeyboardInterrupt):
        warm.run("changed", changed(), watcher=Interrupted())
    for cohort in (warm.folder / "changed" / "main").glob("cohort-*"):
        shutil.rmtree(cohort)
    ours = warm.run("changed", changed())
    assert warm.updates == 6 * 12
    assert_the_same(ours, load(trained))


def test_a_full_disk_does_not_break_the_run(place, monkeypatch):
    real = ontogeny.cache.write_segment

    def full(folder, records, state):
        if any("/" in name for name in state):
            raise OSError(28, "No space left on device")
        real(folder, records, state)

    monkeypatch.setattr(ontogeny.cache, "write_segment", full)
    place.run("first", small(), weights=True)
    assert [line for line in place.said if "no more weights are kept" in line and "No space left" in line] == place.said
    assert not place.stored()
    assert len(list((place.folder / "cache" / "members").glob("??/*"))) == 6


def test_a_full_disk_leaves_the_steps_that_are_there(warm, monkeypatch):
    before = [load_file(entry / "state.safetensors") for entry in warm.stored()]

    def full(folder, records, state):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ontogeny.cache, "write_segment", full)
    warm.run("finer", small(at=at(4)), weights=True)
    assert len([line for line in warm.said if "no more weights are kept" in line]) == 1
    assert [load_file(entry / "state.safetensors").keys() for entry in warm.stored()] == [b.keys() for b in before]


def test_what_cannot_be_asked_for(place):
    with pytest.raises(UserError, match="needs the cache, which --no-cache and --shard do without"):
        place.run("first", small(), cache=False, weights=True)
    place.run("first", small())
    with pytest.raises(UserError, match="begun without --keep-weights: choose another folder with --out"):
        place.run("first", small(), weights=True)


@pytest.mark.parametrize("where", ["{tmp_path}/cohort-0000", "memory://{tmp_path.name}/cohort-0000"])
def test_states_are_read_member_by_member(tmp_path, where):
    store = CohortStore(where.format(tmp_path=tmp_path))
    x = torch.arange(6.0).view(3, 2)
    store.commit([], {"done": torch.tensor(1)}, {"0/x": x, "5/x": x + 1})
    store.commit([], {"done": torch.tensor(2)})
    store.commit([], {"done": torch.tensor(3)}, {"10/x": x + 2})
    with store.weights() as kept:
        assert kept.steps == [0, 5, 10]
        assert torch.equal(kept.at(10)["x"], x + 2)
        assert torch.equal(kept.at(5, slice(1, 2))["x"], x[1:2] + 1)
        with pytest.raises(UserError, match="holds no weights of step 7: delete it and run the same command"):
            kept.at(7)
    store.drop_weights()
    with store.weights() as kept:
        assert kept.steps == []


def test_corrupt_states_in_a_run_are_one_line(tmp_path):
    store = CohortStore(tmp_path)
    store.commit([], {"done": torch.tensor(1)}, {"0/x": torch.ones(3, 2)})
    (tmp_path / "segment-00000000" / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="weights.safetensors is missing or corrupt"), store.weights():
        pass


def test_they_are_listed_and_pruned_with_the_members(warm):
    entries = warm.cache.entries()
    assert sorted(entry.kind for entry in entries) == ["members"] * 6 + ["weights"] * 6
    assert len(warm.cache.prune(everything=True)) == 12
    assert not warm.stored()


def test_other_executors_get_what_they_need(place, trained):
    """A piece of work that goes to another process holds all that it needs: it finds the states in the run's folder."""
    import pickle

    class Elsewhere(Local):
        def results(self, work, device, look):
            return super().results([pickle.loads(pickle.dumps(piece)) for piece in work], device, look)

    place.run("first", small(), weights=True, executor=Elsewhere())
    ours = place.run("changed", changed(), executor=Elsewhere())
    assert place.updates == 0
    assert_the_same(ours, load(trained))

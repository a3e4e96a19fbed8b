"""Trajectories: the states that members went through, kept so that a changed measure finds them without a training.

An entry is like a member's (see `ontogeny.cache`), under the address of the member that is never measured: its values
are the trace of the losses, its state holds the arrays of every kept step, and it says which steps those are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ontogeny.addresses.address import Addresses
from ontogeny.addresses.imports import Unaddressable
from ontogeny.advance import REPLAYED
from ontogeny.cache import COHORT_BYTES, WEIGHTS, Member, MemberCache, cohort_of, split
from ontogeny.experiment import TRACE, Experiment, Row, plain
from ontogeny.folder import Folder
from ontogeny.labelled import Record
from ontogeny.store import CohortStore, Weights, cohort_name, named

SHOWN = 5  # steps that a line names


class Trajectories:
    """The stored weights as one run uses them."""

    def __init__(
        self, cache: MemberCache, study: str, experiments: Mapping[str, Experiment], addresses: Addresses
    ) -> None:
        self.cache = MemberCache(cache.folder, cache.say, WEIGHTS)
        self.study, self.experiments = study, experiments
        self._addresses = addresses
        self._known: dict[tuple[str, str], list[str | None]] = {}

    def addresses(self, name: str, rows: Sequence[Row], mode: str) -> list[str | None]:
        """The address of every row's trajectory; None for one that has none."""
        if (name, mode) not in self._known:
            unmeasured = self.experiments[name].unmeasured()
            self._known[name, mode] = [unmeasured and self._address(unmeasured, row, mode) for row in plain(rows)]
        return self._known[name, mode]

    def _address(self, unmeasured: Experiment, row: Row, mode: str) -> str | None:
        try:
            return self._addresses.of(unmeasured, row, mode)
        except Unaddressable:  # of which the members' own addresses tell the user
            return None

    def lacking(self, name: str, rows: Sequence[Row], mode: str) -> list[set[int] | None]:
        """The measured steps of every row at which no state is stored; None where there is nothing of it."""
        if next(self.cache.abouts(), None) is None:
            return [None] * len(rows)
        addresses = self.addresses(name, rows, mode)
        return [self._lacking(name, row, address) for row, address in zip(rows, addresses, strict=True)]

    def _lacking(self, name: str, row: Row, address: str | None) -> set[int] | None:
        about = self.cache.about(address) if address else None
        return None if about is None else set(self.experiments[name].measured(row)) - _steps(about)

    def enough(self, name: str, rows: Sequence[Row], mode: str) -> list[int]:
        """Indices of the rows whose states seem to be stored at every measured step."""
        return [i for i, steps in enumerate(self.lacking(name, rows, mode)) if steps == set()]

    def adopt(
        self, name: str, plan: Mapping[str, Any], members: Sequence[int], folder: Folder, device: torch.device
    ) -> list[list[int]]:
        """Writes the stored states of members into cohorts of their own, to be measured, after those that are planned.

        Gives the members of each cohort, and tells the user how many there are.
        """
        enough = set(self.enough(name, plan["rows"], plan["mode"]))
        wanted = [i for i in members if i in enough]
        rows = [plan["rows"][i] for i in wanted]
        cohorts: list[list[int]] = []
        for chunk in self.experiments[name].plan(rows, device) if rows else ():
            for group in self._together(name, plan, [wanted[i] for i in chunk]):
                store = CohortStore(folder.inside(cohort_name(len(plan["cohorts"]) + len(cohorts))))
                records, weights = cohort_of(list(group.values()))
                store.commit(records, {REPLAYED: torch.tensor(True)}, weights)
                cohorts.append(list(group))
        if cohorts:
            taken = sum(len(group) for group in cohorts)
            self.cache.say(f"{name}: {taken} members re-measured from stored weights")
        return cohorts

    def _together(self, name: str, plan: Mapping[str, Any], members: Sequence[int]) -> Iterator[dict[int, Member]]:
        """Trajectories of members of one structure, at the measured steps alone, no more at once than can be held."""
        addresses = self.addresses(name, plan["rows"], plan["mode"])
        group: dict[int, Member] = {}
        size = 0
        for i in members:
            address = addresses[i]
            if address is None or (member := self.cache.take(address)) is None:
                continue
            steps = {str(step) for step in self.experiments[name].measured(plan["rows"][i])}
            state = {place: v for place, v in member.state.items() if place.partition("/")[0] in steps}
            if steps != {place.partition("/")[0] for place in state}:
                self.cache.say(f"ignored a corrupt entry of the cache ({address} lacks steps that it names)")
                continue
            group[i] = Member(member.records, state)
            size += group[i].bytes
            if size > COHORT_BYTES:
                yield group
                group, size = {}, 0
        if group:
            yield group

    def keep(self, name: str, plan: Mapping[str, Any], index: int, store: CohortStore, members: Sequence[int]) -> None:
        """Puts what a finished cohort has kept of some of its members into the cache, beside the steps that are there.

        Raises: what reading its files raises.
        """
        rows, addresses = plan["rows"], self.addresses(name, plan["rows"], plan["mode"])
        wanted = {i: a for i in members if (a := addresses[i]) and self._lacking(name, rows[i], a) != set()}
        if not wanted or self.cache.closed:
            return
        cohort = plan["cohorts"][index]
        with store.weights() as kept:
            for place, (i, traced) in enumerate(zip(cohort, _traces(store.records(), len(cohort)), strict=True)):
                if i in wanted and kept.steps:
                    self._put(wanted[i], Member(traced, _own(kept, place)), rows[i], name)

    def _put(self, address: str, member: Member, row: Row, name: str) -> None:
        before = self.cache.take(address) if self.cache.has(address) else None
        state = {**(before.state if before else {}), **member.state}
        steps = sorted({int(place.partition("/")[0]) for place in state})
        about = {"study": self.study, "experiment": name, "row": row, "steps": steps}
        self.cache.put(address, Member(member.records, state), about, instead=True)

    def explain(self, name: str, rows: Sequence[Row], modes: Sequence[str], members: Sequence[int]) -> str | None:
        """Why the stored weights of an experiment are not enough for these members; None where none are stored."""
        stored = [
            a.get("row") for a in self.cache.abouts() if (a.get("study"), a.get("experiment")) == (self.study, name)
        ]
        if not stored or not members:
            return None
        every = [self.lacking(name, rows, mode) for mode in modes]
        lacking = max(every, key=lambda found: sum(steps is not None for steps in found))
        why: Counter[str] = Counter()
        missing: set[int] = set()
        for i, row in zip(members, plain([rows[i] for i in members]), strict=True):
            if steps := lacking[i]:
                missing |= steps
                why["steps"] += 1
            elif steps is None:
                why["otherwise" if row in stored else "none"] += 1
        shown = ", ".join(map(str, sorted(missing)[:SHOWN])) + (", ..." if len(missing) > SHOWN else "")
        words = {
            "steps": f"lack step {shown}",
            "otherwise": "were trained otherwise (in task, model, data, code, versions or mode)",
            "none": "have none",
        }
        told = "; ".join(f"{why[kind]} {words[kind]}" for kind in words if why[kind])
        return f"{name}: stored weights are not enough for {sum(why.values())} members: {told}" if told else None


def _steps(about: Mapping[str, Any]) -> set[int]:
    steps = about.get("steps")
    return set(steps) if isinstance(steps, list) and all(isinstance(step, int) for step in steps) else set()


def _own(kept: Weights, place: int) -> dict[str, torch.Tensor]:
    """What a cohort has kept of the member at a place in it."""
    found: dict[str, torch.Tensor] = {}
    for step in kept.steps:
        found |= named(step, kept.at(step, slice(place, place + 1)))
    return found


def _traces(records: Sequence[Record], members: int) -> Iterator[tuple[Record, ...]]:
    """The trace of each member's losses, as one record where there is any."""
    pieces = [r.values[TRACE] for r in records if TRACE in r.values]
    whole: list[Record] = []
    if pieces:
        updates = [update for piece in pieces for update in piece.coords["update"]]
        values = torch.cat([piece.values for piece in pieces], -1)
        whole = [Record(None, {TRACE: replace(pieces[0], values=values, coords={"update": updates})})]
    return (member.records for member in split(whole, {}, members))

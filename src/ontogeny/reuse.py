"""Reuse: what a run takes out of the cache instead of making it, and what it puts there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ontogeny.addresses.address import Addresses
from ontogeny.addresses.imports import Unaddressable
from ontogeny.cache import FAILURES, Member, MemberCache, split
from ontogeny.experiment import Experiment, Row
from ontogeny.folder import Folder
from ontogeny.labelled import Labelled, Record
from ontogeny.store import CohortStore, cohort_name

TAKEN = {"done": 1, "total": 1, "loss": None}  # the progress of a cohort out of the cache
COHORT_BYTES = 64 << 20  # of members out of the cache that are written as one cohort, and held at once


class Reuse:
    """The cache as one run uses it."""

    def __init__(
        self, cache: MemberCache, study: str, experiments: Mapping[str, Experiment], device: torch.device
    ) -> None:
        self.cache, self.study, self.experiments = cache, study, experiments
        self._addresses = Addresses(device)
        self._known: dict[tuple[str, str], list[str | None]] = {}
        self._said: set[str] = set()

    def addresses(self, name: str, rows: Sequence[Row], mode: str) -> list[str | None]:
        """The address of every row of an experiment; None, with a line that says why, for one that has none."""
        if (name, mode) not in self._known:
            self._known[name, mode] = [self._address(name, row, mode) for row in _plain(rows)]
        return self._known[name, mode]

    def _address(self, name: str, row: Row, mode: str) -> str | None:
        try:
            return self._addresses.of(self.experiments[name], row, mode)
        except Unaddressable as error:
            if name not in self._said:
                self.cache.say(f"{name}: not cached, because {error}")
            self._said.add(name)
            return None

    def held(self, name: str, rows: Sequence[Row], mode: str) -> list[int]:
        """Indices of the rows that the cache seems to hold."""
        return [i for i, address in enumerate(self.addresses(name, rows, mode)) if address and self.cache.has(address)]

    def compare(self, name: str, plan: Mapping[str, Any]) -> None:
        """Tells the user when a run was begun with other code than it goes on with."""
        now, begun = self.addresses(name, plan["rows"], plan["mode"]), plan.get("addresses")
        if begun and any(a and b and a != b for a, b in zip(now, begun, strict=True)):
            self.cache.say(f"{name}: not cached, because something has changed since this run was begun")

    def adopt(self, name: str, plan: Mapping[str, Any], members: Sequence[int], folder: Folder) -> list[list[int]]:
        """Writes those members that the cache holds into cohorts of their own, finished, after those that are planned.

        Gives the members of each cohort, and tells the user how many there are.
        """
        addresses = self.addresses(name, plan["rows"], plan["mode"])
        cohorts: list[list[int]] = []
        for group in self._alike({i: address for i in members if (address := addresses[i])}):
            store = CohortStore(folder.inside(cohort_name(len(plan["cohorts"]) + len(cohorts))))
            store.commit(*_joined(list(group.values())))
            cohorts.append(list(group))
        if cohorts:
            taken = sum(len(group) for group in cohorts)
            self.cache.say(f"{name}: {taken} of {len(plan['rows'])} members from the cache")
        return cohorts

    def _alike(self, addresses: Mapping[int, str]) -> Iterator[dict[int, Member]]:
        """Members out of the cache in groups whose arrays can be joined."""
        groups: dict[str, dict[int, Member]] = {}
        for i, address in addresses.items():
            if (member := self.cache.take(address)) is None:
                continue
            kind = _shape(member)
            group = groups.setdefault(kind, {})
            group[i] = member
            if len(group) * _bytes(member) > COHORT_BYTES:
                yield groups.pop(kind)
        yield from groups.values()

    def keep(self, name: str, plan: Mapping[str, Any], index: int, store: CohortStore) -> None:
        """Puts the members of a cohort into the cache once it is finished, under the addresses it was begun with.

        Members whose address is another one by now (code was edited between two halves of a run) are not kept.
        """
        members, begun = plan["cohorts"][index], plan.get("addresses")
        now = self.addresses(name, plan["rows"], plan["mode"])
        try:
            wanted = {i: now[i] for i in members if begun and now[i] and now[i] == begun[i]}
            wanted = {i: address for i, address in wanted.items() if address and not self.cache.has(address)}
            state = store.state() if wanted and not self.cache.closed else None
            if state is None or "finished" not in state:
                return
            for i, member in zip(members, split(store.records(), state, len(members)), strict=True):
                if i in wanted:
                    about = {"study": self.study, "experiment": name, "row": plan["rows"][i]}
                    self.cache.put(wanted[i], member, about)
        except FAILURES as error:
            self.cache.close(f"{name} cannot be taken apart: {error}")


def _shape(member: Member) -> str:
    """What members must share to be joined: everything but the numbers in their arrays."""
    arrays = [
        [r.step, name, a.dims, [v for d, v in a.coords.items() if d != "member"], a.unit, _kind(a.values)]
        for r in member.records
        for name, a in r.values.items()
    ]
    state = [[name, _kind(v), None if v.ndim else v.item()] for name, v in member.state.items()]
    return json.dumps([arrays, state], default=list)


def _kind(values: Tensor) -> list[Any]:
    return [str(values.dtype), list(values.shape)]


def _bytes(member: Member) -> int:
    arrays = [a.values for r in member.records for a in r.values.values()]
    return sum(v.nbytes for v in [*arrays, *member.state.values()])


def _joined(members: Sequence[Member]) -> tuple[list[Record], dict[str, Tensor]]:
    """The records and the state of a cohort of these members."""
    records = [
        Record(first.step, {name: _stacked([r.values[name] for r in same]) for name in first.values})
        for first, *others in zip(*(m.records for m in members), strict=True)
        for same in [[first, *others]]
    ]
    states = [m.state for m in members]
    state = {name: torch.cat([s[name] for s in states]) if v.ndim else v for name, v in states[0].items()}
    return records, state


def _stacked(arrays: Sequence[Labelled]) -> Labelled:
    first = arrays[0]
    coords = dict(first.coords)
    if "member" in coords:
        coords["member"] = [label for a in arrays for label in a.coords["member"]]
    return replace(first, values=torch.cat([a.values for a in arrays]), coords=coords)


def _plain(rows: Sequence[Row]) -> list[Row]:
    """Rows as a run's folder keeps them, and its members get them."""
    return json.loads(json.dumps(rows, default=str))

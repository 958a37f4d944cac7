"""The contracts that a mapping names: whether they exist, belong to it, and hold together."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Literal

from translators.bound_mapping import BoundInvariant
from translators.contract import Contract, Shape, shape_of
from translators.invariants import InvariantRefused, bind_invariant, paths_of
from translators.mapping import EventRule, Mapping
from translators.promises import faults
from translators.report import Report
from translators.schema import Type
from translators.yaml_text import Mark, did_you_mean

Contracts = MappingType[str, type[Contract]]
"""Contracts by the name that mappings write: `PolicyBound.v1`."""


class Promised:
    """What a mapping promises, contract by contract; what is wrong with it goes into the report."""

    def __init__(self, mapping: Mapping, report: Report, contracts: Contracts) -> None:
        self._mapping = mapping
        self._report = report
        self._contracts = contracts

    def contract(self, name: str, kind: Literal["event", "state"], mark: Mark) -> type[Contract] | None:
        """The contract of this name, if there is one."""
        contract = self._contracts.get(name)
        if contract is None:
            said = f"no contract is called {name}{did_you_mean(name, sorted(self._contracts))}"
            self._report.find("contract.unknown", mark, said, len(name))
            return None
        promise = contract.promise
        if promise.kind != kind:
            said = f"{name} is the contract of an {promise.kind}, not of a {kind}"
            self._report.find("contract.kind", mark, said, len(name))
        if promise.context != self._mapping.context:
            said = f"{name} belongs to the context {promise.context}, this mapping to {self._mapping.context}"
            hint = "Only the context that owns a contract may publish it."
            self._report.find("contract.context", mark, said, len(name), hint)
        for fault in faults(promise, shape_of(contract)):
            self._report.find(fault.code, mark, fault.message, len(name), fault.hint)
        return contract

    def invariants(
        self, contract: type[Contract], shape: MappingType[str, Shape], types: MappingType[str, Type], mark: Mark
    ) -> tuple[BoundInvariant, ...]:
        """The contract's invariants, typed by what the mapping computes."""
        name = contract.promise.type
        found = []
        for text in contract.promise.invariants:
            try:
                bound = bind_invariant(text, contract.promise.name, shape, types)
            except InvariantRefused as refused:
                said = f"the invariant `{text}` of {name} cannot be checked: {refused.message}"
                self._report.find("contract.invariant", mark, said, len(name), refused.hint)
                continue
            found.append(BoundInvariant(name, text, bound, paths_of(bound, contract.promise.name), mark))
        return tuple(found)

    def check_technical(self, shape: MappingType[str, Shape]) -> None:
        """Technical fields are fields of the state."""
        for name in self._mapping.technical:
            if name not in shape:
                said = f"{self._mapping.contract} has no field {name}{did_you_mean(name, shape)}"
                self._report.find("contract.field-unknown", self._mapping.marks["technical"], said, len(name))

    def check_versions(self, rule: EventRule) -> None:
        """A list of types names versions of one contract."""
        first = rule.versions[0] if rule.versions else rule.type
        if rule.type.partition(".")[0] != first.partition(".")[0]:
            said = f"{rule.type} is no version of {first.partition('.')[0]}"
            hint = "A list of types publishes one fact in several versions; another fact is a rule of its own."
            self._report.find("event.versions", rule.mark, said, len(rule.type), hint)

    def another_version_has(self, field: str, rule: EventRule) -> bool:
        """Whether a field belongs to another version that the same rule publishes."""
        known = [self._contracts[name] for name in rule.versions if name in self._contracts]
        return any(field in shape_of(contract) for contract in known)

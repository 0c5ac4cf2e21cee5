"""The table's rows: functions with @case, one row for each combination of their choices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from client_table.face import Cell


@dataclass(frozen=True)
class Case:
    name: str
    run: Callable[[Cell], None]
    restarts: bool = False  # restarts the broker: run beside others that do, at the end
    slow: bool = False  # waits for long: begun first
    alone: bool = False  # would disturb the others: behind them, by itself
    not_for: Mapping[str, str] = field(default_factory=dict)  # clients that fail on any broker, and how


CASES: list[Case] = []
ONLY_ON_PULSAR = "on Pulsar:"  # how the reason begins of a cell that is skipped there, and run on Weft


def case(
    *,
    restarts: bool = False,
    slow: bool = False,
    alone: bool = False,
    not_for: Mapping[str, str] | None = None,
    **choices: Sequence[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(function: Callable[..., None]) -> Callable[..., None]:
        for chosen in product(*choices.values()):
            arguments = dict(zip(choices, chosen, strict=True))
            suffix = f"[{','.join(map(str, chosen))}]" if chosen else ""

            def run(cell: Cell, arguments: dict[str, Any] = arguments) -> None:
                function(cell, **arguments)

            name = function.__name__ + suffix
            assert name not in {each.name for each in CASES}, f"two cases {name}"
            CASES.append(Case(name, run, restarts, slow, alone, not_for or {}))
        return function

    return register


def numbered(number: int, start: int = 0) -> list[bytes]:
    return [b"message-%d" % n for n in range(start, start + number)]


def payloads(messages: Sequence[Any]) -> list[bytes]:
    return [message.payload for message in messages]


BATCHING = ("batched", "single")

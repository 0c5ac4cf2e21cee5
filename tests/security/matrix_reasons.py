"""Where Apache Pulsar 4.0.8 answers otherwise than by the rules that Weft keeps, and why. Each row is of use, or the test fails."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    operations: str  # regular expressions of whole names
    callers: str
    weft: str  # one of these letters
    pulsar: str
    because: str

    def is_of(self, cell: "Cell") -> bool:
        return (
            bool(re.fullmatch(self.operations, cell.operation) and re.fullmatch(self.callers, cell.caller))
            and cell.weft in self.weft
            and cell.pulsar in self.pulsar
        )


@dataclass(frozen=True)
class Cell:
    operation: str
    caller: str
    weft: str
    pulsar: str


_OF_THE_WORKER = r"\w+ /admin/worker(-stats)?/.*"
REASONS = [
    Reason(_OF_THE_WORKER, ".*", "1", "y", "a Pulsar broker with a worker in it answers 404: these paths are of a worker of its own"),
    Reason("PUT /admin/v2/worker/(let-go|function-credentials)", ".*", "1", "y", "Weft's own; Pulsar answers 404"),
    Reason("POST .*/state/{key}", ".*", "1", "y", "Pulsar looks first whether there is a store for state, and here is none"),
    Reason(".*/createMissedPartitions", ".*", "3", "y1", "Pulsar looks first whether the topic has partitions; who may use it may know that"),
    Reason("GET_SCHEMA|GET_OR_CREATE_SCHEMA", ".*", "Z", "y", "Pulsar asks for no right; Weft for those of a consumer or producer"),
    Reason("WATCH_TOPIC_LIST", ".*", "e", "yZ", "Weft does not serve it, and says so to everybody"),
    Reason("CONSUMER_STATS", ".*", "e", "c", "Pulsar ends the connection of one who asks about a consumer that it has refused him"),
]


def without_a_reason(cells: Iterable[Cell], reasons: list[Reason]) -> tuple[list[Cell], list[Reason]]:
    """The different cells that no row is about, and the rows that are about none."""
    unused = set(reasons)
    bare = []
    for cell in cells:
        if cell.weft == cell.pulsar:
            continue
        found = [reason for reason in reasons if reason.is_of(cell)]
        unused -= set(found)
        if not found:
            bare.append(cell)
    return bare, [reason for reason in reasons if reason in unused]

"""How much is measured: the whole run, a quick one, and the sample that a ctest runs."""

from dataclasses import dataclass

PARTS = ["start", "rest", "cross-check", "topics", "backlog", "latency", "idle", "restart"]


@dataclass(frozen=True)
class Plan:
    blocks: int = 3  # of each side
    starts: int = 20  # of Weft; the peer starts once a block
    rest_seconds: float = 20  # before the measured rest, which is as long

    count: int = 3_000_000  # messages of 100 B, published, consumed, and through a function
    count_peer: int = 1_000_000  # the same for the peer
    count_large: int = 200_000  # of 1 KiB
    count_single: int = 100_000  # of 100 B, each an entry of its own
    count_single_peer: int = 50_000
    python_count_peer: int = 50_000  # through the peer's Python function

    rate: int = 1000  # messages per second, for latency
    seconds: int = 15
    warmup_seconds: int = 3
    warmup_seconds_peer: int = 6  # what the JVM compiles first is not what is measured

    latency_attempts: int = 4  # a run in which the generator was held up is done once more

    idle: int = 20  # instances
    idle_java_peer: int = 4  # a JVM each
    idle_python_peer: int = 8
    settle_seconds: float = 2  # from running to idle

    topics: int = 1000  # there at a restart


WHOLE = Plan()
QUICK = Plan(
    blocks=1,
    starts=5,
    rest_seconds=5,
    seconds=8,
    warmup_seconds=2,
    idle_java_peer=2,
    idle_python_peer=4,
)
SAMPLE = Plan(
    blocks=1,
    starts=1,
    rest_seconds=0.5,
    count=500_000,
    count_peer=200_000,
    count_large=20_000,
    count_single=20_000,
    count_single_peer=10_000,
    seconds=1,
    warmup_seconds=1,
    latency_attempts=1,
    idle=3,
    settle_seconds=0.2,
    topics=50,
)

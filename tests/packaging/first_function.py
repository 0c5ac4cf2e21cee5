"""The first thing someone does with an installed weft, by its command line: a function, a message in, a message out."""

from collections.abc import Callable

# Runs the installed `weft` with these words and returns what it printed; raises when it fails.
Weft = Callable[..., str]


def create_and_use(weft: Weft, name: str, *program: str) -> None:
    """`program`: the options that name an example which appends an exclamation mark."""
    weft("functions", "create", "--name", name, *program, "--inputs", f"{name}-in", "--output", f"{name}-out",
         "--subs-position", "Earliest")
    use(weft, name, "hello")


def use(weft: Weft, name: str, message: str) -> None:
    """Sends one message through a function that is there, and takes the result with a subscription that stays."""
    weft("produce", f"{name}-in", "-m", message)
    got = weft("consume", f"{name}-out", "-s", "mine", "-p", "Earliest", "-n", "1")
    assert f"content:{message}!\n" in got, got

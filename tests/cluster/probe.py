"""A steady stream of numbered messages through many functions, and a look at who is connected to their inputs."""

import http.client
import json
import threading
import time
from collections.abc import Callable

import pulsar
import pulsar.schema
from cluster import Config

from harness.broker import Address

PER_SECOND = 1000
PATIENCE_SECONDS = 60
_LOGGER = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)


class Probe:
    """Sends to the inputs in turn, and reads what comes of it on the one output. Each text: function:number:moment, and
    what a function adds behind it."""

    def __init__(
        self, address: Address, configs: list[Config], output: str, per_second: float = PER_SECOND, *, strings: bool = False
    ) -> None:
        """`strings`: with the schema that Java's functions of strings want."""
        self._per_second = per_second
        self._strings = strings
        self._client = pulsar.Client(address.service_url, logger=_LOGGER)
        self._inputs = [str(config["inputs"][0]) for config in configs]  # type: ignore[index]
        self._output = output
        self._counts = [0] * len(configs)  # sent to each
        self._refused: set[tuple[int, int]] = set()
        self._changed = threading.Condition()  # guards what follows
        self._next = [0] * len(configs)  # all below it have come out
        self._early: list[set[int]] = [set() for _ in configs]  # and these
        self._arrived = [time.monotonic()] * len(configs)  # the last output
        self._stamp = [0.0] * len(configs)  # the latest moment of sending that has come out
        self._gaps = [0.0] * len(configs)
        self.repeated = 0
        self._ended = threading.Event()
        self._begin = time.monotonic()
        self._seconds = 0.0
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Probe":
        self._producers = [
            self._client.create_producer(
                topic, schema=pulsar.schema.StringSchema() if self._strings else pulsar.schema.BytesSchema(),
                batching_enabled=False, send_timeout_millis=0, max_pending_messages=100_000,
            )  # fmt: skip
            for topic in self._inputs
        ]
        self._reader = self._client.create_reader(
            self._output, pulsar.MessageId.earliest, reader_listener=lambda _, message: self._take(message.data())
        )
        self._begin = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._client.close()

    def _end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
            self._seconds = time.monotonic() - self._begin

    def _send(self) -> None:
        turn = 0
        while not self._ended.is_set():
            number = turn % len(self._producers)
            count = self._counts[number]
            self._counts[number] += 1
            text = f"{number}:{count}:{time.monotonic()}"
            self._producers[number].send_async(text if self._strings else text.encode(), self._receipt_of(number, count))
            turn += 1
            time.sleep(max(0.0, self._begin + turn / self._per_second - time.monotonic()))  # the probe's clock

    def _receipt_of(self, number: int, count: int) -> Callable[[pulsar.Result, object], None]:
        def taken(result: pulsar.Result, _: object) -> None:
            if result != pulsar.Result.Ok:
                self._refused.add((number, count))

        return taken

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        number, count, stamp = int((words := data.split(b":"))[0]), int(words[1]), float(words[2].rstrip(b"!"))
        with self._changed:
            early = self._early[number]
            if count < self._next[number] or count in early:
                self.repeated += 1
            else:
                early.add(count)
                while self._next[number] in early:
                    early.remove(self._next[number])
                    self._next[number] += 1
            if (gap := now - self._arrived[number]) > self._gaps[number]:
                self._gaps[number] = gap
            self._arrived[number] = now
            self._stamp[number] = max(self._stamp[number], stamp)
            self._changed.notify_all()

    def wait_until_all_are_served(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Until of each input a message has come out that was sent after this call."""
        now = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(lambda: min(self._stamp) > now, patience_seconds):
                silent = [number for number, stamp in enumerate(self._stamp) if stamp <= now]
                raise TimeoutError(f"no output of {silent} in {patience_seconds} s")

    def begin_round(self) -> None:
        with self._changed:
            self._gaps = [0.0] * len(self._gaps)

    def end_round(self) -> dict[int, float]:
        """The longest time without an output, by function."""
        with self._changed:
            return dict(enumerate(self._gaps))

    def finish(self) -> None:
        """Ends sending; waits until all has come out, or the time is over."""
        self._end()
        for producer in self._producers:
            producer.flush()
        with self._changed:
            self._changed.wait_for(lambda: not self._missing(), PATIENCE_SECONDS)

    @property
    def sent(self) -> int:
        return sum(self._counts)

    @property
    def per_second(self) -> float:
        return self.sent / self._seconds

    def lost(self) -> list[tuple[int, int]]:
        """Function and number of what was taken by the broker and has not come out."""
        with self._changed:
            return self._missing()

    def _missing(self) -> list[tuple[int, int]]:
        return [
            (number, count)
            for number, sent in enumerate(self._counts)
            for count in range(self._next[number], sent)
            if count not in self._early[number] and (number, count) not in self._refused
        ]


class ConsumerWatch:
    """How many consumers each function's subscription has, by the broker's own word, again and again."""

    def __init__(self, address: Address, configs: list[Config], cut: set[str], every_seconds: float = 0.002) -> None:
        """`cut`: hosts that nothing reaches now; what the broker still has of them runs nothing."""
        self._every_seconds = every_seconds
        self._address = address
        self._cut = cut
        self._names = [(str(c["inputs"][0]).rsplit("/", 1)[1], f"public/default/{c['name']}") for c in configs]  # type: ignore[index]
        self.looks = 0
        self.twice: list[tuple[str, float, list[str]]] = []  # whose, for how long, the consumers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "ConsumerWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        self._ended.set()
        self._thread.join()

    def connections(self) -> list[list[str]]:
        """Of each function its consumers, by the addresses they came from."""
        connection = http.client.HTTPConnection(self._address.host, self._address.web_port, timeout=5)
        try:
            return [self._look(connection, topic, subscription) for topic, subscription in self._names]
        finally:
            connection.close()

    @property
    def longest_twice(self) -> float:
        return max((seconds for _, seconds, _ in self.twice), default=0)

    def _watch(self) -> None:
        connection = http.client.HTTPConnection(self._address.host, self._address.web_port, timeout=5)
        at = 0
        while not self._ended.wait(self._every_seconds):
            topic, subscription = self._names[at % len(self._names)]
            at += 1
            try:
                begin = time.monotonic()
                there = self._look(connection, topic, subscription)
                if len(there) < 2:
                    continue
                seen = there
                while len(there) > 1 and not self._ended.is_set():
                    there = self._look(connection, topic, subscription)
                self.twice.append((subscription, time.monotonic() - begin, seen))
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                connection.close()  # the broker is away

    def _look(self, connection: http.client.HTTPConnection, topic: str, subscription: str) -> list[str]:
        connection.request("GET", f"/admin/v2/persistent/public/default/{topic}/stats")
        stats = json.loads(connection.getresponse().read())
        self.looks += 1
        consumers = stats["subscriptions"].get(subscription, {"consumers": []})["consumers"]
        there = [f"{each['consumerName']} {each['address']}" for each in consumers]
        return [each for each in there if not any(f"{host}:" in each for host in list(self._cut))]

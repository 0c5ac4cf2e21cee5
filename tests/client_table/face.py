"""The face that the cases are written on, and the drivers behind it.

A driver is a program around one unchanged client. It reads requests from its standard input and writes
answers to its standard output, JSON objects, a line each, in any order:

    {"id": 7, "op": "producer", "topic": "...", "batching": false}
    {"id": 7, "ok": {"handle": 1, ...}} | {"error": {"name", "text"}} | {"unsupported": "why"}

It keeps producers, consumers and readers by their handles, and message ids by their refs. `unsupported` is
what its client cannot do; a case that meets it is skipped, and its reason has to stand in
docs/compatibility.md.
"""

import base64
import json
import subprocess
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.broker import Broker

ANSWER_SECONDS = 150
RECEIVE_MS = 30_000

# What each client calls the same refusal.
ERRORS: dict[str, dict[str, set[str]]] = {
    "subscription_busy": {
        "python": {"ConsumerBusy"},
        "java": {"ConsumerBusyException"},
        "go": {"ConsumerBusy"},
        "ours": {"conflict"},
    },
    "producer_busy": {
        "python": {"ProducerBusy"},
        "java": {"ProducerBusyException"},
        "go": {"ProducerBusy"},
        "ours": {"conflict"},
    },
    "producer_fenced": {
        "python": {"ProducerFenced"},
        "java": {"ProducerFencedException"},
        "go": {"ProducerFenced"},
        "ours": {"conflict"},
    },
    # What it sends then: refused as fenced, or, once the broker has closed it, as closed.
    "producer_thrown_out": {
        "python": {"ProducerFenced", "AlreadyClosed"},
        "java": {"ProducerFencedException", "AlreadyClosedException"},
        "go": {"ProducerFenced", "ProducerClosed"},
        "ours": {"conflict"},
    },
    "too_large": {
        "python": {"MessageTooBig"},
        "java": {"InvalidMessageException"},
        "go": {"MessageTooBig"},
        "ours": {"too_large"},
    },
    "incompatible_schema": {
        "python": {"IncompatibleSchema"},
        "java": {"IncompatibleSchemaException"},
        "go": {"IncompatibleSchema"},
        "ours": {"precondition_failed"},
    },
    "no_such_namespace": {
        "python": {"TopicNotFound"},
        "java": {"TopicDoesNotExistException"},
        "go": {"TopicNotFound"},
        "ours": {"not_found"},
    },
    "bad_name": {
        "python": {"InvalidTopicName"},
        "java": {"InvalidTopicNameException"},
        "go": {"Invalid topic name"},
        "ours": {"invalid_argument"},
    },
    "not_cumulative": {
        "python": {"CumulativeAcknowledgementNotAllowedError"},
        "java": {"InvalidConfigurationException"},
        "go": {"cumulative ack is not allowed for the Shared/KeyShared subscription type"},
        "ours": {"invalid_argument"},
    },
}


class Unsupported(Exception):
    """The client has no such thing, says its driver."""


class Refused(Exception):
    """The client's call failed."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


class Driver:
    """One driver process; call() from any thread."""

    def __init__(self, client: str, command: Sequence[str | Path], service_url: str, log: Path) -> None:
        self.client = client
        self._log = log
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [*map(str, command), service_url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            )
        self._ids = count(1)
        self._sending = threading.Lock()
        self._lock = threading.Lock()  # guards what follows
        self._waiting: dict[int, SimpleQueue[dict[str, Any]]] = {}
        self._ended = ""  # why, once it has
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._lock:
                waiting = self._waiting.pop(answer["id"], None)
            if waiting is not None:
                waiting.put(answer)
        status = self._process.wait()
        with self._lock:
            self._ended = f"the {self.client} driver ended with {status}: {self._log.read_text()[-1500:]}"
            for waiting in self._waiting.values():
                waiting.put({"ended": self._ended})

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        request = next(self._ids)
        mine: SimpleQueue[dict[str, Any]] = SimpleQueue()
        text = json.dumps({"id": request, "op": op, **arguments}) + "\n"
        with self._lock:
            if self._ended:
                raise RuntimeError(self._ended)
            self._waiting[request] = mine
        # Not with the lock of the answers: a driver that can't get rid of an answer doesn't read requests.
        with self._sending:
            assert self._process.stdin is not None
            self._process.stdin.write(text)
            self._process.stdin.flush()
        try:
            answer = mine.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise TimeoutError(f"the {self.client} driver did not answer {op} in {ANSWER_SECONDS} s") from None
        if "ended" in answer:
            raise RuntimeError(answer["ended"])
        if "unsupported" in answer:
            raise Unsupported(answer["unsupported"])
        if "error" in answer:
            raise Refused(answer["error"]["name"], answer["error"]["text"])
        ok: dict[str, Any] = answer["ok"]
        return ok

    def stop(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Id:
    ref: int
    ledger: int
    entry: int
    partition: int
    batch: int

    @property
    def position(self) -> tuple[int, int, int]:
        return self.ledger, self.entry, self.batch


@dataclass(frozen=True)
class Message:
    id: Id
    payload: bytes
    key: str | None
    ordering_key: str | None
    properties: dict[str, str]
    event_time: int
    publish_time: int
    producer: str
    redelivery: int
    topic: str
    value: Any


def _message(told: dict[str, Any]) -> Message:
    names = ("key", "ordering_key", "properties", "event_time", "publish_time", "producer", "redelivery", "topic")
    return Message(
        id=Id(**told["id"]),
        payload=base64.b64decode(told["payload"]),
        value=told.get("value"),
        **{name: told[name] for name in names},
    )


class _Handle:
    def __init__(self, driver: Driver, answer: dict[str, Any]) -> None:
        self._driver = driver
        self._handle = answer["handle"]
        self._open = True

    def _call(self, op: str, **arguments: Any) -> dict[str, Any]:
        return self._driver.call(op, handle=self._handle, **arguments)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._call("close")


class Producer(_Handle):
    def __init__(self, driver: Driver, answer: dict[str, Any]) -> None:
        super().__init__(driver, answer)
        self.name: str = answer["name"]

    def send(self, payload: bytes | None = None, **carried: Any) -> Id:
        return self.send_all([carried if payload is None else {"payload": payload, **carried}])[0]

    def send_all(self, messages: Iterable[bytes | dict[str, Any]]) -> list[Id]:
        """Sends without waiting in between, then waits for all receipts: one batch, where batching is on
        and it fits."""
        told = []
        for message in messages:
            one = dict(message) if isinstance(message, dict) else {"payload": message}
            if "payload" in one:
                one["payload"] = base64.b64encode(one["payload"]).decode()
            told.append(one)
        return [Id(**each) for each in self._call("send", messages=told)["ids"]]

    def last_sequence_id(self) -> int:
        return int(self._call("last_sequence_id")["value"])


class Source(_Handle):
    """A consumer or a reader."""

    def receive(self, number: int, ack: bool = False, timeout_ms: int = RECEIVE_MS) -> list[Message]:
        """So many messages; fails if they don't come."""
        messages = self.receive_some(number, timeout_ms)
        if len(messages) < number:
            raise AssertionError(
                f"{len(messages)} of {number} messages came: {shortened([m.payload for m in messages])}"
            )
        if ack:
            self.ack(*messages)
        return messages

    def receive_some(self, number: int, timeout_ms: int) -> list[Message]:
        """Up to so many, as they come until the timeout."""
        return [_message(each) for each in self._call("receive", count=number, timeout_ms=timeout_ms)["messages"]]

    def expect_nothing(self, milliseconds: int = 400) -> None:
        messages = self.receive_some(1, milliseconds)
        assert not messages, f"came unasked: {shortened([m.payload for m in messages])}"

    def ack(self, *messages: Message) -> None:
        self._call("ack", refs=[message.id.ref for message in messages])

    def ack_cumulative(self, message: Message) -> None:
        self._call("ack_cumulative", ref=message.id.ref)

    def nack(self, *messages: Message) -> None:
        self._call("nack", refs=[message.id.ref for message in messages])

    def redeliver(self) -> None:
        self._call("redeliver")

    def seek(self, place: Id | str) -> None:
        self._call("seek", place=place if isinstance(place, str) else place.ref)

    def seek_time(self, milliseconds: int) -> None:
        self._call("seek", time=milliseconds)

    def last_id(self) -> Id:
        return Id(**self._call("last_id")["id"])

    def available(self) -> bool:
        return bool(self._call("available")["value"])

    def unsubscribe(self) -> None:
        self._open = False
        self._call("unsubscribe")

    def read_to_end(self, number: int) -> list[bytes]:
        """Of a reader: so many messages, behind which there is nothing."""
        found = [message.payload for message in self.receive(number)]
        assert not self.available(), f"more behind {shortened(found)}"
        return found


class Cell:
    """One case on one client and broker: what its function uses."""

    def __init__(
        self, case: str, driver: Driver, broker: Broker, restart: "Restart | None", arrived: threading.Event
    ) -> None:
        self.client = driver.client
        self.broker = broker.name
        self.run = uuid.uuid4().hex[:8]
        self.base = f"{case.replace('[', '-').replace(']', '').replace(',', '-')}-{self.client}-{self.run}"
        self.topic = self.topic_named()
        self._driver = driver
        self._address = broker.address
        self._restart, self._arrived = restart, arrived
        self._opened: list[_Handle] = []

    def topic_named(self, suffix: str = "") -> str:
        return f"persistent://public/default/{self.base}{suffix}"

    def producer(self, topic: str | None = None, **options: Any) -> Producer:
        made = Producer(self._driver, self._driver.call("producer", topic=topic or self.topic, **options))
        self._opened.append(made)
        return made

    def consumer(self, topic: str | None = None, kind: str = "exclusive", sub: str = "sub", **options: Any) -> Source:
        """Begins at the earliest, unless told otherwise; by topic, or by `topics` or `pattern`."""
        if "topics" not in options and "pattern" not in options:
            options["topic"] = topic or self.topic
        made = Source(self._driver, self._driver.call("consumer", type=kind, subscription=sub, **options))
        self._opened.append(made)
        return made

    def reader(self, start: Id | str, topic: str | None = None, **options: Any) -> Source:
        place = start if isinstance(start, str) else start.ref
        made = Source(self._driver, self._driver.call("reader", topic=topic or self.topic, start=place, **options))
        self._opened.append(made)
        return made

    def partitions(self, topic: str | None = None) -> list[str]:
        return list(self._driver.call("partitions", topic=topic or self.topic)["topics"])

    @contextmanager
    def refused(self, kind: str) -> Iterator[None]:
        wanted = ERRORS[kind][self.client]
        try:
            yield
        except Refused as error:
            assert error.name in wanted, f"refused with {error}, not with one of {sorted(wanted)}"
        else:
            raise AssertionError(f"not refused ({kind})")

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """A call of the admin REST (path behind /admin/v2/); None where it answers nothing."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address.admin_url}/admin/v2/{path}", data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from None
        return json.loads(text) if text else None

    def rest_name(self, topic: str | None = None) -> str:
        return (topic or self.topic).replace("://", "/")

    def make_partitioned(self, partitions: int) -> None:
        self.admin("PUT", f"{self.rest_name()}/partitions", partitions)

    def restart_broker(self) -> None:
        """All cells that restart the broker wait here for each other; it is restarted once."""
        assert self._restart is not None, "not a case with restarts=True"
        self._arrived.set()
        self._restart.arrive()

    def later(self, act: Callable[[], Any]) -> "Future[Any]":
        """What `act` gives, when it ends; meanwhile the case goes on."""
        pool = ThreadPoolExecutor(1)
        ended = pool.submit(act)
        pool.shutdown(wait=False)
        return ended

    def close(self) -> None:
        for each in reversed(self._opened):
            with suppress(Refused, Unsupported, TimeoutError, KeyError):
                each.close()


class Restart:
    """Where the cells of a run meet: the last to arrive (or to end before) restarts the broker for all."""

    def __init__(self, parties: int, action: Any) -> None:
        self._missing = parties
        self._action = action
        self._changed = threading.Condition()
        self._done = False

    def arrive(self) -> None:
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._done, 300):
                raise TimeoutError("the broker was not restarted")

    def left(self) -> None:
        """A cell that ended without arriving."""
        with self._changed:
            self._missing -= 1
            self._changed.notify_all()

    def perform(self) -> None:
        """On the main thread, whose child the broker is."""
        with self._changed:
            self._changed.wait_for(lambda: self._missing <= 0, 300)
        self._action()
        with self._changed:
            self._done = True
            self._changed.notify_all()


def shortened(payloads: Sequence[bytes]) -> str:
    return str([p[:20] for p in payloads[:20]]) + (" ..." if len(payloads) > 20 else "")

"""Producers that write down each send receipt they get, in a process of their own and outside the broker's data directory.

    python receipts.py SERVICE_URL JOURNAL functions|none

It goes on through deaths of the broker until its standard input is closed; then it waits for what is under way and ends. A line
of the journal: producer, number, and the message id that the receipt named (ledger:entry:batch index). The messages themselves
follow from producer and number, so a reader can check them.
"""

import os
import random
import sys
import threading
from dataclasses import dataclass

import pulsar


@dataclass(frozen=True)
class Load:
    """One producer: what it sends, and how."""

    name: str
    topic: str
    size: int
    batched: bool
    pending: int
    pause_seconds: float
    text: bool = False  # for functions, whose input is text

    def payload(self, number: int) -> bytes:
        head = f"{self.name}:{number}:".encode()
        if self.text:
            return head + random.Random(f"{self.name}:{number}").randbytes(self.size // 2).hex().encode()
        return head + random.Random(f"{self.name}:{number}").randbytes(self.size - len(head))


LOADS = [
    Load("batches", "kill9-shared", 100, batched=True, pending=1000, pause_seconds=0),
    Load("singles", "kill9-shared", 1024, batched=False, pending=64, pause_seconds=0),
    Load("alone", "kill9-alone", 300, batched=False, pending=1, pause_seconds=0),
    Load("large", "kill9-large", 100_000, batched=False, pending=4, pause_seconds=0.01),
]
# Inputs of functions: each comes out of its function, too.
FUNCTION_LOADS = [
    Load("to-python", "kill9-python-in", 100, batched=True, pending=100, pause_seconds=0.002, text=True),
    Load("to-native", "kill9-native-in", 100, batched=True, pending=100, pause_seconds=0.002, text=True),
]
ALL_LOADS = LOADS + FUNCTION_LOADS


def message_id_text(message_id: "pulsar.MessageId") -> str:
    return f"{message_id.ledger_id()}:{message_id.entry_id()}:{message_id.batch_index()}"


class Journal:
    """Lines that are in the file when add() returns."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, load: Load, number: int, message_id: "pulsar.MessageId") -> None:
        os.write(self._fd, f"{load.name} {number} {message_id_text(message_id)}\n".encode())


def produce(client: "pulsar.Client", load: Load, journal: Journal, stop: threading.Event) -> None:
    producer = client.create_producer(
        load.topic,
        producer_name=load.name,
        batching_enabled=load.batched,
        batching_max_publish_delay_ms=2,
        max_pending_messages=load.pending,
        block_if_queue_full=True,
        send_timeout_millis=0,  # a dead broker is waited for
    )

    def receipt(number: int):
        def got(result: "pulsar.Result", message_id: "pulsar.MessageId") -> None:
            if result == pulsar.Result.Ok:
                journal.add(load, number, message_id)

        return got

    number = 0
    while not stop.is_set():
        producer.send_async(load.payload(number), receipt(number))
        number += 1
        if load.pause_seconds:
            stop.wait(load.pause_seconds)
    producer.flush()
    producer.close()


def main() -> None:
    service_url, journal_path, with_functions = sys.argv[1:]
    client = pulsar.Client(
        service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error), operation_timeout_seconds=30
    )
    # A subscription makes the broker keep everything.
    loads = ALL_LOADS if with_functions == "functions" else LOADS
    for topic in sorted({load.topic for load in loads}):
        client.subscribe(topic, "keep", initial_position=pulsar.InitialPosition.Earliest).close()
    journal = Journal(journal_path)
    stop = threading.Event()
    threads = [threading.Thread(target=produce, args=(client, load, journal, stop)) for load in loads]
    for thread in threads:
        thread.start()
    print("producing", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    client.close()


if __name__ == "__main__":
    main()

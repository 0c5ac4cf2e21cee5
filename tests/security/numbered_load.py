"""A program: sends numbered messages at a rate and receives what comes of them, until its standard input ends.

Its argument is JSON: service_url, token_file and trust_file (looked at for each connection), input, outputs, rate (a second). It prints
"ready", and at its end JSON: sent, failed, and of each output received (different numbers), again (more than once), missing.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pulsar

WHAT: dict[str, Any] = json.loads(sys.argv[1])
STEP_SECONDS = 0.02
PATIENCE_SECONDS = 60  # from the last message on, until what is missing has come
RECEIVED_AT_ONCE = 2000


class Output:
    """Receives on a thread of its own."""

    def __init__(self, client: pulsar.Client, topic: str) -> None:
        at_once = pulsar.ConsumerBatchReceivePolicy(RECEIVED_AT_ONCE, -1, 100)
        self._consumer = client.subscribe(topic, "numbers", initial_position=pulsar.InitialPosition.Earliest,
                                          receiver_queue_size=4 * RECEIVED_AT_ONCE, batch_receive_policy=at_once)  # fmt: skip
        self._seen = bytearray()
        self._of_all: int | None = None
        self.again = 0
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def finish(self, sent: int) -> dict[str, int]:
        self._of_all = sent
        self._thread.join()
        there = self._seen[:sent].count(1)
        return {"received": there, "again": self.again, "missing": sent - there, "not_sent": self._seen[sent:].count(1)}

    def _receive(self) -> None:
        count, until = 0, float("inf")
        while count != self._of_all and time.monotonic() < until:
            messages = self._consumer.batch_receive()
            for message in messages:
                number = int(message.data())
                if number >= len(self._seen):
                    self._seen.extend(bytes(number + 100_000 - len(self._seen)))
                self.again += self._seen[number]
                count += not self._seen[number]
                self._seen[number] = 1
            if messages:
                self._consumer.acknowledge_cumulative(messages[-1])
            if self._of_all is not None and until == float("inf"):
                until = time.monotonic() + PATIENCE_SECONDS


def main() -> None:
    sys.setswitchinterval(0.001)
    client = pulsar.Client(
        WHAT["service_url"],
        authentication=pulsar.AuthenticationToken(lambda: Path(WHAT["token_file"]).read_text()),
        tls_trust_certs_file_path=WHAT["trust_file"],
        tls_validate_hostname=True,
        logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
    )
    outputs = {topic: Output(client, topic) for topic in WHAT["outputs"]}
    producer = client.create_producer(WHAT["input"], batching_enabled=True, batching_max_publish_delay_ms=5, send_timeout_millis=0,
                                      block_if_queue_full=True, max_pending_messages=50_000)  # fmt: skip
    failed: list[str] = []
    over = threading.Event()

    def receipt(result: pulsar.Result, _: object) -> None:
        if result != pulsar.Result.Ok:
            failed.append(str(result))

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    print("ready", flush=True)
    begin, sent = time.monotonic(), 0
    while not over.wait(STEP_SECONDS):
        due = int((time.monotonic() - begin) * WHAT["rate"])
        for number in range(sent, due):
            producer.send_async(str(number).encode(), receipt)
        sent = max(sent, due)
    seconds = time.monotonic() - begin
    producer.flush()
    found = {topic: output.finish(sent) for topic, output in outputs.items()}
    print(json.dumps({"sent": sent, "seconds": round(seconds, 1), "failed": failed, "outputs": found}), flush=True)
    client.close()


if __name__ == "__main__":
    main()

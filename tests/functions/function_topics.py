"""A client of PyPI's pulsar-client, and topics of one test."""

import uuid

import pulsar

from harness.weft_standalone import WeftStandalone


class Topics:
    """A client, and topics of one test."""

    def __init__(self, weft: WeftStandalone) -> None:
        self.client = pulsar.Client(
            weft.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        )
        self._id = uuid.uuid4().hex[:10]

    def __call__(self, name: str) -> str:
        return f"persistent://public/default/{name}-{self._id}"

    def reader_of(self, name: str) -> pulsar.Consumer:
        return self.client.subscribe(
            self(name), "test", initial_position=pulsar.InitialPosition.Earliest, receiver_queue_size=10_000
        )

    @staticmethod
    def receive_until(consumer: pulsar.Consumer, wanted: bytes, patience_ms: int) -> None:
        """Takes messages up to that one: others may come again, at least once is what was asked for."""
        while consumer.receive(patience_ms).data() != wanted:
            pass

    def send(self, name: str, numbers: range) -> None:
        failures: list[pulsar.Result] = []

        def sent(result: pulsar.Result, _: object) -> None:
            if result != pulsar.Result.Ok:
                failures.append(result)

        producer = self.client.create_producer(
            self(name), batching_enabled=True, block_if_queue_full=True, max_pending_messages=50_000
        )
        for n in numbers:
            producer.send_async(f"message {n}".encode(), sent, properties={"n": str(n)}, partition_key=f"k{n % 7}")
        producer.flush()
        producer.close()
        assert not failures

"""Reads a topic and the outputs that functions made of it, and says what is missing and what is there twice.

    python check_guarantees.py SERVICE_URL INPUT_TOPIC OUTPUT_TOPIC...

It knows nothing of the functions but that each appends a '!' and that an output names its input's message id. A line of JSON for
each output topic.
"""

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pulsar


def key_of(ledger: int, entry: int, batch_index: int) -> int:
    """One number for a message id."""
    return (ledger << 56) | (entry << 16) | (batch_index + 1)


def key_in(text: str) -> int:
    """Of the property __pfn_input_msg_id__: Base64 of a MessageIdData, whose fields are all varints."""
    data = base64.b64decode(text)
    fields = {4: -1}
    at = 0
    while at < len(data):
        number = data[at] >> 3
        at += 1
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        fields[number] = value
    return key_of(fields[1], fields[2], fields[4])


@dataclass
class Findings:
    """What became of each input in one output topic."""

    inputs: dict[int, bytes]  # message id to payload
    seen: dict[int, int] = field(default_factory=dict)  # message id to how often
    outputs: int = 0
    wrong: int = 0  # an output of no input, or not what the function makes of it

    def add(self, input_key: int, payload: bytes) -> None:
        self.outputs += 1
        if self.inputs.get(input_key) != payload.removesuffix(b"!") or not payload.endswith(b"!"):
            self.wrong += 1
        self.seen[input_key] = self.seen.get(input_key, 0) + 1

    def summary(self) -> dict[str, int]:
        return {
            "inputs": len(self.inputs),
            "outputs": self.outputs,
            "lost": sum(1 for key in self.inputs if key not in self.seen),
            "inputs_with_more_than_one_output": sum(1 for times in self.seen.values() if times > 1),
            "wrong": self.wrong,
        }


def messages(client: pulsar.Client, topic: str) -> Iterator[pulsar.Message]:
    reader = client.create_reader(topic, pulsar.MessageId.earliest, receiver_queue_size=10_000)
    while reader.has_message_available():
        yield reader.read_next(30_000)
    reader.close()


def main() -> None:
    service_url, input_topic, *output_topics = sys.argv[1:]
    client = pulsar.Client(service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    inputs = {}
    for message in messages(client, input_topic):
        message_id = message.message_id()
        inputs[key_of(message_id.ledger_id(), message_id.entry_id(), message_id.batch_index())] = message.data()
    for topic in output_topics:
        found = Findings(inputs)
        for message in messages(client, topic):
            properties = message.properties()
            named = properties.get("__pfn_input_topic__") == input_topic
            found.add(key_in(properties["__pfn_input_msg_id__"]) if named else -1, message.data())
        print(json.dumps(found.summary()), flush=True)
    client.close()


if __name__ == "__main__":
    main()

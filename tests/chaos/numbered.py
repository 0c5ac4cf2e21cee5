"""Sends numbered messages through deaths of the broker, in a process of its own.

    python numbered.py SERVICE_URL TOPIC KEPT_TOPIC...

Each line of standard input is a number: messages up to it are sent, in the background of a second at least, and when they are under way
the number comes back on standard output. At the end of the input it waits for all receipts and ends. Of all topics named, everything is
kept by a subscription.
"""

import sys
import time

import pulsar


def main() -> None:
    service_url, topic, *kept = sys.argv[1:]
    sys.setswitchinterval(0.0001)  # each receipt waits for its turn in the interpreter: not for 5 ms
    client = pulsar.Client(
        service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error), operation_timeout_seconds=60
    )
    for each in [topic, *kept]:
        client.subscribe(each, "keep", initial_position=pulsar.InitialPosition.Earliest).close()
    producer = client.create_producer(
        topic,
        batching_enabled=True,
        batching_max_messages=200,
        block_if_queue_full=True,
        max_pending_messages=10_000,
        send_timeout_millis=0,  # a dead broker is waited for
    )
    print("ready", flush=True)
    sent = 0
    for line in sys.stdin:
        number = int(line)
        piece = max(1, (number - sent) // 50)
        for n in range(sent, number):
            producer.send_async(f"message {n}".encode(), lambda *_: None)
            if n % piece == 0:
                time.sleep(0.02)  # what is killed meanwhile is at work
        sent = number
        print(sent, flush=True)
    producer.flush()
    client.close()


if __name__ == "__main__":
    main()

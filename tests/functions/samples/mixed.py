"""Does a bit of everything, by the number in property `n`: filters, publishes elsewhere, fails once, logs, dies."""
import os

from pulsar import Function


class Mixed(Function):
    def __init__(self):
        self.failed = set()

    def process(self, input, context):
        if input == "abort":
            marker = context.get_user_config_value("marker")
            if not os.path.exists(marker):
                open(marker, "w").close()
                os.abort()
        n = int(context.get_message_properties()["n"])
        if n % 10 == 3:
            return None
        if n % 1000 == 7:
            if n not in self.failed:
                self.failed.add(n)
                raise ValueError(f"planted {n}")
            context.get_logger().info("again %d", n)
        if n % 100 == 5:
            context.publish(
                context.get_user_config_value("extra"), f"extra {n}", properties={"n": n}, message_conf={"partition_key": "x"}
            )
        return input + "!"


class UsesClient(Function):
    """Sends through a client of the public package, opened inside the instance."""

    def __init__(self):
        self.client = None

    def process(self, input, context):
        import pulsar

        if self.client is None:
            self.client = pulsar.Client(context.get_user_config_value("url"))
            self.producer = self.client.create_producer(
                context.get_user_config_value("side"), compression_type=pulsar.CompressionType.ZSTD
            )
        self.producer.send(f"{input} by {pulsar.__version__}".encode())
        return input


def shout(input):
    return str(input).upper()

"""Appends an exclamation mark to each message."""
from pulsar import Function


class Exclamation(Function):
    def process(self, input, context):
        return f"{input}!"

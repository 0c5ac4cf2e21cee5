"""Has a secret, and shows a sum of it."""

import hashlib

from pulsar import Function


class Keeper(Function):
    def process(self, input, context):
        secret = context.get_secret("db")
        if secret is None or context.get_secret("other") is not None:
            return "none"
        context.get_logger().info("a secret of %d characters", len(secret))
        if input == "fail":
            raise ValueError("as asked")
        return hashlib.sha256(secret.encode()).hexdigest()

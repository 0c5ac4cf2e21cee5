"""Never comes back from the message "poison", the first two times."""
import os
import time

from pulsar import Function


class Hang(Function):
    def process(self, input, context):
        if input == "poison":
            attempts = context.get_user_config_value("attempts")
            with open(attempts, "a") as file:
                file.write("x")
            if os.path.getsize(attempts) <= 2:
                self.wait_for_ever()
        return f"{input}!"

    def wait_for_ever(self):
        while True:
            time.sleep(3600)

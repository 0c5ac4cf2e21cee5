"""The function of the tests of data directories: what comes in goes out."""

from pathlib import Path

from harness.functions_rest import Config

COPY = Path(__file__).with_name("programs") / "copy_text.py"
FUNCTION: Config = {
    "tenant": "public",
    "namespace": "default",
    "name": "copy",
    "className": "copy_text.CopyText",
    "inputs": ["copy-in"],
    "output": "copy-out",
    "subscriptionPosition": "Earliest",
    "py": COPY.name,
}

"""Where and of what the figures in docs/evidence are."""

import os
import platform
import subprocess

from .locations import SOURCE_ROOT


def commit() -> str:
    words = ["git", "rev-parse", "HEAD"]
    done = subprocess.run(words, cwd=SOURCE_ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"

#!/usr/bin/env python3
"""The synthetic morning comes out as it must: answers, stored messages, mails, dead letters; twice, with other seeds."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import PROGRAM, SOURCE_DIR, Checks, Server  # noqa: E402

CONFIG = """
facility = "MINATO-HP"
[[mllp]]
allow = ["127.0.0.1"]
[[feed]]
name = "HIS"
sending_application = "HIS"
sending_facility = "MINATO-HP"
peer = "address:127.0.0.1"
domain = "MINATO-HP"
authoritative = true
"""


def main():
    checks = Checks()
    for seed in ("1", "7"):
        with Server(CONFIG) as server:
            with open(os.path.join(SOURCE_DIR, "packaging/quickstart/providers.csv"), encoding="utf-8") as file:
                server.import_csv("providers", file.read())
            done = subprocess.run([PROGRAM, "simulate", "--port", str(server.mllp_port), "--data-dir", server.data_dir,
                                   "--seed", seed, "--patients", "25", "--check"], capture_output=True, timeout=200)
            checks.equal(f"seed {seed}: {done.stdout.decode()[-1500:]}{done.stderr.decode()[-500:]}", done.returncode, 0)
    checks.finish()


if __name__ == "__main__":
    main()

"""Starts and speaks to a real server, for the whole-program tests. Only the standard library is used."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

SOURCE_DIR = os.environ.get("MINATO_SOURCE_DIR", os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))
PROGRAM = os.environ.get("MINATO_PROGRAM", os.path.join(SOURCE_DIR, "build/release/bin/minato"))
SHARED = os.path.join(SOURCE_DIR, "..", "shared", "data")
SB, FS, CR = b"\x0b", b"\x1c", b"\r"

HIS_FEED = """
[[mllp]]
allow = ["127.0.0.1"]
[[feed]]
name = "HIS"
sending_application = "HIS"
sending_facility = "HOSP"
peer = "address:127.0.0.1"
domain = "HOSP"
authoritative = true
"""


class Link:
    """One MLLP connection; an answer is read up to FS CR."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.pending = b""

    def send(self, message):
        self.socket.sendall(SB + message + FS + CR)

    def receive(self):
        """The next answer's bytes; None when the server closed the link."""
        while FS + CR not in self.pending:
            piece = self.socket.recv(65536)
            if not piece:
                return None
            self.pending += piece
        answer, self.pending = self.pending.split(FS + CR, 1)
        return answer.lstrip(SB)

    def exchange(self, message):
        self.send(message)
        return self.receive()

    def close(self):
        self.socket.close()


def ack_code(answer):
    """MSA-1 of an answer, or "" without one."""
    for segment in answer.split(b"\r"):
        if segment.startswith(b"MSA"):
            return segment.split(segment[3:4])[1].decode("ascii")
    return ""


class Server:
    def __init__(self, config="", data_dir=None, keep=False):
        self.keep = keep
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="minato-test-")
        self.config = None
        if config:
            self.config = os.path.join(self.data_dir, "minato.toml")
            with open(self.config, "w", encoding="utf-8") as file:
                file.write(config)
        self.process = None
        self.start()

    def start(self):
        command = [PROGRAM, "serve", "--data-dir", self.data_dir, "--mllp-port", "0", "--http-port", "0"]
        if self.config:
            command += ["--config", self.config]
        self.log = open(os.path.join(self.data_dir, "server.log"), "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready"):
            self.process.wait()
            with open(self.log.name, encoding="utf-8", errors="replace") as file:
                sys.stderr.write(file.read()[-4000:])
            raise RuntimeError(f"the server did not start: {line!r}")
        words = dict(word.split("=", 1) for word in line.split()[1:])
        self.mllp_port = int(words["mllp"].rsplit(":", 1)[1])
        self.url = words["http"]
        with open(os.path.join(self.data_dir, "admin.token"), encoding="ascii") as file:
            self.token = file.read().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.log.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.keep:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def link(self, timeout=30):
        return Link(self.mllp_port, timeout)

    def request(self, method, path, body=None, token=None, content_type="application/json"):
        """(status, bytes)"""
        headers = {"Content-Type": content_type} if body is not None else {}
        token = self.token if token is None else token
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path):
        status, body = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def post(self, path, value):
        status, body = self.request("POST", path, json.dumps(value).encode())
        if status != 200:
            raise RuntimeError(f"POST {path}: {status} {body[:300]!r}")
        return json.loads(body)

    def import_csv(self, what, text):
        status, body = self.request("POST", f"/api/v1/registry/{what}/import", text.encode(), content_type="text/csv")
        if status != 200:
            raise RuntimeError(f"import {what}: {status} {body[:500]!r}")

    def cli(self, *arguments, check=True):
        """(exit status, standard output) of a client command."""
        done = subprocess.run([PROGRAM, *arguments, "--data-dir", self.data_dir], capture_output=True, timeout=120)
        if check and done.returncode != 0:
            raise RuntimeError(f"minato {' '.join(arguments)}: {done.returncode} {done.stderr.decode()}")
        return done.returncode, done.stdout.decode()

    def messages(self):
        """All stored messages, newest first."""
        _, out = self.cli("messages", "--json", "--limit", "10000000")
        return [json.loads(line) for line in out.splitlines()]

    def wait_idle(self, seconds=60):
        """Until everything is applied and nothing waits to run (dead letters may be there)."""
        import time
        deadline = time.monotonic() + seconds
        while True:
            status = self.get("/api/v1/status")
            queue = status["queue"]
            if status["journal"]["applied"] == status["journal"]["last"] and queue["waiting"] + queue["leased"] == 0:
                return status
            if time.monotonic() > deadline:
                raise RuntimeError(f"not idle after {seconds} s: {status}")
            time.sleep(0.02)  # polling a condition, not waiting for luck


class Checks:
    """Counts what was checked, so that a test that checked nothing fails."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def equal(self, what, got, wanted):
        self.true(f"{what}: {got!r}, must be {wanted!r}", got == wanted)

    def true(self, what, condition):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print("FAILED", what)

    def finish(self):
        print(f"{self.passed} checks passed, {self.failed} failed")
        sys.exit(0 if self.failed == 0 and self.passed > 0 else 1)


def need_shared():
    """Exit status 77 (skipped) when the shared data is not beside the checkout."""
    if not os.path.isdir(SHARED):
        print("left out: ../shared/data is not there")
        sys.exit(77)

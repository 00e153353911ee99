#!/usr/bin/env python3
"""Kills the server with SIGKILL at random moments under load, and holds what it acknowledged against what it kept.

usage: crash_test.py [--kills N] [--seed S] [--senders N]

No acknowledged message is lost or doubled, no mail leaves twice, each patient's messages keep their order, and every admission
is either told or lies visible as an uncertain dead letter.
"""
import argparse
import os
import random
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import HIS_FEED, Checks, Link, Server, ack_code  # noqa: E402
from smtp_sink import SmtpSink  # noqa: E402

PROVIDERS = os.path.join(os.path.dirname(__file__), "..", "program", "data", "providers.csv")


class Sender(threading.Thread):
    """Sends one patient's story after another, each message until it is answered, as a hospital system does."""

    def __init__(self, number, port_of, rng):
        super().__init__(daemon=True)
        self.number, self.port_of, self.rng = number, port_of, rng
        self.stopping = threading.Event()
        self.acknowledged = []  # control ids, in order
        self.admissions = 0
        self.link = None
        self.failures = []

    def message(self, patient, n):
        event = "A01" if n == 0 else self.rng.choice(["A08", "A08", "A31"])
        pid = f"{self.number:02d}{patient:05d}"
        control_id = f"K{pid}-{n:02d}"
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime()) + "+0000"
        text = (f"MSH|^~\\&|HIS|HOSP|MINATO|HOSP|{stamp}||ADT^{event}|{control_id}|P|2.5\r"
                f"EVN|{event}|{stamp}\r"
                f"PID|1||{pid}^^^HOSP^PI||FAMILY{pid}^GIVEN||19700101|M\r"
                f"PD1||||john.smith@dremail.com^smith^john\r"
                f"PV1|1|I|3W^301^1||||||||||||||||V{pid}\r")
        return control_id, event, text.encode()

    def exchange(self, message):
        while True:
            try:
                if self.link is None:
                    self.link = Link(self.port_of(), timeout=20)
                answer = self.link.exchange(message)
                if answer is not None:
                    return answer
            except OSError:
                pass
            if self.link is not None:
                self.link.close()
            self.link = None
            time.sleep(0.01)  # the server is down; it comes back

    def run(self):
        patient = 0
        while not self.stopping.is_set():
            patient += 1
            for n in range(self.rng.randint(1, 4)):
                control_id, event, message = self.message(patient, n)
                answer = self.exchange(message)
                if ack_code(answer) != "AA":
                    self.failures.append((control_id, answer))
                    continue
                self.acknowledged.append(control_id)
                self.admissions += event == "A01"


def check_messages(checks, server, senders):
    stored = server.messages()
    order = [m["control_id"] for m in sorted(stored, key=lambda m: m["seq"])]
    counts = {}
    for control_id in order:
        counts[control_id] = counts.get(control_id, 0) + 1
    acknowledged = [c for s in senders for c in s.acknowledged]
    checks.equal("acknowledged and lost", [c for c in acknowledged if c not in counts], [])
    checks.equal("stored more than once", [c for c, n in counts.items() if n > 1], [])
    place = {c: i for i, c in enumerate(order)}
    for sender in senders:
        places = [place[c] for c in sender.acknowledged if c in place]
        checks.true(f"sender {sender.number}: messages in the order in which they were sent", places == sorted(places))
    return len(acknowledged), len(order)


def check_mails(checks, server, sink, admissions):
    doubled = [m for m, n in sink.message_ids().items() if n > 1]
    checks.equal("mails that left twice", doubled, [])
    letters = server.get("/api/v1/queue/items?state=parked&limit=1000")["items"]
    uncertain = [x for x in letters if x["reason"].startswith("uncertain")]
    checks.equal("dead letters of other kinds", sorted({x["reason"] for x in letters} - {x["reason"] for x in uncertain}), [])
    told = len(sink.message_ids())
    # An uncertain one may have left or not: that is what uncertain means.
    checks.true(f"{admissions} admissions, {told} told, {len(uncertain)} uncertain", told <= admissions <= told + len(uncertain))
    return told, len(uncertain)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("MINATO_SEED", "1")))
    parser.add_argument("--senders", type=int, default=6)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.kills} kills")
    rng = random.Random(options.seed)
    checks = Checks()
    sink = SmtpSink()
    config = HIS_FEED + f"""
[mail]
kind = "smtp"
host = "127.0.0.1"
port = {sink.port}
security = "none"
[queue]
backoff_first = "100ms"
backoff_max = "1s"
"""
    with Server(config) as server:
        with open(PROVIDERS, encoding="utf-8") as file:
            server.import_csv("providers", file.read())
        senders = [Sender(i, lambda: server.mllp_port, random.Random(rng.random())) for i in range(options.senders)]
        for sender in senders:
            sender.start()
        slowest = 0.0
        for _ in range(options.kills):
            time.sleep(rng.uniform(0.05, 0.6))  # the random moment
            server.kill()
            begin = time.monotonic()
            server.start()
            slowest = max(slowest, time.monotonic() - begin)
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(60)
            checks.equal(f"sender {sender.number}: answers that were not AA", sender.failures, [])
        server.wait_idle(120)
        acknowledged, stored = check_messages(checks, server, senders)
        told, uncertain = check_mails(checks, server, sink, sum(s.admissions for s in senders))
        print(f"{acknowledged} acknowledged, {stored} stored, {told} mails, {uncertain} uncertain; slowest restart {slowest:.2f} s")
        checks.true("enough was going on", acknowledged > 10 * options.kills)
    sink.close()
    checks.finish()


if __name__ == "__main__":
    main()

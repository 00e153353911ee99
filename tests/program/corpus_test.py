#!/usr/bin/env python3
"""Every message of the shared corpora gets an answer, the right kind of answer, and is kept byte for byte."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import SHARED, Checks, Server, ack_code, need_shared  # noqa: E402


def files(folder):
    for directory, _, names in os.walk(os.path.join(SHARED, "hl7v2", folder)):
        for name in sorted(names):
            if not name.endswith((".json", ".csv", ".txt", ".md")):
                yield os.path.join(directory, name)


def frames(data):
    """What a sender would put on the wire: one frame a message, batches whole."""
    data = data.replace(b"\x0b", b"").replace(b"\x1c", b"")
    if data.lstrip().startswith((b"FHS", b"BHS")):
        return [data]
    parts = data.replace(b"\r\nMSH", b"\r\n\0MSH").replace(b"\rMSH", b"\r\0MSH").replace(b"\nMSH", b"\n\0MSH").split(b"\0")
    return [part for part in parts if part.strip()]


def silent(frame):
    """True when the sender asked for no answer to a message that is accepted (MSH-15 and MSH-16: NE, ER)."""
    start = frame.find(b"MSH")
    header = frame[start:].replace(b"\n", b"\r").split(b"\r")[0]
    fields = header.split(header[3:4])
    asked = [f.strip() for f in fields[14:16]]
    return any(asked) and not any(f in (b"AL", b"SU") for f in asked)


def main():
    need_shared()
    checks = Checks()
    with Server() as server:
        sent, codes = 0, {}
        link = server.link(5)
        folders = ["cdc", "dcm4che", "hapi", "ipf", "japanese", "linuxforhealth", "mirth", "ms_fhir_converter", "nhapi",
                   "odd_delimiters_escapes", "rethinkhealth", "ruby_hl7", "malformed_fuzz_nhapi"]
        for folder in folders:
            for path in files(folder):
                with open(path, "rb") as file:
                    data = file.read()
                for frame in frames(data):
                    is_answer = b"\rMSA" in frame[:2000] or b"\nMSA" in frame[:2000]
                    if is_answer:
                        continue  # an answer is correlated, never answered
                    link.send(frame)
                    if silent(frame):
                        continue  # what comes, if anything, is a refusal
                    try:
                        answer = link.receive()
                    except TimeoutError:
                        checks.true(f"{os.path.relpath(path, SHARED)}: answered at all", False)
                        link = server.link(5)
                        continue
                    sent += 1
                    code = ack_code(answer) if answer is not None else "closed"
                    codes[code] = codes.get(code, 0) + 1
                    checks.true(f"{os.path.relpath(path, SHARED)}: answered {code}", code in ("AA", "AE", "AR", "CA", "CE", "CR"))
                    if answer is None:
                        link = server.link()
        print(f"{sent} messages sent: {codes}")
        checks.true("most real messages are accepted", codes.get("AA", 0) + codes.get("CA", 0) > sent * 0.7)
    checks.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What an operator does with the commands: registry, dead letters, an edited copy, backup; and bodies of wrong types are refused."""
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import Checks, Server, ack_code  # noqa: E402

PROVIDERS = "code,family_name,given_name,mails,language,full_detail\nD1,Smith,John,john@example.org,en,yes\n"
PATIENTS = ("domain,identifier,family_name,given_name,birth_date,sex\n"
            "HOSP,100,Doe,John,19700101,M\nHOSP,101,Doe,Jon,19700101,M\n")


def a01(control_id, pid):
    return (f"MSH|^~\\&|LAB|HOSP|MINATO|HOSP|20261124090000+0900||ADT^A01|{control_id}|P|2.5\r"
            f"EVN|A01|20261124090000+0900\rPID|1||{pid}^^^HOSP^PI||DOE^JOHN||19700101|M\rPV1|1|I|3W^301^1\r").encode()


def registry(checks, server):
    server.import_csv("providers", PROVIDERS)
    server.import_csv("patients", PATIENTS)
    table = server.cli("registry", "list", "providers")[1]
    checks.true(f"the table of providers has names and addresses: {table!r}",
                "Smith John" in table and "john@example.org" in table and "full" in table)
    found = server.get("/api/v1/registry/patients?find=Doe")["patients"]
    ids = {patient["identifiers"][0]["value"]: str(patient["id"]) for patient in found}
    server.cli("registry", "merge", ids["101"], ids["100"])
    merged = json.loads(server.cli("registry", "show", "patients", ids["101"])[1])["patient"]
    checks.equal("merged into", str(merged["merged_into"]), ids["100"])
    server.cli("registry", "unmerge", ids["101"])
    again = json.loads(server.cli("registry", "show", "patients", ids["101"])[1])["patient"]
    checks.true(f"unmerged: {again}", not again.get("merged_into"))
    checks.equal("merge of nobody", server.cli("registry", "merge", "999", ids["100"], check=False)[0], 1)

    last = server.wait_idle()["journal"]["last"]
    for body in ({}, {"what": "weather", "change": {}}, {"what": "patients"}, {"what": "patients", "change": {}, "x": 1}):
        checks.equal(f"change {body}", server.request("POST", "/api/v1/registry/changes", json.dumps(body).encode())[0], 400)
    checks.equal("what cannot be applied is no record", server.get("/api/v1/status")["journal"]["last"], last)


def dead_letters(checks, server, folder):
    link = server.link()
    for control_id in ("U1", "U2"):
        checks.equal("answer", ack_code(link.exchange(a01(control_id, "999"))), "AA")
    server.wait_idle()
    parked = server.get("/api/v1/queue/items?state=parked")["items"]
    checks.equal("dead letters", len(parked), 2)
    checks.equal("a discard has no preview", server.request("POST", "/api/v1/queue/discard", b'{"preview":true,"reason":"x"}')[0], 400)
    for body in ({"preview": "yes"}, {"filter": {"step": 1}}, {"filter": {"items": "12.0"}}, {"filter": {"items": []}},
                 {"filter": {"message": "1"}}, {"filter": {"from": 5}}, {"filter": []}):
        text = json.dumps(body).encode()
        checks.equal(f"redrive {body}", server.request("POST", "/api/v1/queue/redrive", text)[0], 400)
        body["reason"] = "x"
        checks.equal(f"discard {body}", server.request("POST", "/api/v1/queue/discard", json.dumps(body).encode())[0], 400)
    checks.equal("nothing ran", [item["attempts"] for item in server.get("/api/v1/queue/items")["items"]], [[], []])
    checks.equal("an option that would be ignored", server.cli("queue", "redrive", "--limit", "1", check=False)[0], 2)

    seqs = {message["control_id"]: message["seq"] for message in server.messages()}
    edited = os.path.join(folder, "edited.hl7")
    with open(edited, "wb") as file:
        file.write(b"\x0b" + a01("U1", "100") + b"\x1c\r")
    status, out = server.cli("messages", "resubmit", str(seqs["U1"]), "--file", edited, "--json")
    made = json.loads(out)["seq"]
    server.wait_idle()
    checks.equal("the copy has no frame", server.request("GET", f"/api/v1/messages/{made}/bytes")[1], a01("U1", "100"))
    by_seq = {message["seq"]: message["status"] for message in server.messages()}
    checks.equal("states of old and new", (by_seq[seqs["U1"]], by_seq[made]), ("edited", "done"))
    left = server.get("/api/v1/queue/items?state=parked")["items"]
    checks.equal("the edited one's dead letter is settled", [item["message"] for item in left], [seqs["U2"]])
    link.close()


def unreadable(checks, server):
    """Acknowledged, but with more segments than are split: a dead letter, found by its header."""
    link = server.link()
    answer = link.exchange(a01("MANY", "100") + b"NTE|1\r" * 100_001)
    checks.equal("answer", ack_code(answer), "AA")
    found = server.get("/api/v1/messages?control_id=MANY")["messages"]
    checks.equal("found at once by its header", [(m["type"], m["sender_application"]) for m in found], [("ADT", "LAB")])
    server.wait_idle()
    items = server.get(f"/api/v1/queue/items?message={found[0]['seq']}")["items"]
    checks.true(f"a dead letter that says why: {items}", len(items) == 1 and items[0]["reason"].startswith("unreadable"))
    link.close()


def backup(checks, server, folder):
    for directory, wanted in (("", 400), ("relative", 400)):
        body = json.dumps({"directory": directory}).encode()
        checks.equal(f"backup to {directory!r}", server.request("POST", "/api/v1/backup", body)[0], wanted)
    before = os.getcwd()
    os.chdir(folder)
    try:
        server.cli("backup", "copy")
    finally:
        os.chdir(before)
    checks.true("a relative name is meant from where the command runs", os.path.exists(os.path.join(folder, "copy", "manifest.json")))


def dead_destination(checks):
    """A receiver that is not there: what was never tried must not become a dead letter by waiting."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused, and nobody else takes the port
    port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        routes = os.path.join(folder, "routes.toml")
        with open(routes, "w", encoding="utf-8") as file:
            file.write('[[route]]\nname = "all"\nto = ["lab"]\n')
        config = (f'routes_file = "{routes}"\n[queue]\nbackoff_first = "50ms"\nbackoff_max = "100ms"\nreceives_max = 8\n'
                  f'[[destination]]\nname = "lab"\nkind = "mllp"\nhost = "127.0.0.1"\nport = {port}\n')
        with Server(config=config) as server:
            server.import_csv("patients", PATIENTS)
            link = server.link()
            link.exchange(a01("D1", "100"))
            deadline = time.monotonic() + 30
            while server.get("/api/v1/status")["destinations"]["lab"] != "open" and time.monotonic() < deadline:
                time.sleep(0.02)
            link.exchange(a01("D2", "101"))
            time.sleep(2.5)  # with the breaker open for 5 s, eight waits of 0.1 s would have used up all receives
            items = server.get("/api/v1/queue/items?step=forward:lab")["items"]
            checks.equal("both wait still", [item["state"] != "parked" for item in items], [True, True])
            checks.equal("the second was never tried", items[-1]["attempts"], [])
            got = []
            threading.Thread(target=receiver, args=(listener, got), daemon=True).start()
            server.post("/api/v1/destinations/lab/reset", {})
            server.wait_idle()
            checks.equal("delivered when it is back", sorted(got), ["D1", "D2"])
            link.close()


def receiver(listener, got):
    listener.listen(5)
    while True:
        link, _ = listener.accept()
        data = b""
        while piece := link.recv(65536):
            data += piece
            while b"\x1c\r" in data:
                message, data = data.split(b"\x1c\r", 1)
                control_id = message.split(b"|")[9].decode()
                got.append(control_id)
                link.sendall(f"\x0bMSH|^~\\&|L|L|M|M|2026||ACK|1|P|2.5\rMSA|AA|{control_id}\r\x1c\r".encode())


def main():
    checks = Checks()
    folder = tempfile.mkdtemp(prefix="minato-test-")
    try:
        with Server() as server:
            registry(checks, server)
            dead_letters(checks, server, folder)
            unreadable(checks, server)
            backup(checks, server, folder)
        dead_destination(checks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    checks.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A start without a configuration file, as a newcomer does it: files, token, answers, search, restart, rebuild."""
import json
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import Checks, Server, ack_code  # noqa: E402

A01 = ("MSH|^~\\&|HIS|HOSP|MINATO|HOSP|20261124090000+0900||ADT^A01|{id}|P|2.5\r"
       "EVN|A01|20261124090000+0900\r"
       "PID|1||{pid}^^^HOSP^PI||YAMADA^TARO||19700101|M\r"
       "PV1|1|I|3W^301^1\r")


def a01(control_id, pid="4711"):
    return A01.format(id=control_id, pid=pid).encode()


def main():
    checks = Checks()
    with Server() as server:
        mode = stat.S_IMODE(os.stat(os.path.join(server.data_dir, "admin.token")).st_mode)
        checks.equal("mode of admin.token", mode, 0o600)
        checks.equal("healthz without a token", server.request("GET", "/healthz", token="")[0], 200)
        checks.equal("readyz without a token", server.request("GET", "/readyz", token="")[0], 200)
        checks.equal("status without a token", server.request("GET", "/api/v1/status", token="")[0], 401)
        checks.equal("status with a wrong token", server.request("GET", "/api/v1/status", token="x")[0], 401)
        checks.equal("metrics", server.request("GET", "/metrics")[0], 200)

        link = server.link()
        first = link.exchange(a01("A1"))
        checks.equal("answer", ack_code(first), "AA")
        checks.true("MSA-2 is the message's control id", b"MSA|AA|A1" in first)
        checks.equal("an exact resend gets the very same answer", link.exchange(a01("A1")), first)
        checks.equal("an unknown type", ack_code(link.exchange(a01("A2").replace(b"ADT^A01", b"ZZZ^Z99"))), "AR")
        checks.equal("no control id", ack_code(link.exchange(a01(""))), "AE")
        link.close()
        server.wait_idle()

        stored = server.messages()
        checks.equal("stored", sorted(m["control_id"] for m in stored), ["", "A1", "A2"])
        by_id = {m["control_id"]: m for m in stored}
        checks.equal("status of the refused one", by_id["A2"]["status"], "refused")
        checks.equal("answer on record", by_id["A1"]["ack"], "AA")
        checks.equal("found by control id", len(server.get("/api/v1/messages?control_id=A1")["messages"]), 1)
        checks.equal("found by patient", len(server.get("/api/v1/messages?mrn=4711&type=ADT")["messages"]), 3 - 1)
        checks.equal("a misspelt parameter", server.request("GET", "/api/v1/messages?mnr=4711")[0], 400)
        seq = by_id["A1"]["seq"]
        checks.equal("bytes as they came", server.request("GET", f"/api/v1/messages/{seq}/bytes")[1], a01("A1"))
        before = {m["seq"]: (m["control_id"], m["status"]) for m in stored}

        checks.equal("exit status of a graceful stop", server.stop(), 0)
        server.start()
        checks.equal("the same after a restart", {m["seq"]: (m["control_id"], m["status"]) for m in server.messages()}, before)
        checks.equal("a resend after the restart gets the very same answer", server.link().exchange(a01("A1")), first)

        server.stop()
        for name in os.listdir(server.data_dir):
            if name.startswith(("derived.db", "queue.db")):
                os.unlink(os.path.join(server.data_dir, name))
        server.start()
        server.wait_idle()
        checks.equal("the same after the derived files were deleted",
                     {m["seq"]: (m["control_id"], m["status"]) for m in server.messages()}, before)

        server.stop()
        status, out = server.cli("messages", "--json", check=False)
        checks.equal("messages without a server", (status, len(out.splitlines())), (0, 3))
        for line in out.splitlines():
            json.loads(line)
    checks.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""From an HL7 message to the provider's inbox: one mail that names what the note says, and none when the registry does not vouch for it."""
import email
import email.policy
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import Checks, Server, ack_code  # noqa: E402

NOTE = ("Mr. Martin was brought in with sudden shortness of breath and was found to have a PE. He is in pain and shows agitation and "
        "discomfort. Past history of bipolar disorder, chronic fatigue syndrome, diabetes and a-fib. He takes propanolol 10Mg daily.")

ADMISSION = ("MSH|^~\\&|ADT1|GOOD HEALTH HOSPITAL|MINATO|GHH|202611240900||ADT^A04|{id}|p|2.3\r"
             "EVN|A04|202611240900\r"
             "PID|1||56782445^^^GHH^MR||martin^steven||19580112|M\r"
             "PD1||||john.smith@dremail.com^smith^john\r"
             "PV1|1|O|ER^12^A\r"
             "OBX|1|TX|11506-3^Admission note^LN||" + NOTE + "||||||F\r")
CONTROL_ID = "ABCDEFGHIJ-20261124-0000001"  # 27 characters, more than the standard's 20
assert len(CONTROL_ID) == 27

PATIENTS_CSV = None  # filled below: the header is that of docs/formats/registry.md


def mails(server):
    folder = os.path.join(server.data_dir, "outbox")
    out = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            out.append(email.message_from_binary_file(file, policy=email.policy.default))
    return out


def body(mail):
    return mail.get_body(("plain",)).get_content()


def parked(server):
    return server.get("/api/v1/queue/items?state=parked")["items"]


def main():
    checks = Checks()
    with Server() as server:
        with open(os.path.join(os.path.dirname(__file__), "data", "providers.csv"), encoding="utf-8") as file:
            providers = file.read()
        with open(os.path.join(os.path.dirname(__file__), "data", "patients.csv"), encoding="utf-8") as file:
            patients = file.read()
        link = server.link()

        checks.equal("answer", ack_code(link.exchange(ADMISSION.format(id=CONTROL_ID).encode())), "AA")
        server.wait_idle()
        checks.equal("mails without registry entries", len(mails(server)), 0)
        letters = parked(server)
        checks.equal("dead letters without registry entries", len(letters), 1)
        checks.true(f"its reason says why: {letters[0]['reason']}", letters[0]["reason"].startswith("patient-unknown"))

        server.import_csv("patients", patients)
        server.import_csv("providers", providers)
        preview = server.post("/api/v1/queue/redrive", {"preview": True})
        checks.equal("preview", preview["items"], 1)
        checks.equal("redriven", server.post("/api/v1/queue/redrive", {"per_second": 0})["redriven"], 1)
        server.wait_idle()
        sent = mails(server)
        checks.equal("mails after the redrive", len(sent), 1)
        checks.equal("dead letters after the redrive", len(parked(server)), 0)
        if sent:
            checks.equal("to", sent[0]["To"].addresses[0].addr_spec, "john.smith@dremail.com")
            text = body(sent[0]).lower()
            for word in ("martin", "pain", "agitation", "discomfort", "bipolar disorder", "chronic fatigue syndrome", "diabetes",
                         "propanolol", "10mg"):
                checks.true(f"the mail names {word}", word in text)
            checks.true("the mail names the embolism", "pulmonary embolism" in text or "pe" in text.split())
            checks.true("the mail names atrial fibrillation", "fib" in text)
        effects = server.get("/api/v1/effects?kind=mail")["effects"]
        checks.equal("who was told is on record", [(e["destination"], e["state"]) for e in effects], [("john.smith@dremail.com", "done")])

        # The same event again under another id: known by its content, told once.
        checks.equal("answer", ack_code(link.exchange(ADMISSION.format(id="B" + CONTROL_ID[1:]).encode())), "AA")
        server.wait_idle()
        checks.equal("mails after a repetition under another id", len(mails(server)), 1)

        # An injected address never gets mail.
        forged = ADMISSION.format(id="C" + CONTROL_ID[1:]).replace("john.smith@dremail.com", "john.smith@evil.example")
        forged = forged.replace("202611240900", "202611241000")
        checks.equal("answer", ack_code(link.exchange(forged.encode())), "AA")
        server.wait_idle()
        checks.equal("mails after a forged address", len(mails(server)), 1)
        checks.true("a dead letter says why", any(p["reason"].startswith("address-mismatch") for p in parked(server)))

        # The page behind the link needs a login.
        link_id = effects[0]["key"].split(":", 1)[1]
        checks.equal("the notice without a login", server.request("GET", f"/notices/{link_id}", token="")[0], 401)
        status, page = server.request("GET", f"/notices/{link_id}")
        checks.equal("the notice with a token", status, 200)
        checks.true("the notice names the patient", b"artin" in page)
        checks.true("no patient data in the log", b"artin" not in open(server.log.name, "rb").read())
    checks.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Reads a mail with Python's own parser, as a reader that shares nothing with what wrote it; prints `name=value` lines, values in hexadecimal UTF-8."""
import email
import email.policy
import sys

with open(sys.argv[1], "rb") as file:
    raw = file.read()
mail = email.message_from_bytes(raw, policy=email.policy.SMTP)


def show(name, value):
    print(name + "=" + (value if isinstance(value, bytes) else str(value).encode()).hex())


for name in ("Subject", "Message-ID", "Date", "Content-Language", "X-Note"):
    if mail[name] is not None:
        show(name, mail[name])
for field in ("From", "To"):
    for address in mail[field].addresses:
        show(field, address.display_name + "|" + address.addr_spec)
for kind in ("plain", "html"):
    part = mail.get_body((kind,))
    if part is not None:
        show(kind, part.get_content())
for part in mail.iter_attachments():
    show("attachment", part.get_filename() + "|" + part.get_content_type())
    content = part.get_content()
    show("content", content)
defects = [type(defect).__name__ for part in mail.walk() for defect in part.defects]
for name, value in mail.items():
    defects += [name + ":" + type(defect).__name__ for defect in value.defects]
show("defects", " ".join(defects))
show("longest", max(len(line) for line in raw.split(b"\r\n")))
show("bare", raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"))

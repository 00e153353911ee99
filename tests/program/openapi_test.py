#!/usr/bin/env python3
"""Holds docs/openapi.json against the running server: every operation is there, asks for its token and scope, and nothing else is there."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from minato import SOURCE_DIR, Checks, Server  # noqa: E402


def filled(path):
    return path.replace("{seq}", "999999").replace("{id}", "999999").replace("{code}", "nobody") \
               .replace("{what}", "providers").replace("{name}", "nobody")


def main():
    checks = Checks()
    with open(os.path.join(SOURCE_DIR, "docs/openapi.json"), encoding="utf-8") as file:
        document = json.load(file)
    with Server() as server:
        checks.equal("the served document", json.loads(server.request("GET", "/openapi.json", token="")[1]), document)
        narrow = server.post("/api/v1/tokens", {"name": "narrow", "scopes": ["notices.read"]})["token"]
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                where = f"{method.upper()} {path}"
                body = b"{}" if method in ("post", "put") else None
                scope = operation.get("x-scope")
                status, _ = server.request(method.upper(), filled(path), body, token="")
                if scope:
                    checks.equal(f"{where} without a token", status, 401)
                    status, _ = server.request(method.upper(), filled(path), body, token=narrow)
                    if scope != "notices.read":
                        checks.equal(f"{where} without the scope", status, 403)
                    if path not in ("/api/v1/reload",):
                        status, answer = server.request(method.upper(), filled(path), body)
                        checks.true(f"{where} with the token: {status} {answer[:100]!r}", status not in (401, 403, 405, 501))
                else:
                    checks.true(f"{where} is public: {status}", status not in (403, 404, 405, 501))
            others = {"GET", "POST", "PUT", "DELETE"} - {m.upper() for m in operations}
            for method in sorted(others):
                status, _ = server.request(method, filled(path), b"{}" if method in ("POST", "PUT") else None)
                # Another pattern may have the same shape: /registry/{what}/import beside /registry/patients/{id}.
                checks.true(f"{method} {path} is not described: {status}", status in (404, 405))
        checks.equal("a path that is not described", server.request("GET", "/api/v1/nothing")[0], 404)
    checks.finish()


if __name__ == "__main__":
    main()

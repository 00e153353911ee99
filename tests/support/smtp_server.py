#!/usr/bin/python3
"""A real SMTP server (aiosmtpd, Debian's python3-aiosmtpd) on a loopback port, for tests. Needs no privileges and no system configuration.

    smtp_server.py --directory DIR [--security none|starttls|tls] [--certificate PEM --key PEM] [--user U --password P --token T] [--require-auth]

Prints `ready PORT` when it accepts mail, and ends when its standard input ends (so it never outlives the test that started it).
Each mail that it takes responsibility for becomes DIR/<n>.eml and DIR/<n>.json (sender, recipients, tls, user, helo, peer_port), written
before the 250 is sent. AUTH takes PLAIN, LOGIN and XOAUTH2. The local part of a recipient chooses another answer:

    permanent 550 5.1.1   temporary 451 4.2.1   (after RCPT)
    reject    554 5.7.1   defer     452 4.3.1   (after the data)
    vanish    takes the mail and closes the link without an answer     lose  the same, without taking it
    stall     takes the mail and never answers                         hangup  closes the link at RCPT

Ends with status 77 when python3-aiosmtpd is not installed.
"""
import argparse
import asyncio
import json
import os
import ssl
import sys

try:
    from aiosmtpd.smtp import SMTP, AuthResult
except ImportError:
    print("python3-aiosmtpd is not installed", flush=True)
    sys.exit(77)


class Handler:
    def __init__(self, options):
        self.options = options
        self.taken = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        local = address.split("@")[0].strip('"')
        if local == "permanent":
            return "550 5.1.1 <" + address + "> no such user"
        if local == "temporary":
            return "451 4.2.1 <" + address + "> try later"
        if local == "hangup":
            server.transport.abort()
            return "421 4.3.2 going"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        locals_ = {address.split("@")[0] for address in envelope.rcpt_tos}
        if "reject" in locals_:
            return "554 5.7.1 not wanted"
        if "defer" in locals_:
            return "452 4.3.1 no room"
        if "lose" not in locals_:
            self.take(session, envelope)
        if locals_ & {"vanish", "lose"}:
            server.transport.abort()
        if "stall" in locals_:
            await asyncio.sleep(3600)
        return "250 2.0.0 taken"

    def take(self, session, envelope):
        self.taken += 1
        stem = os.path.join(self.options.directory, str(self.taken))
        with open(stem + ".eml", "wb") as file:
            file.write(envelope.original_content)
        about = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "tls": session.ssl is not None,
                 "user": session.auth_data if session.authenticated else None, "helo": session.host_name,
                 "peer_port": session.peer[1]}
        with open(stem + ".json", "w") as file:
            json.dump(about, file)

    # user=<user> ^A auth=Bearer <token> ^A ^A
    async def auth_XOAUTH2(self, server, args):
        answer = await server.challenge_auth("")
        expected = "user=%s\x01auth=Bearer %s\x01\x01" % (self.options.user, self.options.token)
        good = self.options.token is not None and answer == expected.encode()
        return AuthResult(success=good, handled=False, auth_data="XOAUTH2:" + self.options.user if good else None)


def authenticator(options):
    def check(server, session, envelope, mechanism, data):
        good = (data.login.decode(), data.password.decode()) == (options.user, options.password)
        return AuthResult(success=good, handled=False, auth_data=mechanism + ":" + options.user if good else None)
    return check


def tls_context(options):
    if options.security == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    return context


async def main(options):
    handler = Handler(options)
    context = tls_context(options)
    starttls = context if options.security == "starttls" else None

    def session():
        return SMTP(handler, hostname="mail.test", enable_SMTPUTF8=False, tls_context=starttls, require_starttls=False,
                    auth_require_tls=options.security != "none" and starttls is not None, auth_required=options.require_auth,
                    authenticator=authenticator(options) if options.user else None,
                    auth_exclude_mechanism=None if options.user else ["LOGIN", "PLAIN", "XOAUTH2"])

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=context if options.security == "tls" else None)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--security", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--token")
    parser.add_argument("--require-auth", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))

"""A mail server that others wrote (aiosmtpd), as a process of its own that does what the recipient's name says.

gone@        refused for good at RCPT
full@        mailbox full, whenever it is asked
busy-2-x@    busy twice, then taken          (451 4.2.1 at RCPT)
stuck-2-x@   not now, twice, after the letter (451 4.3.0)
spam@        the letter itself is refused
cut-rcpt-1-x@  breaks the connection once at RCPT, before the letter
cut-dot@     takes the letter and breaks the connection instead of answering
hush@        takes the letter and never answers
anything else is taken.

Every letter that was read to its final dot is a line of JSON in --out, whatever was answered.
"""

import argparse
import asyncio
import base64
import json
import re
import ssl
from collections import Counter
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

COUNTED = re.compile(r"(busy|stuck|cut-rcpt)-(\d+)-")


class Scripted:
    def __init__(self, options):
        self.options = options
        self.asked = Counter()
        self.connections = {}
        self.per_connection = Counter()
        self.out = Path(options.out).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as we live

    def still(self, name, address):
        """True for the first n times, where the address says n."""
        found = COUNTED.match(address)
        if not found or found[1] != name:
            return False
        self.asked[address] += 1
        return self.asked[address] <= int(found[2])

    def number(self, session: Session) -> int:
        return self.connections.setdefault(id(session), len(self.connections) + 1)

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802 - aiosmtpd names them
        session.host_name = hostname
        if self.options.pipelining:
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_MAIL(self, server, session, envelope: Envelope, address, mail_options):  # noqa: N802
        self.per_connection[self.number(session)] += 1
        if self.options.per_connection and self.per_connection[self.number(session)] > self.options.per_connection:
            await server.push("421 4.7.0 enough for one connection")
            server.transport.close()
            return ""
        if self.options.deny_sender:
            return "550 5.7.1 we do not know you"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope: Envelope, address: str, rcpt_options):  # noqa: N802
        if address.startswith("gone"):
            return "550 5.1.1 no such mailbox here: <" + address + ">"
        if address.startswith("full"):
            return "452 4.2.2 mailbox full"
        if self.still("busy", address):
            return "451 4.2.1 mailbox busy"
        if self.still("cut-rcpt", address):
            server.transport.abort()
            return "250 never seen"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope: Envelope):  # noqa: N802
        address = envelope.rcpt_tos[0]
        entry = {
            "connection": self.number(session),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "hello": session.host_name,
            "content": base64.b64encode(envelope.original_content).decode(),
        }
        self.out.write(json.dumps(entry) + "\n")
        if address.startswith("cut-dot"):
            server.transport.abort()
        if address.startswith("hush"):
            await asyncio.sleep(3600)
        if address.startswith("spam"):
            return "554 5.7.1 looks like spam"
        if self.still("stuck", address):
            return "451 4.3.0 not now"
        return "250 OK queued as Q" + str(sum(self.asked.values()))


def authenticator(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"muster", b"open sesame"), handled=False)


async def serve(options):
    handler = Scripted(options)
    tls = None
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    loop = asyncio.get_running_loop()

    def session():
        return SMTP(
            handler,
            hostname="mail.test",
            loop=loop,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_required=options.auth,
            authenticator=authenticator if options.auth else None,
        )

    server = await loop.create_server(session, "127.0.0.1", options.port)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the parent waits for it
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pipelining", action="store_true")
    parser.add_argument("--deny-sender", action="store_true")
    parser.add_argument("--per-connection", type=int, default=0)
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()

"""Kannel as a client of an SMS gateway: bearerbox holds the bind, smsbox takes messages by HTTP and reports by HTTP."""

import http.client
import socket
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.process import Server, ServerProcess, free_port

# -v 4: panics alone.  Its debug output would halve its speed.
_QUIET = ("-v", "4")
_SETTINGS = """\
group = core
admin-port = {admin}
admin-password = local
smsbox-port = {inner}
box-allow-ip = 127.0.0.1
box-deny-ip = "*.*.*.*"
dlr-storage = internal
sms-resend-freq = 1
{core}

group = smsc
smsc = smpp
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = muster
smsc-password = secret
system-type = ""
enquire-link-interval = 1
{link}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}

group = sendsms-user
username = local
password = local
concatenation = true
max-messages = 10

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{callbacks}/incoming?from=%p&to=%P&text=%b&coding=%c"
"""


class _Box(Server):
    """One of Kannel's two programs; it answers once it listens on `port`."""

    def __init__(self, program: str, port: int, settings: Path) -> None:
        super().__init__("kannel")
        self.port = port
        self._program = program
        self._settings = settings

    def _launch(self) -> ServerProcess:
        log = self._home / f"{Path(self._program).name}.log"
        return ServerProcess([self._program, *_QUIET, str(self._settings)], log=log)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class _SMSBox(_Box):
    """It listens before it can do anything with what it is asked."""

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/cgi-bin/sendsms", timeout=1).close()
        except urllib.error.HTTPError:
            return True  # it wants a password
        except (OSError, http.client.HTTPException):
            return False
        return True


class Kannel:
    """Both programs, bound to the gateway on `smsc_port`.  What comes back is told to `callbacks`, a base URL.

    `core` and `link` are further lines of its groups core and smsc.
    """

    def __init__(
        self,
        bearerbox: str,
        smsbox: str,
        *,
        smsc_port: int,
        callbacks: str,
        folder: Path,
        core: str = "",
        link: str = "",
    ) -> None:
        self._callbacks = callbacks
        self._http, self._admin = free_port(), free_port()
        inner = free_port()
        settings = folder / "kannel.conf"
        settings.write_text(
            _SETTINGS.format(
                admin=self._admin,
                inner=inner,
                smsc=smsc_port,
                http=self._http,
                callbacks=callbacks,
                core=core,
                link=link,
            )
        )
        self._boxes = [_Box(bearerbox, inner, settings), _SMSBox(smsbox, self._http, settings)]
        self._stack = ExitStack()

    def send(self, text: str, *, sender: str, to: str, mark: str = "", dlr_mask: int = 0) -> str:
        """Hand a message over; Kannel's answer.  With a mark every report about it calls `/report?mark=...&state=...`.

        Several numbers are parted by blanks.  With a `dlr_mask` alone its reports are matched and told to nobody.
        """
        wide = any(ord(character) > 0xFF for character in text.replace("€", ""))
        query = {"username": "local", "password": "local", "from": sender, "to": to, "text": text, "charset": "UTF-8"}
        query["coding"] = "2" if wide else "0"
        if dlr_mask:
            query["dlr-mask"] = str(dlr_mask)
        if mark:
            query["dlr-mask"] = "31"
            query["dlr-url"] = f"{self._callbacks}/report?mark={mark}&state=%d&from=%p"
        url = f"http://127.0.0.1:{self._http}/cgi-bin/sendsms?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())

    @property
    def pids(self) -> list[int]:
        """Of both programs, while they run."""
        return [box.pid for box in self._boxes]

    def __enter__(self) -> Self:
        for box in self._boxes:
            self._stack.enter_context(box)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

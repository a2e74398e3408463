"""`muster appeal status ID --watch` in a terminal: somebody who watches sees the appeal go on."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.muster.house import NIGHT, House, members_csv, page
from tests.servers.process import free_port

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """What a terminal was sent, as words; the last board is what a person sees."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = b""

    def board(self) -> str:
        """The latest whole board."""
        while select.select([self._terminal], [], [], 0.05)[0]:
            self._seen += os.read(self._terminal, 65536)
        words = ESCAPE.sub("", self._seen.decode("utf-8", "replace"))
        boards = words.split("╭")
        whole = [board for board in boards[1:] if "╯" in board]
        return whole[-1] if whole else ""

    def until(self, shows: Callable[[str], object]) -> str:
        deadline = time.monotonic() + 30
        while not shows(board := self.board()):
            assert time.monotonic() < deadline, board
        return board


@contextmanager
def watching(house: House, appeal: str) -> Iterator[Screen]:
    """The command in a pseudo-terminal of its own."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "muster", "appeal", "status", appeal, "--watch"]
    environment = {**house.environment, "TERM": "xterm-256color", "LINES": "40"}
    command = subprocess.Popen(
        words, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Screen(ours)
    finally:
        command.kill()
        command.wait()
        os.close(ours)


def shown(board: str, line: str) -> int:
    """The number in a line of the funnel."""
    found = re.search(rf"{line}\s+([\d,]+)", board)
    return int(found[1].replace(",", "")) if found else -1


def test_a_person_who_watches_sees_messages_leave_answers_come_and_the_need_met(tmp_path: Path):
    house = House(tmp_path / "home", {"MUSTER_SMS__SIMULATOR": "true", "MUSTER_SMS__PORT": str(free_port())})
    table = members_csv(tmp_path / "members.csv", *({"mobile": f"1790000{n:04d}"} for n in range(20)))
    house.ask("members", "import", str(table))
    http = free_port()
    gateway = ("smsc-sim", "--port", house.settings["MUSTER_SMS__PORT"], "--http-port", str(http))
    appeal = house.launch(NIGHT % "")
    with watching(house, appeal) as screen:
        screen.until(lambda board: shown(board, "matched") == 0)  # nobody works yet
        with house.running(*gateway, ready=lambda: page(f"http://127.0.0.1:{http}/health") != ""), house.working():
            screen.until(lambda board: shown(board, "messages sent") == 20)
            house.ask("answer", "record", "yes", "--member", "7")
            said = "member 7 said yes by telephone"
            board = screen.until(lambda board: shown(board, "said yes") == 1 and said in board)
            assert "OPEN" in board
            house.ask("confirm", appeal, "7")
            screen.until(lambda board: "FILLED" in board and "1 of 1 confirmed" in board)

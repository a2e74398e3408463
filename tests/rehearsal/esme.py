"""A client by hand: exact octets out, exact PDUs in."""

import asyncio
import struct
from dataclasses import dataclass
from typing import Self

PLEA = "【北京市总工会】紧急：患者急需AB型血小板，能献请回复1，不能回复2。拒收请回复R"
ACCESS = "106901231201"
CEILING = 5


@dataclass(frozen=True)
class PDU:
    command: int
    status: int
    sequence: int
    body: bytes


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def submit(
    to: str = "17900000001",
    text: str | bytes = PLEA,
    *,
    sequence: int = 1,
    sender: str = ACCESS,
    reference: str = "mass/a-0001/1",
    esm_class: int = 0,
    coding: int = 8,
    validity: bytes = b"",
    registered: int = 0,
    extra: bytes = b"",
) -> bytes:
    octets = text.encode("utf-16-be") if isinstance(text, str) else text
    body = b"\0\x01\x01" + sender.encode() + b"\0\x01\x01" + to.encode() + b"\0"
    body += (
        bytes((esm_class, 0, 0)) + b"\0" + validity + b"\0" + bytes((registered, 0, coding, 0, len(octets))) + octets
    )
    if reference:
        body += tlv(0x1500, reference.encode())
    body += extra
    return struct.pack(">IIII", 16 + len(body), 4, 0, sequence) + body


class ESME:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def bound(cls, port: int, command: int = 9) -> Self:
        client = await cls.connect(port)
        answer = await client.bind(command)
        assert answer.status == 0
        return client

    async def bind(self, command: int = 9, *, system_id: str = "muster", password: str = "secret") -> PDU:
        body = system_id.encode() + b"\0" + password.encode() + b"\0\0\x34\0\0\0"
        return await self.ask(command, body)

    async def ask(self, command: int, body: bytes = b"", sequence: int = 77) -> PDU:
        self.write(struct.pack(">IIII", 16 + len(body), command, 0, sequence) + body)
        return await self.read()

    def write(self, octets: bytes) -> None:
        self._writer.write(octets)

    def answer(self, pdu: PDU, status: int = 0) -> None:
        self.write(struct.pack(">IIII", 17, pdu.command | 0x80000000, status, pdu.sequence) + b"\0")

    async def read(self) -> PDU:
        async with asyncio.timeout(CEILING):
            length, command, status, sequence = struct.unpack(">IIII", await self._reader.readexactly(16))
            return PDU(command, status, sequence, await self._reader.readexactly(length - 16))

    async def read_many(self, count: int) -> list[PDU]:
        return [await self.read() for _ in range(count)]

    async def hung_up(self) -> bool:
        async with asyncio.timeout(CEILING):
            try:
                return await self._reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self._writer.close()


def said(pdu: PDU) -> tuple[str, str, bytes, int, bytes]:
    """Source, destination, short_message, esm_class and TLVs of a deliver_sm."""
    assert pdu.command == 5
    source, rest = pdu.body[3:].split(b"\0", 1)
    target, rest = rest[2:].split(b"\0", 1)
    length = rest[9]
    return source.decode(), target.decode(), rest[10 : 10 + length], rest[0], rest[10 + length :]

"""Stands before a Valkey: speaks TLS for it, loses its answers, leaves questions unanswered."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class ValkeyRelay:
    """A TCP port on loopback that leads to a socket.

    Args:
        lose: that many answers are thrown away, and with each the connection.
    """

    port: int = 0
    lose: int = 0


@contextlib.asynccontextmanager
async def relayed(path: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[ValkeyRelay]:
    """Run a relay for a while, on the running event loop."""
    relay = ValkeyRelay()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(path)
        writers.update((writer, back))

        async def ask() -> None:
            while said := await reader.read(65536):
                back.write(said)

        async def answer() -> None:
            while said := await there.read(65536):
                if relay.lose:
                    relay.lose -= 1
                    return
                writer.write(said)

        tasks = [asyncio.ensure_future(ask()), asyncio.ensure_future(answer())]
        with contextlib.suppress(OSError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (writer, back):
            writers.discard(each)
            each.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    relay.port = listening.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listening.close()
        for writer in list(writers):
            writer.close()
        await asyncio.sleep(0.05)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate for 127.0.0.1: what a server shows, and the file by which a client knows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown, own = folder / "valkey.pem", folder / "valkey.key"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, own)
    return context, shown

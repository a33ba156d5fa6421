"""Where Valkey is, as one setting tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

DEFAULT_PORT = 6379
FORMS = (
    "valkey://[user:password@]host:port[/db], valkeys:// (TLS), unix:///path/to.sock, or"
    " valkey-cluster://host1:port,host2:port"
)

_KINDS = {
    "valkey": (False, False),
    "valkeys": (True, False),
    "valkey-cluster": (False, True),
    "valkeys-cluster": (True, True),
    "unix": (False, False),
}
_FILES = ("ca_file", "cert_file", "key_file")
# Whatever else stands in a password is to be escaped: unescaped it would end the password, here or in someone's log.
_CREDENTIALS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=%]*\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._\-]+))(?::(?P<port>[0-9]{1,5}))?\Z")


@dataclass(frozen=True, slots=True)
class ValkeyAddress:
    """Where Valkey is.

    Args:
        hosts: names or addresses with their ports; one, or some nodes of a cluster.
        path: a unix socket instead.
        username: who we are to it; None is its default user.
        password: proves it.
        database: its number.
        is_tls: whether to speak TLS.
        is_cluster: whether it is a Valkey Cluster.
        ca_file: certificates that its own must come from; None trusts the system's.
        cert_file: our certificate, where it asks for one.
        key_file: the key of that.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    is_tls: bool = False
    is_cluster: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


def parse_valkey_url(url: str) -> ValkeyAddress:
    """Read an address.

    Args:
        url: one of `FORMS`; `redis` may stand for `valkey` in it. TLS takes `?ca_file=`, `cert_file=`, `key_file=`.

    Returns:
        The address.

    Raises:
        ValueError: with every fault; the password is in no message.
    """
    scheme, separator, rest = url.partition("://")
    scheme = re.sub(r"\Aredis", "valkey", scheme.lower())
    if not separator or scheme not in _KINDS:
        raise ValueError(f"must be {FORMS}")
    is_tls, is_cluster = _KINDS[scheme]
    faults: list[str] = []
    # The last @ ends the credentials, so that a password with an unescaped sign is reported as such, not as a host.
    credentials, _, rest = rest.rpartition("@")
    username, password = _read_credentials(credentials, faults)
    rest, _, query = rest.partition("?")
    options = _read_options(query, is_unix=scheme == "unix", is_tls=is_tls, faults=faults)
    database = options.pop("db", "")
    hosts: tuple[tuple[str, int], ...] = ()
    path: str | None = None
    if scheme == "unix":
        path = unquote(rest)
        if not Path(path).is_absolute():
            faults.append("the path of the socket must be absolute, so three slashes: unix:///path/to.sock")
    else:
        where, _, after = rest.partition("/")
        database = after
        hosts = _read_hosts(where, faults)
        if not is_cluster and len(hosts) > 1:
            faults.append("several hosts are a cluster's: write valkey-cluster://")
        if is_cluster and database.strip("0"):
            faults.append("a cluster has no database numbers; leave /db out")
            database = ""
    if not re.fullmatch(r"[0-9]{0,5}", database):
        faults.append("behind the host comes the number of the database, or nothing")
    if faults:
        raise ValueError("; ".join(faults))
    return ValkeyAddress(
        hosts=hosts,
        path=path,
        username=username,
        password=password,
        database=int(database or 0),
        is_tls=is_tls,
        is_cluster=is_cluster,
        **options,
    )


def masked_url(url: str) -> str:
    """Return a URL with `***` in the place of its password; also one that cannot be read.

    Args:
        url: with or without a password.

    Returns:
        What can be shown and logged.
    """
    scheme, separator, rest = url.partition("://")
    credentials, at, where = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    # Without a colon it may be the password alone, written where the user belongs.
    shown = f"{user}:***" if colon else "***" if credentials else ""
    return f"{scheme}{separator}{shown}{at}{where}"


def _read_credentials(text: str, faults: list[str]) -> tuple[str | None, str | None]:
    username, _, password = text.partition(":")
    if any(not _CREDENTIALS.match(part) or _BAD_ESCAPE.search(part) for part in (username, password)):
        faults.append("odd characters in user or password must be escaped, such as @ with %40, / with %2F, % with %25")
    if username and not password:
        faults.append("a user comes with a password: user:password@, or :password@ for the default user")
    return unquote(username) or None, unquote(password) or None


def _read_hosts(text: str, faults: list[str]) -> tuple[tuple[str, int], ...]:
    hosts = []
    for number, part in enumerate(text.split(","), 1):
        found = _HOST.match(part)
        port = int(found["port"] or DEFAULT_PORT) if found else 0
        if found is None or not 0 < port < 65536:
            # Not quoted: with an @ forgotten it may be a password.
            faults.append(f"host {number} must be name:port, 192.0.2.1:port or [2001:db8::1]:port")
        else:
            hosts.append((found["six"] or found["name"], port))
    return tuple(hosts)


def _read_options(query: str, *, is_unix: bool, is_tls: bool, faults: list[str]) -> dict[str, str]:
    allowed = ("db",) if is_unix else _FILES if is_tls else ()
    options = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            faults.append(
                f"behind ? only {', '.join(allowed)} may stand" if allowed else "nothing may stand behind ? here"
            )
        else:
            options[name] = value
    missing = [name for name in _FILES if name in options and not Path(options[name]).is_file()]
    faults.extend(f"{name}: there is no such file" for name in missing)
    if ("cert_file" in options) != ("key_file" in options):
        faults.append("cert_file and key_file come together")
    return options

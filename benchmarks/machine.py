"""On what it was measured, and with what."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

PEERS = Path(__file__).parent / "peers"


def machine() -> dict[str, str]:
    """The machine and every version that matters, as text."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {distribution()}",
        "python": platform.python_version(),
        "node": _said("node", "--version").removeprefix("v"),
        "nginx": _said("nginx", "-v").rpartition("/")[2],
        "wrk": [*_said("wrk", "-v").split(), "", ""][1],
        **{name: version(name) for name in ("granian", "uvicorn", "starlette", "fastapi", "http-message-signatures")},
        **{f"npm {name}": number for name, number in npm_versions().items()},
    }


def npm_versions() -> dict[str, str]:
    """The npm peers, as they are pinned."""
    return json.loads((PEERS / "package.json").read_text())["dependencies"]


def tool(name: str) -> str:
    """A program's path; Debian keeps servers where only root's PATH looks.

    Args:
        name: the program.

    Returns:
        Its path; else the run ends and says how to get it.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed; on Debian, as root: apt-get install {name}")
    return found


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _said(name: str, flag: str) -> str:
    done = subprocess.run([tool(name), flag], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]

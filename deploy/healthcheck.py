"""Ask the listeners of this node whether they can answer: status 0 if all of its role do, 1 if not, and why."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

PORTS = {
    "control": [os.environ.get("KEYWRIGHT_PORT", "8080")],
    "gateway": [os.environ.get("KEYWRIGHT_GATEWAY_PORT", "8081")],
}
PORTS["all"] = PORTS["control"] + PORTS["gateway"]

for port in PORTS[os.environ.get("KEYWRIGHT_ROLE", "all")]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            pass
    except urllib.error.HTTPError as error:
        sys.exit(f"port {port}: {error.read().decode()}")
    except OSError as error:
        sys.exit(f"port {port}: {error}")

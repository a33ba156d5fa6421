"""Composition root: the only place where objects are wired.

Each function imports what it wires: a process of the data plane never loads the control plane's framework, nor a
worker the migrations.
"""

from keywright.app.control_plane import control_plane, mail_transport
from keywright.app.data_plane import data_plane, verification_service
from keywright.app.key_files import (
    change_key_file,
    keyring_of_node,
    match_keyring,
    match_token_keys,
    register_keyring,
    token_keys_of_node,
)
from keywright.app.moving import begin_nonces_anew
from keywright.app.parts import (
    access_tokens,
    clock,
    open_database,
    open_nonces,
    open_throttle,
    random_bytes,
    token_service,
)
from keywright.app.prepare import open_outbox, prepare, prepare_database

__all__ = [
    "access_tokens",
    "begin_nonces_anew",
    "change_key_file",
    "clock",
    "control_plane",
    "data_plane",
    "keyring_of_node",
    "mail_transport",
    "match_keyring",
    "match_token_keys",
    "open_database",
    "open_nonces",
    "open_outbox",
    "open_throttle",
    "prepare",
    "prepare_database",
    "random_bytes",
    "register_keyring",
    "token_keys_of_node",
    "token_service",
    "verification_service",
]

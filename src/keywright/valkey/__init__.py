"""How Valkey is reached: its address, and a client whose every failure is `Unavailable`.

Import `keywright.valkey.address` or `keywright.valkey.client`: reading settings must not load the client's library.
"""

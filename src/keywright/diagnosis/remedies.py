"""What to change, for every code that a request can be refused with."""

from __future__ import annotations

from keywright.errors import RefusalCode

REMEDIES: dict[RefusalCode, str] = {
    RefusalCode.AUTHORIZATION_MISSING: (
        "Sign the request, or send a token as Authorization: Bearer. If it had one of them, look for a proxy "
        "or a redirect that took it away."
    ),
    RefusalCode.SIGNATURE_MISSING: (
        "Sign the request: keywright sign prints the headers to add. If it was signed, a proxy or a redirect "
        "dropped Signature-Input and Signature."
    ),
    RefusalCode.SIGNATURE_MALFORMED: (
        "Mend what the detail names, or have a library write the headers. Values are structured fields: "
        'sig1=("@method" "@target-uri");created=1700000000;keyid="ck_...";nonce="..." and sig1=:BASE64:'
    ),
    RefusalCode.SIGNATURE_AMBIGUOUS: (
        "Send one signature whose keyid is a Client ID. Drop the other one, which a retry or a second signer "
        "may have added."
    ),
    RefusalCode.PARAMETER_MISSING: (
        "Add the parameter that the detail names: created (now, in seconds), keyid (the Client ID) and nonce "
        "(16 to 64 characters, fresh) all stand after the component list."
    ),
    RefusalCode.CREDENTIAL_UNKNOWN: (
        "Check that keyid is the Client ID of this environment, not the secret and not the Account ID. If the "
        "key was deleted, create another; it does not come back."
    ),
    RefusalCode.COVERAGE_INSUFFICIENT: (
        'Put what the detail names into the component list and into the signature base: "@method", '
        '"@target-uri", and "content-digest" with a body.'
    ),
    RefusalCode.ALGORITHM_MISMATCH: (
        "Leave alg out of Signature-Input, or name the key's own algorithm: it was chosen when the key was created."
    ),
    RefusalCode.SIGNATURE_TOO_OLD: (
        "Sign just before sending, also when retrying or sending from a queue, and set the clock (NTP). "
        "created is in seconds, UTC."
    ),
    RefusalCode.SIGNATURE_IN_FUTURE: (
        "Set the clock (NTP). created is in seconds since 1970, UTC: not milliseconds, and not local time."
    ),
    RefusalCode.SIGNATURE_EXPIRED: (
        "Leave expires out, or set it later; it must lie behind the time at which the request arrives."
    ),
    RefusalCode.SIGNATURE_INVALID: (
        "Compare the signature bases line by line: something covered changed after signing (scheme, host, "
        "path, query, a header), or it was signed with another key's secret."
    ),
    RefusalCode.DIGEST_MISMATCH: (
        "Digest the very bytes that are sent: serialise once, sign, and send that. Line ends, white space, "
        "another character set and compression change them."
    ),
    RefusalCode.API_ACCESS_DISABLED: (
        "Nothing is wrong with the request. API access of the account is switched off: ask the platform to "
        "switch it on again."
    ),
    RefusalCode.NONCE_UNPROVABLE: (
        "Sign again, with a new nonce, and repeat: the verifier lost its memory of nonces, and this signature "
        "is older than the new one."
    ),
    RefusalCode.NONCE_REPLAYED: (
        "Sign every attempt anew: a signature is good for one request. Look for a retry beneath the signer, "
        "such as in the HTTP client or a proxy."
    ),
    RefusalCode.TOKEN_INVALID: (
        "Fetch a new token. If that one is refused too: it is another environment's, or was cut off; send it "
        "as it came. A token ends with its key."
    ),
    RefusalCode.TOKEN_EXPIRED: "Fetch a new token, and renew it before expires_in has passed.",
}

# What the data plane and its gateway answer besides refusals.
OTHER_REMEDIES = {
    "verifier_unavailable": "Nothing was judged: repeat the request after Retry-After seconds, signed anew.",
    "unavailable": "Nothing was judged: repeat the request after Retry-After seconds, signed anew.",
    "payload_too_large": "Send less: headers or body are larger than is read.",
    "invalid_request": (
        "The gateway asked wrongly, so the platform must look: its question lacks what the detail names."
    ),
    "invalid_client": "Check Client ID and Client Secret: the key was deleted, or is another environment's.",
    "too_many_requests": "Wait for Retry-After seconds.",
}

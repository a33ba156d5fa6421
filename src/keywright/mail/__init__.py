"""Mail to people: what it says, where it waits in the database, and how it is sent."""

from keywright.mail.letters import Letter
from keywright.mail.mailbox import Mailbox
from keywright.mail.outbox import Outbox

__all__ = ["Letter", "Mailbox", "Outbox"]

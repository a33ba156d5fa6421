"""Mail to people: what it says, where it waits in the database, and how it is sent."""

from keywright.mail import letters
from keywright.mail.delivery import MailOutcome, Postman
from keywright.mail.letters import Letter
from keywright.mail.outbox import Outbox
from keywright.mail.transports import FolderTransport, SmtpTransport, Transport

__all__ = ["FolderTransport", "Letter", "MailOutcome", "Outbox", "Postman", "SmtpTransport", "Transport", "letters"]

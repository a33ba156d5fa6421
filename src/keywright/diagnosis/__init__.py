"""What is wrong with a request, all of it at once, and what to change: for developers, at a shell and on the page."""

from keywright.diagnosis.diagnose import Diagnosis, VerificationKey
from keywright.diagnosis.examination import Examination, examine

__all__ = ["Diagnosis", "Examination", "VerificationKey", "examine"]

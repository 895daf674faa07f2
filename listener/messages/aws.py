"""parse: what a message of an AWS queue means.

Fed by the body of an SQS message and the queue's own place; feeds listener.listen. Pure.
Guarantees: it gives a Meaning or raises Malformed, whatever the body, and shows no part of the body
but in the ChangeEvents themselves. The rules stand in secretsmanager and parameterstore, the forms
of the body in eventbridge.
"""

from listener.messages import parameterstore, secretsmanager
from listener.messages.eventbridge import SECRETS_MANAGER, open_envelope
from listener.messages.meaning import Ignored, Meaning
from listener.sources.contract import Origin


def parse(body: str, origin: Origin) -> Meaning:
    """The changes that a message announces, or why it announces none; raises Malformed."""
    envelope = open_envelope(body, origin)
    if isinstance(envelope, Ignored):
        return envelope
    if envelope.source == SECRETS_MANAGER:
        return secretsmanager.meaning(envelope)
    return parameterstore.meaning(envelope)

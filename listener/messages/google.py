"""parse: what a message of a Google Pub/Sub subscription means.

Fed by the body and the attributes of the message; feeds listener.listen. Pure. Guarantees: it gives
a Meaning or raises Malformed, whatever comes, and shows no part of it but in the ChangeEvents
themselves. Two senders are understood: Secret Manager itself, by the topics of a secret
(googlenotice), and a log sink that routes the audit log (googleaudit).
"""

from collections.abc import Mapping

from listener.messages import googleaudit, googlenotice
from listener.messages.meaning import Ignored, IgnoredReason, Malformed, Meaning
from listener.messages.untrusted import json_object


def parse(body: str, attributes: Mapping[str, str]) -> Meaning:
    """The changes that a message announces, or why it announces none; raises Malformed."""
    if googlenotice.is_notice(attributes):
        return googlenotice.meaning(attributes)
    entry = json_object(body)
    if "protoPayload" in entry:
        return googleaudit.meaning(entry)
    if "logName" in entry:
        # Of the log of something else, in a sink whose filter is wide.
        return Ignored(IgnoredReason.OTHER_SERVICE)
    raise Malformed(
        "The message is neither a notification of Secret Manager (attribute eventType) nor an entry"
        " of the audit log (protoPayload); look at what is published to the topic."
    )

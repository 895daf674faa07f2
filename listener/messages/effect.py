"""Effect: what one AWS event did to the secrets that it speaks of, before it is put into words.

Fed by secretsmanager and parameterstore; feeds the ChangeEvents. Guarantees: several ChangeEvents
of one event have distinct ids, the same at every delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from externalsecret.identity import SecretId, parse_arn
from listener.messages.eventbridge import Envelope
from listener.messages.meaning import Change, ChangeEvent, Malformed


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that happened to each secret of an event."""

    change: Change
    version: str = ""
    label: str = ""


def checked(secret: SecretId) -> SecretId:
    """The same secret, unless its name is empty or an ARN of something else."""
    if not all(secret.names()) or parse_arn(secret.name) is not None:
        raise Malformed(
            "The event names its secret by something that is no name and no secret's ARN."
        )
    return secret


def change_events(
    envelope: Envelope, secrets: Sequence[SecretId], effects: Sequence[Effect]
) -> tuple[ChangeEvent, ...]:
    """Each effect on each secret; scope that a secret's id does not say comes from the envelope."""
    pairs = [(secret, effect) for secret in secrets for effect in effects]
    return tuple(
        ChangeEvent(
            secret=secret.within(region=envelope.region, account=envelope.account),
            change=effect.change,
            id=envelope.id if len(pairs) == 1 else f"{envelope.id}#{number}",
            at=envelope.at,
            version=effect.version or None,
            label=effect.label or None,
        )
        for number, (secret, effect) in enumerate(pairs, start=1)
    )

"""What the figures of `hark cost` rest on, in sentences.

Fed with the terms and with what was counted; feeds hark.cost.report. A sentence stands there only
where it bears on these very figures.
"""

from collections.abc import Collection, Mapping

from externalsecret.duration import format_duration
from externalsecret.identity import Backend
from hark.cost.estate import Terms

_OF_BACKEND = {
    Backend.SECRETS_MANAGER: (
        "Secrets Manager: a changed version makes two messages, AWS's own and CloudTrail's; the "
        "region holds no other secrets (ListSecrets names 100 a call, whoever uses them); a value "
        "of a batch is paid like a call of its own."
    ),
    Backend.PARAMETER_STORE: (
        "Parameter Store: every parameter is a SecureString, so each read is a decryption by KMS."
    ),
    Backend.GCP_SECRET_MANAGER: (
        "Google: a pull or publish counts as 1,000 bytes, empty pulls too."
    ),
    Backend.KEY_VAULT: (
        "Azure: a storage queue behind Event Grid, asked every 5 s; of price lists that differ by "
        "kind of account the dearest."
    ),
    Backend.VAULT: (
        "Vault asks no money for requests. Without paid event notifications Hark looks at the "
        "metadata of each path every {vault}; all requests are counted, logins of the peers too."
    ),
}


def assumptions(
    backends: Collection[Backend],
    terms: Terms,
    *,
    changes_a_day: float | None,
    free: bool,
    several: int,
    unpriced: Mapping[str, int],
) -> list[str]:
    """The sentences. `changes_a_day` as given; None where each secret changes once a month."""
    told = (
        "each secret changes once in 30 days"
        if changes_a_day is None
        else f"{changes_a_day:g} secrets change a day"
    )
    sweep = (
        "no sweep"
        if terms.sweep_interval is None
        else f"a sweep every {format_duration(terms.sweep_interval)}"
    )
    quota = "taken off once for each product" if free else "not taken off (--free-tiers does)"
    sentences = [
        (
            "A month has 30 days. Prices are list prices, in US dollars, without discounts and "
            f"taxes; what a list gives to everybody for nothing is {quota}."
        ),
        f"KES reads every item of every object every {format_duration(terms.kes_interval)}.",
        (
            "ESO reads every item of an object at its refreshInterval "
            f"({format_duration(terms.eso_interval)} where it names none), of Secrets Manager "
            "every distinct key; objects that refresh once cost nothing."
        ),
        (
            f"Hark reads what changed, once for all objects that use it: {told}; {sweep}; "
            f"{terms.listeners} listener(s) on a queue for each region."
        ),
        *(
            _OF_BACKEND[backend].format(vault=format_duration(terms.vault_interval))
            for backend in Backend
            if backend in backends
        ),
        (
            "Left out for all three: the first read of each secret, logins that are free, retries, "
            "the price of keeping the secrets, and Kubernetes."
        ),
    ]
    if several:
        sentences.append(
            f"{several:,} item(s) name a path or a search, which may bring many secrets; each "
            "counts as one read."
        )
    if unpriced:
        named = ", ".join(f"{reason} ({count:,})" for reason, count in sorted(unpriced.items()))
        sentences.append(f"In no figure, by reason and number of objects: {named}.")
    return sentences

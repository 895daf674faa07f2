"""The calls of those that poll: kubernetes-external-secrets 8.5.5, External Secrets Operator 2.9.

Fed by hark.cost.estate; feeds hark.cost.compare. Both were read and run for this: KES makes a call
for every item of every object at every poll, whatever it read a moment ago. ESO makes one for every
item at every refresh of an object (for Secrets Manager one for each distinct key), shares nothing
between objects and logs in anew each time.

Logins that cost nothing (STS, Google's and Entra's tokens) are left out, so are retries, and Key
Vault's refusal of the first request of each client. Of Vault all requests count, for there they are
the load: KES looks its token up before each read; ESO logs in, reads, looks its token up and
revokes it.
"""

from externalsecret.identity import Backend
from hark.cost.estate import Estate, Line, Terms

VALUE_PRICES = {
    Backend.SECRETS_MANAGER: "secretsmanager-call",
    Backend.PARAMETER_STORE: "parameterstore-call",
    Backend.GCP_SECRET_MANAGER: "secretmanager-access",
    Backend.KEY_VAULT: "keyvault-operation",
    Backend.VAULT: "vault-request",
}
_LOGIN_OF_ESO = 3


def kes(estate: Estate, terms: Terms) -> list[Line]:
    """What kubernetes-external-secrets asks for, all objects at its one interval."""
    polls = terms.period / terms.kes_interval
    lines = value_lines(estate.backend, estate.items * polls, terms)
    if estate.backend is Backend.VAULT:
        lines.append(Line("looks at its own token", estate.items * polls, "vault-request"))
    return lines


def eso(estate: Estate, terms: Terms) -> list[Line]:
    """What External Secrets Operator asks for, each object at its refreshInterval."""
    reads = logins = 0.0
    for group in estate.groups:
        interval = terms.eso_interval if group.interval is None else group.interval
        refreshes = terms.period / interval
        each = group.keys if estate.backend is Backend.SECRETS_MANAGER else group.items
        reads += each * refreshes
        logins += group.objects * refreshes * _LOGIN_OF_ESO
    lines = value_lines(estate.backend, reads, terms)
    if estate.backend is Backend.VAULT:
        lines.append(Line("logins, looks at and ends of tokens", logins, "vault-request"))
    return lines


def value_lines(backend: Backend, reads: float, terms: Terms) -> list[Line]:
    """Reads of values, and what the key that encrypts them costs; a value of a batch counts as a
    read of its own.
    """
    price = VALUE_PRICES[backend]
    if backend is Backend.PARAMETER_STORE and terms.higher_throughput:
        price = "parameterstore-higher-call"
    lines = [Line("value reads", reads, price, is_values=True)]
    is_decrypted = backend is Backend.PARAMETER_STORE or (
        backend is Backend.SECRETS_MANAGER and terms.own_keys
    )
    if is_decrypted:
        lines.append(Line("decryptions by KMS", reads, "kms-request"))
    return lines

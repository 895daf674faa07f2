"""Whether an announced version that was not to be seen is there after all, overtaken.

Asked by the reconcile story before it says AnnouncedVersionNotFound: a version that lost its last
label while its event was under way stands in no look of AWS Secrets Manager. One more call decides.

Guarantees: never raises; where nobody can tell, the version counts as not found.
"""

from externalsecret.errors import HarkError
from externalsecret.reference import Reference
from reconciler.backends.contract import Recalls
from reconciler.fetch import Fetcher
from reconciler.reads import Lane


def is_overtaken(fetcher: Fetcher, lane: Lane, reference: Reference, version: str | None) -> bool:
    """Whether the backend still has this version of what the reference names, without any label."""
    if version is None:
        return False
    try:
        backend = fetcher.lane(lane).backend()
        return isinstance(backend, Recalls) and backend.has_version(reference, version)
    except HarkError:
        return False

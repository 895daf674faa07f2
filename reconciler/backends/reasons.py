"""The words for what can go wrong with a backend: they end in the Ready condition and in Events."""

NOT_FOUND = "NotFound"
DENIED = "Denied"
THROTTLED = "Throttled"
UNAVAILABLE = "BackendUnavailable"
UNREACHABLE = "BackendUnreachable"
REFUSED = "BackendRefused"
MARKED_FOR_DELETION = "MarkedForDeletion"
NO_CREDENTIALS = "NoCredentials"
ROLE_DENIED = "RoleDenied"
INVALID_KEY = "InvalidKey"
INVALID_REGION = "InvalidRegion"
KMS_DENIED = "KmsDenied"
DISABLED = "Disabled"
DESTROYED = "Destroyed"
API_DISABLED = "ApiDisabled"
SCOPE_MISSING = "ScopeMissing"
NO_PROJECT = "NoProject"
BAD_CHECKSUM = "BadChecksum"
BAD_VALUE = "BadValue"
AMBIGUOUS_NAMES = "AmbiguousNames"
TOO_LARGE = "TooLarge"
EXPIRED = "Expired"
NOT_YET_VALID = "NotYetValid"
BLOCKED = "BlockedByFirewall"

# What one key met, the others of the same identity would meet as well.
OF_THE_IDENTITY = frozenset(
    (NO_CREDENTIALS, ROLE_DENIED, THROTTLED, UNREACHABLE, INVALID_REGION, BLOCKED)
)

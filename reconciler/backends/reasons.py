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
BAD_VALUE = "BadValue"
AMBIGUOUS_NAMES = "AmbiguousNames"
TOO_LARGE = "TooLarge"

# What one key met, the others of the same identity would meet as well.
OF_THE_IDENTITY = frozenset((NO_CREDENTIALS, ROLE_DENIED, THROTTLED, UNREACHABLE, INVALID_REGION))

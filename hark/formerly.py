"""Variables of kubernetes-external-secrets that Hark knows and does not heed.

Feeds the warnings of hark.settings: who took a deployment's environment along shall read in the log
what of it has no effect. What need not be set any more and changes nothing is not among them.
"""

from collections.abc import Mapping

_LINES = "Log lines have fields of their own: time, level and event, and no others on every line."
_UNSERVED = "Hark does not read this backend; leave its objects to another controller by "
IGNORED: Mapping[str, str] = {
    "LOG_MESSAGE_KEY": _LINES,
    "LOG_BASE_PID_KEY": _LINES,
    "LOG_BASE_HOSTNAME_KEY": _LINES,
    "USE_HUMAN_READABLE_LOG_LEVELS": "Levels are words always.",
    "ALICLOUD_ACCESS_KEY_ID": f"{_UNSERVED}spec.controllerId.",
    "IBM_CLOUD_SECRETS_MANAGER_API_APIKEY": f"{_UNSERVED}spec.controllerId.",
    "AKEYLESS_ACCESS_ID": f"{_UNSERVED}spec.controllerId.",
}
"""Each with why, as a sentence."""


def ignored_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that is set and not heeded."""
    names = [name for name in environ if name in IGNORED and environ[name]]
    return [f"{name} has no effect. {IGNORED[name]}" for name in names]

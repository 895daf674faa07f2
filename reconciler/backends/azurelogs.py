"""Keeps Azure's SDKs from telling on every request.

Called by whoever opens one of them: azureaccess here, and what makes the listener's sources.
"""

import logging

# azure.core logs each request with ten lines, azure.identity each failure that is also raised.
_LEVELS = {
    "azure": logging.WARNING,
    "azure.identity": logging.CRITICAL,
    "msal": logging.ERROR,
    "urllib3": logging.INFO,
}


def quieten() -> None:
    """Raise the levels of their loggers; may be called again."""
    for logger, level in _LEVELS.items():
        if logging.getLogger(logger).getEffectiveLevel() < level:
            logging.getLogger(logger).setLevel(level)

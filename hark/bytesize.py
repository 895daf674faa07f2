"""Amounts of memory as Kubernetes writes them: 64Mi, 1Gi, 1000000.

Pure; feeds hark.settings.
"""

import re

_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
}
_FORM = re.compile(r"(\d{1,15})(|k|M|G|Ki|Mi|Gi)", re.ASCII)


def parse_bytes(text: str) -> int:
    """Bytes. Raises ValueError with what is wrong, to be completed by the setting's name."""
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise ValueError("is no amount of memory; write it with a unit such as Mi")
    return int(form[1]) * _UNITS[form[2]]

"""Reading JSON that others wrote: any type anywhere, any size, any depth.

Fed by message bodies; feeds the parsers of this folder. Guarantees: nothing but Malformed is
raised, whatever the text, and neither its sentence nor its cause or context holds a part of the
text (an exception of the json module would carry the whole document with it). A field that is
absent, null or "" is absent; a field that is there but implausible is refused rather than skipped,
because the field tried next might name another secret.
"""

import json
import re
from collections.abc import Mapping

from listener.messages.meaning import Malformed

_LONGEST = 2048
_MOST = 100
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_PLAUSIBLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,2048}")

Json = Mapping[str, object]

_NOTHING: Json = {}


def json_object(text: str) -> dict[str, object]:
    """The JSON object that the text is."""
    found = _decoded(text)
    if not isinstance(found, dict):
        raise Malformed(
            "The message is no JSON object that can be read; look at what the rule or topic sends."
        )
    return found


def json_items(text: str) -> tuple[object, ...]:
    """The items of the JSON array that the text is, or the one object; at least one."""
    found = _decoded(text)
    if isinstance(found, dict):
        return (found,)
    if not isinstance(found, list) or not found:
        raise Malformed(
            "The message is neither a JSON object nor an array of them that can be read; look at"
            " what the subscription sends."
        )
    return tuple(found)


def texts_of_items(text: str) -> list[str]:
    """Each item of `json_items` as a text of its own, to be read as if it had come alone."""
    return [_encoded(item) or "null" for item in json_items(text)]


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # ValueError: no JSON, or an integer of thousands of digits. Malformed is raised by the
        # caller, outside of this block, so that it does not carry this exception as its context.
        return None


def canonical(value: Json) -> str:
    """The same text for the same object, whatever the order of its fields was."""
    text = _encoded(value)
    if not text:
        raise Malformed("The message is nested too deeply; no event of a cloud is.")
    return text


def _encoded(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return ""


def section(value: Json, key: str) -> Json:
    """The object below a key; an empty one where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else _NOTHING


def text_of(value: Json, key: str) -> str:
    """The text below a key, "" where there is none."""
    found = value.get(key)
    if found is None or found == "":
        return ""
    return _plausible(found, key)


def time_of(value: Json, key: str) -> str:
    """The time below a key; "" where it is none: a change without a time is still a change."""
    found = value.get(key)
    if isinstance(found, str) and _RFC_3339.fullmatch(found):
        return found
    return ""


def texts_of(value: Json, key: str) -> tuple[str, ...]:
    """The distinct texts of the list below a key, in its order; () where there is none."""
    found = value.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or len(found) > _MOST:
        raise Malformed(f"The field {key} must be a list of at most {_MOST} texts.")
    return tuple(dict.fromkeys(_plausible(item, key) for item in found))


def number_of(value: Json, key: str) -> str:
    """The positive number below a key, as its digits; "" where there is none."""
    found = value.get(key)
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found < 2**63:
        raise Malformed(f"The field {key} must be a positive whole number.")
    return str(found)


def _plausible(found: object, key: str) -> str:
    if not isinstance(found, str) or _PLAUSIBLE.fullmatch(found) is None:
        raise Malformed(
            f"The field {key} must hold a text of 1 to {_LONGEST} characters, none of them a"
            " control character."
        )
    return found

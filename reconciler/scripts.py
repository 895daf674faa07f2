"""The two JavaScript libraries that templates use: lodash and js-yaml.

Fed by a folder that reconciler.provide has filled (they are not part of this repository); feeds the
template engine when the first template is rendered.

Guarantees: what is loaded is byte for byte what is pinned here, checked each time. `integrity` is
what the npm registry publishes for the package, `digest` is that of the one file used of it.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from externalsecret.errors import GiveUp

FOLDER_VARIABLE = "HARK_SCRIPTS"


@dataclass(frozen=True, slots=True)
class Script:
    """One pinned library: of which npm package which file, and their SHA-512 in base64."""

    package: str
    version: str
    integrity: str
    member: str
    digest: str

    @property
    def file(self) -> str:
        return f"{self.package}-{self.version}.js"

    @property
    def license(self) -> str:
        return f"{self.package}-{self.version}.LICENSE"


LODASH = Script(
    "lodash",
    "4.17.21",
    "v2kDEe57lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg==",
    "package/lodash.min.js",
    "WFN04846sdKMIP5LKNphMaWzU7YpMyCU245etK3g/2ARYbPK9Ub18eG+ljU96qKRCWh+quCY7yefSmlkQw1ANQ==",
)
JS_YAML = Script(
    "js-yaml",
    "3.14.1",
    "okMH7OXXJ7YrN9Ok3/SXrnu4iX9yOk+25nqX4imS2npuvTYDmo/QEZoqwZkYaIDk3jVvBOTOIEgEhaLOynBS9g==",
    "package/dist/js-yaml.min.js",
    "JQlOhDTypJSgnt1e3jAF1nxzCSxPcvGF6huciW7zILxyV5wr1zYx9wTsT8D3B0FD9Fu9/UcynkpuK6o7mZp0ZQ==",
)
SCRIPTS = (LODASH, JS_YAML)


def places(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that may hold the libraries, in the order in which they are looked at."""
    named = environment.get(FOLDER_VARIABLE)
    if named:
        return (Path(named),)
    cached = cache_folder(environment)
    beside = Path(__file__).with_name("libraries")
    return (beside,) if cached is None else (beside, cached)


def load_scripts(folders: Sequence[Path]) -> tuple[str, ...]:
    """The text of both libraries, from the first folder that has both.

    GiveUp when none has, or when a file is not what is pinned.
    """
    for folder in folders:
        files = [folder / script.file for script in SCRIPTS]
        if all(file.is_file() for file in files):
            return tuple(
                _checked(script, file) for script, file in zip(SCRIPTS, files, strict=True)
            )
    looked = ", ".join(map(str, folders))
    raise GiveUp(
        f"Templates need the JavaScript libraries {names()}, which are not in {looked}. "
        f"Run `python -m reconciler.provide FOLDER` and set {FOLDER_VARIABLE} to that folder.",
        reason="ScriptsMissing",
    )


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Where they are kept on a machine of a developer; None for a user without a home."""
    root = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME")
    if not root and not home:
        return None
    cache = Path(root) if root else Path(home or "") / ".cache"
    return cache / "hark" / "scripts"


def _checked(script: Script, file: Path) -> str:
    content = file.read_bytes()
    if not is_pinned(script.digest, content):
        raise GiveUp(
            f"{file} is not the file of {script.package} {script.version} that Hark was built for. "
            "Delete it and run `python -m reconciler.provide FOLDER`.",
            reason="ScriptsMissing",
        )
    return content.decode()


def is_pinned(digest: str, content: bytes) -> bool:
    """Whether `content` has this SHA-512 in base64."""
    return hmac.compare_digest(base64.b64decode(digest), hashlib.sha512(content).digest())


def names() -> str:
    """Both libraries with their versions, for a sentence."""
    return " and ".join(f"{script.package} {script.version}" for script in SCRIPTS)

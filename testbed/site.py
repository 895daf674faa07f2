"""Builds the pages of docs/ as a static site, by mkdocs with the theme material.

Fed by mkdocs.yml and docs/; feeds dist/site. Strict: a page that the navigation lacks, a link or an
anchor that leads nowhere is an error. `python -m testbed.site` builds; `make site` does so.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed import cache, pythontool

ROOT = Path(__file__).parent.parent


class SiteError(Exception):
    """What mkdocs said of the pages."""


def build(config: Path, target: Path) -> None:
    """Build the site of a mkdocs.yml; raises SiteError, and CannotProvideError without mkdocs."""
    tool = pythontool.provide("site")
    # Never --quiet: mkdocs counts the warnings that it shows, so that with it strict is not.
    arguments = ["build", "--strict", "--config-file", str(config), "--site-dir", str(target)]
    done = subprocess.run(
        [*tool.command("mkdocs"), *arguments],
        env=tool.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SiteError(done.stderr or done.stdout)


if __name__ == "__main__":
    try:
        build(ROOT / "mkdocs.yml", ROOT / "dist" / "site")
    except (SiteError, cache.CannotProvideError) as error:
        sys.exit(str(error))
    sys.stdout.write("The site is in dist/site: open dist/site/index.html.\n")

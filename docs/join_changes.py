"""Join the changelog fragments of ``changes/`` into ``CHANGELOG.md``, as a release does.

python docs/join_changes.py            print the section that would be added, and check the fragments
python docs/join_changes.py 0.2.0      add the section to the changelog, and delete the fragments
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = ("added", "changed", "fixed", "removed")
_NAME = re.compile(rf"[a-z0-9]+(?:-[a-z0-9]+)*\.({'|'.join(KINDS)})\.md")


def fragments(folder: Path) -> dict[Path, str]:
    """Return the text of each fragment, in the order of kinds and names.

    Raises
    ------
    SystemExit
        If a file of the folder is not a fragment: with a wrong name, without text, or with a heading or a bullet.
    """
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        text = path.read_text(encoding="utf-8").strip()
        if not _NAME.fullmatch(path.name):
            raise SystemExit(f"{path}: The name must be like short-topic.added.md ({', '.join(KINDS)}).")
        if not text or text.startswith(("#", "-", "*")):
            raise SystemExit(f"{path}: Write complete sentences, without a heading or a bullet.")
        found[path] = text
    return dict(sorted(found.items(), key=lambda item: (KINDS.index(item[0].name.split(".")[1]), item[0].name)))


def section(title: str, texts: dict[Path, str]) -> str:
    """Return the section of a release: one list for each kind, one bullet for each fragment."""
    return f"## {title}\n{lists(texts)}"


def lists(texts: dict[Path, str]) -> str:
    """Return one list for each kind, one bullet for each fragment."""
    lines = []
    for kind in KINDS:
        bullets = [text for path, text in texts.items() if path.name.split(".")[1] == kind]
        if bullets:
            lines += ["", f"### {kind.capitalize()}", ""]
            lines += ["- " + text.replace("\n", "\n  ").replace("\n  \n", "\n\n") for text in bullets]
    return "\n".join(lines) + "\n" if lines else ""


def join(version: str, root: Path = ROOT, today: datetime.date | None = None) -> None:
    """Add the section of a version above the newest one of the changelog, and delete the fragments.

    If the changelog already has the section as "unreleased", with a text by topic, its heading gets the date, and the
    fragments since then follow the text.
    """
    texts = fragments(root / "changes")
    path = root / "CHANGELOG.md"
    changelog = path.read_text(encoding="utf-8")
    title = f"{version} ({today or datetime.date.today():%Y-%m-%d})"
    written = f"\n## {version} (unreleased)\n"
    if written in changelog:
        start = changelog.index(written)
        end = changelog.find("\n## ", start + 1)
        body = changelog[start + len(written) : None if end < 0 else end].rstrip("\n")
        older = "" if end < 0 else changelog[end:]
        changelog = f"{changelog[:start]}\n## {title}\n{body}\n{lists(texts)}{older}"
    elif f"\n## {version} " in changelog:
        raise SystemExit(f"CHANGELOG.md has a section {version}. Choose another version.")
    elif not texts:
        raise SystemExit("There are no fragments in changes/.")
    else:
        start = changelog.index("\n## ") + 1
        changelog = f"{changelog[:start]}{section(title, texts)}\n{changelog[start:]}"
    path.write_text(changelog, encoding="utf-8")
    for fragment in texts:
        fragment.unlink()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Join the changelog fragments.")
    parser.add_argument("version", nargs="?", help="version of the release (default: only print)")
    arguments = parser.parse_args()
    if arguments.version:
        join(arguments.version)
    else:
        sys.stdout.write(section("Next release", fragments(ROOT / "changes")))


if __name__ == "__main__":
    main()

"""Brings the files of others that browsers load up to date: `make vendor`, which needs npm and a network.

Each package is taken as it was published, and checked by the registry's digest. What is kept of it, of which version
and under which licence, is written into `assets/vendor/vendor.json`.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "assets" / "vendor"
RECORD = FOLDER / "vendor.json"

#: What is kept of each package.
PACKAGES = {
    "@picocss/pico": ("css/pico.min.css",),
    "htmx.org": ("dist/htmx.min.js", "dist/ext/hx-sse.min.js"),
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
}

_LICENCES = ("LICENSE", "LICENSE.md")


def main() -> None:
    """Fetch the newest version of each package, and keep what is served of it."""
    found = [_keep(name, wanted) for name, wanted in PACKAGES.items()]
    RECORD.write_text(json.dumps(found, indent=2) + "\n")


def _keep(name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="pageturner-vendor-") as folder:
        pack = ["npm", "pack", "--json", "--pack-destination", folder, f"{name}@latest"]
        [packed] = json.loads(subprocess.run(pack, check=True, capture_output=True).stdout)  # noqa: S603 - npm, by its name
        archive = Path(folder) / packed["filename"]
        with tarfile.open(archive) as files:
            licence = next(one for one in _LICENCES if f"package/{one}" in files.getnames())
            about = json.loads(_read(files, "package.json"))
            (FOLDER / f"{about['name'].rpartition('/')[2]}.LICENSE").write_bytes(_read(files, licence))
            digests = {}
            for path in wanted:
                body = _read(files, path)
                (FOLDER / Path(path).name).write_bytes(body)
                digests[Path(path).name] = hashlib.sha256(body).hexdigest()
    return {"name": name, "version": about["version"], "licence": about["license"], "files": digests}


def _read(files: tarfile.TarFile, path: str) -> bytes:
    file = files.extractfile(f"package/{path}")
    assert file is not None  # noqa: S101 - a package has what its version is made of
    return file.read()


if __name__ == "__main__":
    main()

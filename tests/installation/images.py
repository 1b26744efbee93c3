"""The public images that ours is built on and runs beside, or stand-ins of Debian's packages."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ..support.servers import missing

_RELEASE = "trixie"

#: A stand-in holds as little as the images that it stands for.
_LEAN = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "locale", "man")]
_LEAN += ["--dpkgopt=force-unsafe-io", "--variant=minbase", "--quiet"]

#: Where this machine keeps the certificates that it trusts: its network may have one of its own.
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

_PYTHON = ["--include=python3,python3-pip,python3-venv,ca-certificates"]
_PYTHON += ["--customize-hook=ln -s /usr/bin/python3 $1/usr/local/bin/python"]
_PYTHON += [f"--customize-hook=copy-in {_CERTIFICATES} {Path(_CERTIFICATES).parent}"]

_ENTRYPOINT = Path(__file__).with_name("entrypoint.sh")
_SERVERS = ["--include=postgresql-17,redis-server,gosu"]
_SERVERS += [f"--customize-hook=copy-in {_ENTRYPOINT} /", "--customize-hook=mkdir $1/data"]


def obtain_images(names: Iterable[str], *, may_make: bool) -> None:
    """Have the engine hold these images: pulled, or made where that is impossible and the engine is of our own."""
    wanted = [name for name in names if not _is_there(name) and not _pull(name)]
    if not wanted:
        return
    if not may_make:
        pytest.skip(f"the Docker engine has no {', '.join(wanted)}, and cannot pull")
    if not shutil.which("mmdebstrap"):
        missing("mmdebstrap", f"{', '.join(wanted)} cannot be pulled, and stand-ins are made with Debian's mmdebstrap")
    of_python = [name for name in wanted if name.startswith("python:")]
    of_servers = [name for name in wanted if re.match(r"(postgres|redis):", name)]
    changes = [
        f'ENTRYPOINT ["/{_ENTRYPOINT.name}"]',
        'CMD ["postgres"]',
        "ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin",
    ]
    with ThreadPoolExecutor() as threads:
        making = [threads.submit(_make, of_python, _PYTHON, []), threads.submit(_make, of_servers, _SERVERS, changes)]
        for one in making:
            one.result()
    assert set(wanted) == {*of_python, *of_servers}, f"there is no stand-in for one of {wanted}"


def _is_there(name: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0


def _pull(name: str) -> bool:
    done = subprocess.run(["docker", "pull", "--quiet", name], capture_output=True, check=False, timeout=600)
    return done.returncode == 0


def _make(names: list[str], packages: list[str], changes: list[str]) -> None:
    if not names:
        return
    with tempfile.TemporaryDirectory(prefix="pageturner-image-") as folder:
        archive = Path(folder) / "system.tar"
        subprocess.run(["mmdebstrap", *_LEAN, *packages, _RELEASE, archive], check=True)
        options = [part for change in changes for part in ("--change", change)]
        subprocess.run(["docker", "import", *options, archive, names[0]], check=True, stdout=subprocess.DEVNULL)
    for other in names[1:]:
        subprocess.run(["docker", "tag", names[0], other], check=True)

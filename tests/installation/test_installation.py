"""The compose file on a real engine: it comes up, mirrors, and goes on whatever dies."""

import json
import re
from collections.abc import Iterator

import pytest

from .composed import IMAGE, PARTS, ROOT, SERVICES, Composed, base_images, composed, image_megabytes
from .engine import docker_engine
from .images import obtain_images

pytestmark = [pytest.mark.installation, pytest.mark.timeout(900)]

_READ = ("assets", "assignments", "users")

#: Each part that is ours.
_OURS = [name for name in PARTS if "build" in SERVICES[name]]

_MEGABYTES = 250.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """An installation, built from this checkout."""
    with docker_engine() as is_our_own:
        obtain_images(base_images(), may_make=is_our_own)
        with composed(tmp_path_factory.mktemp("installation")) as made:
            yield made


@pytest.fixture(scope="module")
def uid(installation: Composed) -> str:
    """The location `hq`, whose token came in as a file by standard input."""
    place = installation.apple().locations[0]
    options = ["--name", "hq", "--resources", ",".join(_READ)]
    installation.run("locations", "add", "/dev/stdin", *options, given=place["token"])
    installation.run("sync", "hq")
    return place["uid"]


def assert_in_step(installation: Composed, uid: str, name: str = "hq") -> None:
    """Sync, and compare every record with Apple's."""
    installation.run("sync", name)
    assert installation.differences(name, uid, *_READ) == []


@pytest.mark.usefixtures("installation")
def test_the_image_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    """It holds what runs and no more."""
    sizes = {name: round(image_megabytes(name)) for name in (IMAGE, *base_images())}
    with capsys.disabled():
        print(f"\nMB: {sizes}")  # noqa: T201 - for whoever looks at how it grows
    assert sizes[IMAGE] < _MEGABYTES


def test_all_parts_are_well(installation: Composed) -> None:
    """They are healthy, the doctor finds nothing, and the doors answer at their ports."""
    assert installation.unwell() == []
    installation.run("doctor")
    assert installation.answers("webhook", "/readyz") == 200
    assert installation.answers("metrics", "/metrics") == 200
    assert installation.answers("console", "/sign-in") == 200
    assert installation.answers("flower", "/healthcheck") == 200


def test_they_may_do_no_more_than_they_must(installation: Composed) -> None:
    """None of ours writes into its image, has a capability, or more memory than in the manifests."""
    for service in _OURS:
        host = installation.containers(service)[0]["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] > 0


def test_a_location_by_a_file(installation: Composed, uid: str) -> None:
    """A token that comes in by standard input is mirrored, record for record."""
    assert_in_step(installation, uid)


def test_locations_as_code(installation: Composed, uid: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A mounted folder with a file of locations and their tokens is applied, and mirrored."""
    folder = tmp_path_factory.mktemp("declared")
    folder.chmod(0o755)
    places = installation.apple().locations
    lines = [f"resources = {json.dumps(list(_READ))}"]
    for number, place in enumerate(places[:2]):
        (folder / f"{number}.vpptoken").write_text(place["token"])
        name = "hq" if place["uid"] == uid else f"lab-{number}"
        lines += ["[[location]]", f'name = "{name}"', f'token = "{number}.vpptoken"', f'uid = "{place["uid"]}"']
    (folder / "locations.toml").write_text("\n".join(lines) + "\n")
    for file in folder.iterdir():
        file.chmod(0o644)
    installation.run_with(f"{folder}:/declared:ro", "locations", "apply", "/declared/locations.toml")
    assert_in_step(installation, places[1]["uid"], "lab-1")


def test_workers_are_replaced_while_they_work(installation: Composed, uid: str) -> None:
    """Two containers of workers are replaced one after the other, and the crawl under way ends well."""
    installation.up(WORKERS="2")
    workers = installation.containers("worker")
    assert len(workers) == 2
    installation.apple().forget_traffic(uid)
    crawl = installation.start("sync", "hq", "--full")
    for worker in workers:
        installation.docker("restart", "--time", "75", worker["Id"])
        installation.await_health()
    out, err = crawl.communicate(timeout=600)
    assert crawl.returncode == 0, out + err
    assert installation.differences("hq", uid, *_READ) == []
    assert installation.apple().traffic(uid)["most_in_flight"] <= 5


@pytest.mark.parametrize("service", PARTS)
def test_a_part_may_die(installation: Composed, uid: str, service: str) -> None:
    """One that is killed comes back, and with it all others are well, and locations are synced as before."""
    installation.kill(service)
    installation.await_health()
    installation.run("sync", "hq")
    assert service not in {"postgres", "redis"} or installation.differences("hq", uid, *_READ) == []


def test_the_host_starts_anew(installation: Composed, uid: str) -> None:
    """All is stopped and started, in any order."""
    for step in ("stop", "start"):
        installation.follow(f"docker compose {step}")
    installation.await_health()
    places = {place["uid"]: place["token"] for place in installation.apple().locations}
    assert uid in places, "the simulated Apple has other locations than before"
    assert_in_step(installation, uid)


def test_a_backup_is_restored(installation: Composed, uid: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By the lines of `docs/operations.md`: what was mirrored is there again, and goes on."""
    text = (ROOT / "docs" / "operations.md").read_text()
    chapter = re.split(r"^## ", text.partition("\n## Back up\n")[2], flags=re.MULTILINE)[0]
    lines = [line.strip() for line in chapter.splitlines() if line.startswith("    docker compose")]
    folder = tmp_path_factory.mktemp("backup")
    before = installation.differences("hq", uid, *_READ)
    for line in lines:
        installation.follow(f"cd {folder} && {line}")
    installation.await_health()
    assert before == []
    assert any("pg_dump" in line for line in lines)
    assert any("pg_restore" in line for line in lines)
    assert_in_step(installation, uid)


def test_the_memory_was_enough(installation: Composed) -> None:
    """After all of it, nothing was ended for want of memory."""
    for service in _OURS:
        for container in installation.containers(service):
            assert not container["State"]["OOMKilled"], service

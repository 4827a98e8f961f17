"""`docker-compose.ray.yml` and the example for KubeRay, as far as they can be judged without being run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from docker_stage import ROOT

from chaosrun.commands.run import command as run
from chaosrun.spec.fleet import kind_of, ray_of
from chaosrun.spec.loader import load_experiment

KUBERAY = ROOT / "docs" / "kuberay" / "rayjob.yaml"
TARGET = ROOT / "experiments" / "targets" / "ray.yaml"
PACKAGE = (ROOT / "pyproject.toml").read_text()


def services() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.ray.yml").read_text())["services"]  # type: ignore[no-any-return]


def kuberay() -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(KUBERAY.read_text())}


def taken(arguments: str) -> dict[str, Any]:
    """What our own command line makes of them; it fails for one that it does not know."""
    return run.make_context("run", shlex.split(arguments)).params


def test_of_a_cluster_of_containers_nothing_is_published_and_no_network_leads_elsewhere() -> None:
    for service in services().values():
        assert "ports" not in service
        assert "network_mode" not in service
        assert service["networks"] == ["ray"]
        assert service["environment"]["RAY_USAGE_STATS_ENABLED"] == "0"
        assert service["shm_size"]
    networks = yaml.safe_load((ROOT / "docker-compose.ray.yml").read_text())["networks"]
    assert networks == {"ray": {"internal": True}}


def test_only_the_nodes_have_room_for_clients() -> None:
    told = {name: shlex.join(map(str, service["entrypoint"])) for name, service in services().items()}
    assert {name: re.findall(r"--num-cpus=(\d)", text) for name, text in told.items()} == {
        "head": ["0"],
        "node": ["1"],
        "chaosrun": ["0"],
    }


def test_what_the_job_of_the_compose_file_is_told_is_taken_and_its_experiment_is_valid() -> None:
    arguments = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", services()["chaosrun"]["command"])
    given = taken(arguments)
    assert (given["fleet"], given["yes"]) == ("ray", True)
    assert ROOT / given["target"] == TARGET
    [experiment] = given["experiments"]
    loaded = load_experiment(
        ROOT / experiment, profile=given["profile"], target=TARGET, env=services()["chaosrun"]["environment"]
    )
    assert loaded.experiment.target.url == "ws://chaosrun:9101/ws"
    assert loaded.experiment.target.allow == ("chaosrun",)


def test_the_images_differ_by_one_argument_that_the_dockerfile_has() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "ARG INSTALL=.\n" in dockerfile
    assert services()["node"]["build"]["args"] == {"INSTALL": ".[ray]"}
    assert "\nray = [" in PACKAGE
    assert services()["node"]["image"] != "chaosrun:local", "it is another image"
    for folder in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for name in folder.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}\n" in (ROOT / ".dockerignore").read_text()


def test_what_the_job_on_kubernetes_runs_is_a_command_line_of_ours() -> None:
    program, _, arguments = kuberay()["RayJob"]["spec"]["entrypoint"].partition(" ")
    assert program == "chaosrun"
    assert taken(arguments)["experiments"] == (Path("/etc/chaosrun/experiment.yaml"),)
    with pytest.raises(click.UsageError):
        taken(f"{arguments} --no-such-option")


def test_the_experiment_in_the_config_map_is_valid_and_reaches_the_service_beside_it(tmp_path: Path) -> None:
    [(name, text)] = kuberay()["ConfigMap"]["data"].items()
    (tmp_path / name).write_text(text)
    experiment = load_experiment(tmp_path / name, env={}).experiment
    service = kuberay()["Service"]
    assert experiment.target.url == f"ws://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/ws"
    assert kind_of(experiment.fleet) == "ray"
    [group] = kuberay()["RayJob"]["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert ray_of(experiment.fleet).workers == group["replicas"]


def test_the_head_on_kubernetes_coordinates_and_mounts_what_the_job_reads_and_writes() -> None:
    job, cluster = kuberay()["RayJob"]["spec"], kuberay()["RayJob"]["spec"]["rayClusterSpec"]
    assert "entrypointNumCpus" not in job, "it would no longer be bound to run on the head"
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"]["num-cpus"] == "0"
    pod = head["template"]["spec"]
    [container] = pod["containers"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/etc/chaosrun", "/work/reports"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["experiment"]["configMap"]["name"] == kuberay()["ConfigMap"]["metadata"]["name"]
    claim = volumes["reports"]["persistentVolumeClaim"]["claimName"]
    assert claim == kuberay()["PersistentVolumeClaim"]["metadata"]["name"]
    assert cluster["rayVersion"].rpartition(".")[0] in PACKAGE.partition('"ray==')[2][:10]


def test_the_programs_of_the_service_on_kubernetes_are_ours() -> None:
    containers = kuberay()["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 2
    for container in containers:
        assert container["command"][:2] == ["python", "-m"]
        assert (ROOT / (container["command"][2].replace(".", "/") + ".py")).exists()

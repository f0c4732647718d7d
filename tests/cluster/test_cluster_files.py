"""The files for clusters stay true: schemas, commands, options, paths, variables and metrics exist."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
FILES = sorted(path for path in CLUSTER.rglob("*") if path.is_file())
TEXTS = {str(path.relative_to(CLUSTER)): path.read_text(encoding="utf-8") for path in FILES}
OURS = {"DARKCLR_KUBERAY_CRDS", "DARKCLR_OTHER_RAYS"}
"""Environment variables of our tests."""

CRDS = Path(os.environ.get("DARKCLR_KUBERAY_CRDS", ROOT.parent / "shared" / "kuberay-crds"))
RAY = Path(ray.__file__).parent
IMAGE = "/opt/darkclr_ray/"
SLURM = {"SLURM_JOB_NODELIST", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK"}  # sbatch(1), output environment variables
GROUPS = ("raycluster.yaml", "rayjob.yaml")


def manifest(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((CLUSTER / "kubernetes" / name).read_text(encoding="utf-8"))
    return content


def cluster_spec(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(name)["spec"]
    return spec.get("rayClusterSpec", spec)


def closed(schema: Any) -> Any:
    """The schema with unknown names forbidden, as the API server's strict mode has it."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(part) for key, part in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        inner.setdefault("additionalProperties", bool(schema.get("x-kubernetes-preserve-unknown-fields")))
    if schema.get("x-kubernetes-int-or-string"):
        inner["type"] = ["integer", "string"]
    return inner


def schema_of(kind: str) -> dict[str, Any]:
    file = CRDS / f"ray.io_{kind.lower()}s.yaml"
    if not file.is_file():
        pytest.skip(f"{file} is not there; DARKCLR_KUBERAY_CRDS names the folder of KubeRay's schemas")
    definition = yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    version = next(version for version in definition["spec"]["versions"] if version["name"] == "v1")
    schema: dict[str, Any] = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


@pytest.mark.parametrize("name", GROUPS)
def test_manifests_obey_kuberays_schema(name: str) -> None:
    content = manifest(name)
    assert content["apiVersion"] == "ray.io/v1"
    schema = schema_of(content["kind"])
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(content)] == []
    misspelt = {**content, "spec": {**content["spec"], "enableInTreeAutoscalling": True}}
    (error,) = validator.iter_errors(misspelt)
    assert "enableInTreeAutoscalling" in error.message


@pytest.mark.parametrize("name", GROUPS)
def test_head_is_idle_groups_are_apart_and_tokens_are_asked_for(name: str) -> None:
    spec = cluster_spec(name)
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"
    assert spec["authOptions"] == {"mode": "token", "secretName": "darkclr-token"}
    assert spec["rayVersion"] == ray.__version__
    gpus = {}
    for group in spec["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        gpus[group["groupName"]] = "nvidia.com/gpu" in container["resources"]["limits"]
        assert group["minReplicas"] > 0  # a study shares what is there when it starts
    assert gpus == {"cpu": False, "gpu": True}


@pytest.mark.parametrize("name", GROUPS)
def test_every_pod_mounts_the_shared_storage(name: str) -> None:
    spec, claim = cluster_spec(name), manifest("storage.yaml")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert {"name": "shared", "mountPath": "/shared"} in pod["containers"][0]["volumeMounts"]
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_job_and_cluster_have_the_same_groups() -> None:
    first, second = cluster_spec("raycluster.yaml"), cluster_spec("rayjob.yaml")
    hosts = [spec["headGroupSpec"]["rayStartParams"].pop("dashboard-host") for spec in (first, second)]
    assert hosts == ["127.0.0.1", "0.0.0.0"]
    assert first == {key: second[key] for key in first}


def pods(name: str) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Pod specification and containers of every pod that KubeRay makes of a manifest. It adds a container for the
    autoscaler to the head's pod, and gives the init containers that it adds the security context of the Ray container.
    """
    spec = cluster_spec(name)
    found = {group.get("groupName", "head"): group["template"]["spec"] for group in spec["workerGroupSpecs"]}
    found["head"] = spec["headGroupSpec"]["template"]["spec"]
    if "submitterPodTemplate" in manifest(name)["spec"]:
        found["submitter"] = manifest(name)["spec"]["submitterPodTemplate"]["spec"]
    containers = {key: list(pod["containers"]) for key, pod in found.items()}
    containers["head"].append({"name": "autoscaler", **spec["autoscalerOptions"]})
    return {key: (pod, containers[key]) for key, pod in found.items()}


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def unrestricted(pod: dict[str, Any], containers: list[dict[str, Any]]) -> list[str]:
    """What the pod security standard "restricted" of Kubernetes 1.30 forbids in a pod."""
    of_pod = pod.get("securityContext", {})
    found = [f"{name}" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    found += [f"volume {v['name']}" for v in pod.get("volumes", []) if not (set(v) - {"name"}) <= VOLUMES]
    for container in containers:
        own = container.get("securityContext", {})
        both = {**of_pod, **own}
        capabilities = own.get("capabilities", {})
        wrong = {
            "escalation": own.get("allowPrivilegeEscalation") is not False,
            "capabilities": "ALL" not in capabilities.get("drop", []),
            "added": not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "root": both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0,
            "seccomp": both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "privileged": own.get("privileged", False),
            "ports": any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {what}" for what, is_wrong in wrong.items() if is_wrong]
    return found


@pytest.mark.parametrize("name", GROUPS)
def test_every_pod_passes_the_restricted_security_standard(name: str) -> None:
    made = pods(name)
    assert set(made) == {"head", "cpu", "gpu"} | ({"submitter"} if name == "rayjob.yaml" else set())
    for pod, containers in made.values():
        assert unrestricted(pod, containers) == []
    pod, containers = made["head"]
    assert len(containers) == 2
    assert unrestricted({**pod, "securityContext": {}}, containers) != []
    assert unrestricted(pod, [{"name": "other"}]) == ["other: escalation", "other: capabilities"]
    assert [key for key, (pod, _) in made.items() if pod["automountServiceAccountToken"]] == ["head"]


def test_only_pods_of_the_cluster_its_operator_and_prometheus_reach_a_pod() -> None:
    content = list(yaml.safe_load_all(TEXTS["kubernetes/network.yaml"]))
    assert [policy["kind"] for policy in content] == ["NetworkPolicy"] * 2
    selected = [policy["spec"]["podSelector"]["matchLabels"] for policy in content]
    assert selected == [{"ray.io/node-type": "head"}, {"ray.io/node-type": "worker"}]
    for policy in content:
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        for rule in policy["spec"]["ingress"]:
            (peer,) = rule["from"]  # without "from", everybody may
            assert peer["podSelector"]
            of_cluster = peer == {
                "podSelector": {"matchExpressions": [{"key": "ray.io/cluster", "operator": "Exists"}]}
            }
            assert of_cluster or [port["port"] for port in rule["ports"]] in ([8265], [8080])


def test_cloud_file_obeys_rays_schema() -> None:
    content = yaml.safe_load(TEXTS["cloud/ray-up.yaml"])
    jsonschema.validate(content, json.loads((RAY / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8")))
    assert content["head_node_type"] in content["available_node_types"]
    assert content["available_node_types"]["head"]["resources"] == {"CPU": 0}
    (start,) = [command for command in content["head_start_ray_commands"] if "--head" in command]
    assert "--num-cpus=0" in start
    assert "--dashboard-host=127.0.0.1" in start


def test_cloud_containers_ask_for_gpus() -> None:
    """Ray's Docker runner adds NVIDIA's runtime, and nothing else: it injects GPUs where these variables are set."""
    options = yaml.safe_load(TEXTS["cloud/ray-up.yaml"])["docker"]["run_options"]
    environment = dict(option.removeprefix("-e ").split("=", 1) for option in options if option.startswith("-e "))
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert {"compute", "utility"} <= set(environment["NVIDIA_DRIVER_CAPABILITIES"].split(","))
    assert "NVIDIA_VISIBLE_DEVICES" not in TEXTS["Dockerfile"]  # pods without GPUs use the image, too


def test_cloud_machines_see_what_their_containers_write_for_them() -> None:
    """On the shared storage, and in Ray's folder, where a Prometheus on the machine looks; the image's user writes."""
    content = yaml.safe_load(TEXTS["cloud/ray-up.yaml"])
    (scrape,) = yaml.safe_load(TEXTS["monitoring/prometheus.yaml"])["scrape_configs"]
    ((listing,),) = [place["files"] for place in scrape["file_sd_configs"]]
    (user,) = re.findall(r"useradd --uid (\d+)", TEXTS["Dockerfile"])
    for folder in ("/shared", str(Path(listing).parent)):
        assert f"-v {folder}:{folder}" in content["docker"]["run_options"]
        assert any(f"sudo mkdir -p {folder}" in command for command in content["initialization_commands"])
        assert any(f"sudo chown {user}:{user} {folder}" in command for command in content["initialization_commands"])


@cache
def commands() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(file, words) of every command of ours or of Ray's that the files hold."""
    lines = []
    for name, text in TEXTS.items():
        if name.endswith(".md"):
            text = "\n".join(re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL))
        elif name.endswith(".sbatch"):
            text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
        elif name.endswith("ray-up.yaml"):
            content = yaml.safe_load(text)
            text = "\n".join(content["head_start_ray_commands"] + content["worker_start_ray_commands"])
        elif name.endswith("rayjob.yaml"):
            text = yaml.safe_load(text)["spec"]["entrypoint"]
        else:
            continue
        lines += [(name, line.rstrip("& ")) for line in text.replace("\\\n", " ").splitlines()]
    found = []
    for name, line in lines:
        for start in re.finditer(r"(?:^|\s)(python \S*studies/|ray [a-z])", line):
            found.append((name, tuple(shlex.split(line[start.start(1) :], comments=True))))
    return tuple(found)


def study(path: str) -> Any:
    """The module of the command that a script runs."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path.removeprefix(IMAGE))
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return sys.modules[script.main.__module__]


@pytest.mark.parametrize(
    ("name", "words"), [c for c in commands() if c[1][0] == "python"], ids=lambda value: str(value)
)
def test_commands_of_ours_are_understood(name: str, words: tuple[str, ...]) -> None:
    module, arguments = study(words[1]), [word for word in words[2:] if word != "${@:3}"]
    if hasattr(module, "COMMAND_LINE"):
        settings, preset = module.COMMAND_LINE.read(arguments)
        assert settings.compute.address == "auto"
        assert preset == "paper"
    else:
        assert module.parser("generate").read(arguments).preset == "paper"


@pytest.mark.parametrize(("name", "words"), [c for c in commands() if c[1][0] == "ray"], ids=lambda value: str(value))
def test_commands_of_rays_are_known(name: str, words: tuple[str, ...]) -> None:
    from ray.scripts.scripts import cli

    known: set[str] = set()
    group: Any = cli
    for word in words[1 : words.index("--") if "--" in words else None]:
        if word.startswith("--"):
            assert word.split("=")[0] in known, word
        elif word in getattr(group, "commands", {}):
            group = group.commands[word]
            known |= {option for parameter in group.params for option in parameter.opts}
            if word == "symmetric-run":  # what it does not know goes to ray start
                known |= {option for parameter in cli.commands["start"].params for option in parameter.opts}
    assert group is not cli, f"{words[1]} is no command of Ray's"


def test_commands_were_found() -> None:
    ours = {(name, words[1].rpartition("/")[2]) for name, words in commands() if words[0] == "python"}
    assert ours == {
        ("README.md", "generate_jets.py"),
        ("README.md", "embedding_scan.py"),
        ("kubernetes/rayjob.yaml", "embedding_scan.py"),
        ("slurm/study.sbatch", "embedding_scan.py"),
    }
    rays = {words[1] for _, words in commands() if words[0] == "ray"}
    assert rays >= {"up", "down", "start", "stop", "job", "symmetric-run", "get-auth-token", "rsync-down", "dashboard"}


def test_paths_exist() -> None:
    for name, text in TEXTS.items():
        for path in re.findall(rf"(?<![\w./-])(?:{IMAGE})?((?:cluster|studies|tests)/[\w./-]*\w)", text):
            assert (ROOT / path).exists(), f"{name}: {path}"
    for path in re.findall(r"`((?:kubernetes|slurm|cloud|monitoring)/[\w./-]*|Dockerfile)`", TEXTS["README.md"]):
        assert (CLUSTER / path).exists(), path
    for line in re.findall(r"^COPY (.+) \S+$", TEXTS["Dockerfile"], flags=re.MULTILINE):
        for path in line.split():
            assert (ROOT / path).exists(), f"Dockerfile: {path}"


def test_environment_variables_are_known() -> None:
    used = {word for text in TEXTS.values() for word in re.findall(r"\b(?:RAY|DARKCLR|SLURM)_[A-Za-z_]+\b", text)}
    assert {"RAY_AUTH_MODE", "RAY_TRAIN_ENABLE_STATE_TRACKING"} <= used
    assert {name for name in used if name.startswith("SLURM_")} <= SLURM
    assert {name for name in used if name.startswith("DARKCLR_")} == OURS
    folders = ("_private", "_common", "autoscaler", "scripts", "train")
    sources = [path.read_bytes() for folder in folders for path in (RAY / folder).rglob("*.py")]
    for name in used - SLURM - OURS:
        whole = re.compile(rb"\b" + name.encode() + rb"\b")
        assert any(whole.search(source) for source in sources), f"{name} is not in Ray"


def test_grafana_shows_only_metrics_that_exist() -> None:
    board = json.loads(TEXTS["monitoring/grafana-darkclr.json"])
    source = (ROOT / "darkclr_ray" / "study" / "metrics.py").read_text(encoding="utf-8")
    ours = {f"ray_{name}" for name in re.findall(r"Gauge\(\s*\"(\w+)\"", source)}
    boards = (RAY / "dashboard" / "modules" / "metrics" / "dashboards").glob("*_panels.py")
    rays = {name for path in boards for name in re.findall(r"\bray_\w+", path.read_text(encoding="utf-8"))}
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bray_\w+", target["expr"])
    }
    assert shown <= ours | rays
    assert ours <= shown  # nothing is exported that nobody can look at
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("monitoring/prometheus")])
def test_prometheus_scrapes_ray(name: str) -> None:
    content = yaml.safe_load(TEXTS[name])
    (job,) = content["scrape_configs"]
    assert job["job_name"] == "ray"
    for place in job.get("file_sd_configs", []):
        (file,) = place["files"]
        folder, _, base = file.rpartition("/")
        constants = (RAY / "_private" / "ray_constants.py").read_text(encoding="utf-8")
        assert folder == "/tmp/ray"
        assert base in constants


def test_kubernetes_ports_have_the_name_that_prometheus_keeps() -> None:
    for name in GROUPS:
        spec = cluster_spec(name)
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            ports = group["template"]["spec"]["containers"][0]["ports"]
            assert {"name": "metrics", "containerPort": 8080} in ports


def test_no_token_is_in_a_file() -> None:
    for name, text in TEXTS.items():
        assert not re.search(r"\b[0-9a-f]{32,}\b", text), name
        assert not re.search(r"AUTH_TOKEN[\"' ]*[:=][\"' ]*[A-Za-z0-9]", text), name


def test_sbatch_passes_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", CLUSTER / "slurm" / "study.sbatch"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

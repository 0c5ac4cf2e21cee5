"""What `weft worker` and `weft standalone` do with Pulsar's configuration files."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import seeds

from harness import locations

SHIPPED = locations.pulsar_home() / "conf"
# Weft's own default where Pulsar's class has none, or another one.
OWN_DEFAULTS = {"workerPort", "pulsarServiceUrl", "pulsarWebServiceUrl", "pulsarFunctionsNamespace"}
OWN_DEFAULTS |= {"pulsarFunctionsCluster", "functionMetadataTopicName", "clusterCoordinationTopicName"}
OWN_DEFAULTS |= {"functionAssignmentTopicName", "downloadDirectory", "workerId", "workerHostname", "schedulerClassName"}
OWN_DEFAULTS |= {"functionRuntimeFactoryClassName", "narExtractionDirectory"}


# No cluster, whatever else this machine runs.
NOBODY = {"PF_pulsarWebServiceUrl": "http://127.0.0.1:1", "PF_pulsarServiceUrl": "pulsar://127.0.0.1:1"}


def weft(*words: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [locations.weft_binary(), *words], capture_output=True, text=True, timeout=30,
        env=os.environ | (environment or {}),
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def assert_refused(command: str, option: str, conf: Path, line: str, expected: str) -> None:
    """A file with that line is refused in these words, by its name, and nothing is made."""
    conf.write_text(f"# first\n{line}\n")
    data = conf.parent / "data"
    status, told = weft(command, option, conf, "--data-dir", data)
    assert status == 1
    assert expected in told and str(conf) in told
    assert not data.exists()


def rows_of(document: str) -> dict[str, list[str]]:
    """The table's rows: key -> defaults."""
    rows = {}
    for line in (locations.SOURCE_ROOT / "docs" / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if line.startswith("| `") and len(cells) == 5:
            rows[cells[0].strip("|` ")] = re.findall("`([^`]*)`", cells[2])
    return rows


def has_row(rows: dict[str, list[str]], key: str) -> bool:
    patterns = [name[:-1] for name in rows if name.endswith("*")]
    return key in rows or any(key.startswith(pattern) or f"{key}." == pattern for pattern in patterns)


def test_the_table_has_every_setting_of_pulsars_class(tmp_path: Path) -> None:
    source = Path(__file__).with_name("WorkerConfigFields.java")
    java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{locations.pulsar_home()}/lib/*", source]
    out = subprocess.run(java, capture_output=True, text=True, timeout=60, check=True).stdout
    fields = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    assert len(fields) > 110
    rows = rows_of("functions-worker-yml.md")
    maps = {"functionRuntimeFactoryConfigs", "properties"}
    assert [name for name in fields if not has_row(rows, name) and name not in maps] == []
    strangers = [name for name in rows if re.split(r"\.", name)[0] not in fields]
    assert strangers == []
    others = {
        name: (value, rows[name])
        for name, value in fields.items()
        if name in rows and name not in OWN_DEFAULTS and value not in ("", "[]", "{}") and value not in rows[name]
    }
    assert others == {}


def test_the_shipped_worker_file_has_nothing_to_say(tmp_path: Path) -> None:
    status, told = weft("worker", "-c", SHIPPED / "functions_worker.yml", "--check", environment=NOBODY)
    assert status == 0
    first, second = told.splitlines()
    assert first.startswith("the cluster at http://127.0.0.1:1 and pulsar://127.0.0.1:1 was not looked at: ")
    assert second == "the configuration can be used"
    status, told = weft("worker", "-c", SHIPPED / "functions_worker.yml", "--check", "--with-cluster", environment=NOBODY)
    assert status == 1 and "was not looked at" in told and "can be used" not in told
    status, told = weft("worker", "-c", SHIPPED / "functions_worker.yml", "--print-config")
    assert status == 0
    printed = tmp_path / "printed.yml"
    printed.write_text(told)
    assert weft("worker", "-c", printed, "--check", environment=NOBODY)[0] == 0
    assert "\nworkerPort: 6750  # " in told


def test_pulsars_own_timers_stand_for_wefts_and_others_are_honoured(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    seen = []
    for milliseconds in ("30000", "700"):
        conf.write_text(f"failureCheckFreqMs: {milliseconds}\nrescheduleTimeoutMs: 60000\nrebalanceCheckFreqSec: 60\n")
        _, told = weft("worker", "-c", conf, "--print-config")
        seen += [line for line in told.splitlines() if line.startswith(("failure", "reschedule", "rebalance"))]
    assert seen[:2] == ["failureCheckFreqMs: 250", "rescheduleTimeoutMs: 1500"]
    assert seen[3].startswith("failureCheckFreqMs: 700  # ") and seen[5].startswith("rebalanceCheckFreqSec: 60  # ")
    _, told = weft("worker", "-c", conf, "--print-config", "--reschedule-after", "60000")
    assert "\nrescheduleTimeoutMs: 60000" in told


@pytest.mark.parametrize("name", ["standalone.conf", "broker.conf"])
def test_the_table_has_every_key_of_the_shipped_files(name: str) -> None:
    rows = rows_of("standalone-conf.md")
    lines = (SHIPPED / name).read_text().splitlines()
    keys = [line.split("=")[0].strip() for line in lines if "=" in line and not line.lstrip().startswith("#")]
    assert len(keys) > 300
    assert [key for key in keys if not has_row(rows, key)] == []


@pytest.mark.parametrize("block", seeds.BLOCKS)
def test_a_block_of_pulsars_page(block: str, tmp_path: Path) -> None:
    text, expected = seeds.BLOCKS[block]
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(text)
    status, told = weft("worker", "-c", conf, "--check")
    assert status == (0 if seeds.USABLE in expected else 1), told
    assert [each for each in expected if each not in told] == []
    assert "token:abc" not in told and "secret.key" not in told and "admin.key" not in told


def test_check_names_typos_and_what_has_no_effect(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(
        "wrkerPort: 1\nnumFunctionPackageReplicas: 3\nbookkeeperClientAuthenticationPlugin: a.B\n"
        "bookkeeperClientAuthenticationParameters: hush\n"
    )
    status, told = weft("worker", "-c", conf, "--check")
    assert status == 1
    assert f"unknown: {conf}:1: wrkerPort: Pulsar has no such setting, it changes nothing; did you mean workerPort?" in told
    assert "no effect: " in told and "numFunctionPackageReplicas = 3: has no effect here: a package is kept" in told
    assert "bookkeeperClientAuthenticationPlugin = a.B: has no effect here" in told
    assert "hush" not in told


def test_the_environment_stands_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    conf.write_text("workerPort: 1\nworkerId: one\n")
    _, told = weft(
        "worker", "-c", conf, "--print-config", "--worker-id", "three",
        environment={"PF_workerPort": "2", "PF_workerId": "two"},
    )  # fmt: skip
    assert "workerPort: 2  # environment PF_workerPort\n" in told
    assert "workerId: three\n" in told


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("workerPort: 99999", "workerPort = 99999: a port is from 1 to 65535"),
        ("workerPort:", "workerPort = null: give a port"),
        ("tlsEnabled: true\nworkerPortTls:", "workerPortTls = null: give a port: tlsEnabled is true"),
        ("tlsEnabled: true\ntlsCertificateFilePath: /none/c\ntlsKeyFilePath: /none/k", "tlsCertificateFilePath = /none/c: certificate"),
        ("authorizationEnabled: true", "authorizationEnabled = true: set authenticationEnabled too"),
        ("authenticationEnabled: true", "authenticationEnabled = true: name AuthenticationProviderToken"),
        (
            "authenticationEnabled: true\nauthenticationProviders: [AuthenticationProviderToken]",
            "authenticationProviders = AuthenticationProviderToken: AuthenticationProviderToken needs tokenSecretKey",
        ),
        (
            "authenticationEnabled: true\nauthenticationProviders: [AuthenticationProviderToken]\n"
            "properties:\n  tokenSecretKey: file:///none/secret.key",
            "properties.tokenSecretKey = ********: ",
        ),
        ("authorizationProvider: a.B", "authorizationProvider = a.B: leave it out, or give org.apache"),
        ("workerPortTls: 70000", "workerPortTls = 70000: a port is from 1 to 65535"),
        ("tlsEnabled: true", "tlsEnabled = true: give tlsCertificateFilePath and tlsKeyFilePath"),
        ("tlsEnabledWithKeyStore: true", "tlsEnabledWithKeyStore = true: give PEM files"),
        ("webServiceTlsProtocols: [TLSv1.1]", "webServiceTlsProtocols = TLSv1.1: protocol TLSv1.1 is not spoken: give TLSv1.2, TLSv1.3, or both"),
        ("workerPort: many", "workerPort = many: give a whole number"),
        ("workerId: 'a:b'", "workerId = a:b: leave out the colons"),
        ("pulsarFunctionsNamespace: functions", "pulsarFunctionsNamespace = functions: give tenant/namespace"),
        ("pulsarServiceUrl: http://x", "pulsarServiceUrl = http://x: service URL"),
        ("pulsarWebServiceUrl: ftp://x:1", "pulsarWebServiceUrl = ftp://x:1: give http://host:port"),
        ("functionMetadataTopicName: a/b", "functionMetadataTopicName = a/b: give the topic's own name"),
        ("functionRuntimeFactoryClassName: a.b.KubernetesRuntimeFactory", "functionRuntimeFactoryClassName = a.b"),
        ("failureCheckFreqMs: 5", "failureCheckFreqMs = 5: give 50 to 3600000 milliseconds"),
        ("rescheduleTimeoutMs: -1", "rescheduleTimeoutMs = -1: give 1 to 86400000 milliseconds"),
        ("rebalanceCheckFreqSec: 40000000", "rebalanceCheckFreqSec = 40000000: give at most 31536000"),
        ("schedulerClassName: a.B", "schedulerClassName = a.B: the one scheduler"),
        ("maxHttpServerConnections: 0", "maxHttpServerConnections = 0: give 1 to"),
        ("- a", "no map of settings"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(line: str, expected: str, tmp_path: Path) -> None:
    assert_refused("worker", "-c", tmp_path / "functions_worker.yml", line, expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("brokerServicePort=many", "brokerServicePort = many: give a whole number"),
        ("webServicePort=", "webServicePort = null: give a port"),
        ("tlsEnabled=true", "tlsEnabled = true: give brokerServicePortTls"),
        ("tokenSecretKey=file:///k", "tokenSecretKey = ********: nobody is asked who he is"),
        ("brokerDeduplicationEnabled=true", "brokerDeduplicationEnabled = true: leave it out"),
        ("keepAliveIntervalSeconds=0", "keepAliveIntervalSeconds = 0: give 1 to 86400"),
        ("nothing", ":2: write lines like brokerServicePort=6650"),
    ],
)
def test_a_wrong_line_of_standalone_conf(line: str, expected: str, tmp_path: Path) -> None:
    assert_refused("standalone", "--conf", tmp_path / "standalone.conf", line, expected)

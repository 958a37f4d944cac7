"""A project whose brokers ask who is there, over TLS: it runs under each engine, and what is wrong is told without a secret."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dragoman.access import Tls, WebAccess, connect_client
from dragoman.kafka_source import Connector
from dragoman.stack import parts
from dragoman.stack.binaries import need_java
from dragoman.stack.kafka import Secured
from dragoman.stack.processes import free_port
from dragoman.stack.server import shared
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.kafka.log import KafkaLog
from tests.dragoman.kafka_shop import said, shop_at
from tests.dragoman.support import Outcome, dragoman, replace, succeeds
from tests.servers.shared import jars
from translators.errors import DragomanError

PASSWORD = "correct-horse-42"  # noqa: S105 - of a broker that this test starts
WRONG = "battery-staple-17"


@dataclass(frozen=True, slots=True)
class Brokers:
    """Where everybody is let in, where only users are, and whose certificates they have."""

    at: str
    secured_at: str
    ca: Path
    other_ca: Path


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for this machine that has signed itself: the store of its key, and itself as PEM."""
    keytool = Path(need_java()).resolve().parent / "keytool"
    store, pem = folder / f"{name}.p12", folder / f"{name}.pem"
    common = ["-alias", name, "-keystore", str(store), "-storepass", PASSWORD]
    made = ["-genkeypair", "-keyalg", "EC", "-storetype", "PKCS12", "-dname", f"CN={name}", "-validity", "7"]
    extensions = ["-ext", "san=ip:127.0.0.1", "-ext", "bc:c=ca:true", "-ext", "ku:c=digitalSignature,keyCertSign"]
    for words in ([*made, *extensions], ["-exportcert", "-rfc", "-file", str(pem)]):
        subprocess.run([str(keytool), *words, *common], check=True, capture_output=True)
    return store, pem


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    libs = jars()
    folder = tmp_path_factory.mktemp("secured")
    store, ca = certificate(folder, "broker")
    _, other = certificate(folder, "somebody")
    port = free_port()
    secured = Secured(port=port, keystore=str(store), keystore_password=PASSWORD, users={"worker": PASSWORD})
    with shared(parts.kafka(libs, secured), folder / "kafka") as broker:
        yield Brokers(broker.at, f"127.0.0.1:{port}", ca, other)


@pytest.fixture
def shop(brokers: Brokers, unused_name: str, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The project embedded and run, and the same on the brokers, which knows nothing of their users yet."""
    with shop_at(brokers.at, unused_name, tmp_path) as (embedded, on_kafka, _):
        replace(on_kafka / "sources" / "shop.yaml", brokers.at, brokers.secured_at)
        yield embedded, on_kafka


OF_VARIABLE = "password: '${KAFKA_PASSWORD}'"


def says(project: Path, ca: Path, mechanism: str, password: str = OF_VARIABLE) -> None:
    source = project / "sources" / "shop.yaml"
    told = f"protocol: SASL_SSL, mechanism: {mechanism}, user: worker, {password}, ca: {ca}"
    kept = [line for line in source.read_text("utf-8").splitlines() if not line.startswith("security:")]
    source.write_text("\n".join([*kept, f"security: {{{told}}}", ""]), "utf-8")


@pytest.mark.parametrize(
    ("engine", "mechanism"),
    [("aiokafka", "SCRAM-SHA-512"), ("faust", "SCRAM-SHA-256"), ("aiokafka", "PLAIN")],
)
def test_it_publishes_what_the_embedded_run_does(
    shop: tuple[Path, Path], brokers: Brokers, unused_name: str, engine: str, mechanism: str
) -> None:
    embedded, on_kafka = shop
    (on_kafka / "password").write_text(f"{PASSWORD}\n", "utf-8")
    says(on_kafka, brokers.ca, mechanism, "password_file: password")
    source = on_kafka / "sources" / "shop.yaml"
    source.write_text(source.read_text("utf-8") + f"engine: {engine}\n", "utf-8")
    ran = [json.loads(line) for line in succeeds("run", "--json", cwd=on_kafka).out.splitlines()]
    assert all(one["fits"] for one in ran if "fits" in one)
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log, closing(KafkaLog(brokers.at)) as bare:
        assert said(bare, f"{unused_name}.events") == said(log, f"{unused_name}.events") != {}
    looked = succeeds("doctor", cwd=on_kafka)
    assert "the brokers answer, 1 feeds are there" in looked.out
    assert PASSWORD not in looked.out + looked.err
    assert succeeds("status", cwd=on_kafka).out


def one_error(project: Path, code: str, *words: str, password: str | None = None) -> Outcome:
    """The command ends with this error alone, in words and in JSON, and says no secret."""
    variables = {} if password is None else {"KAFKA_PASSWORD": password}
    for more in ((), ("--json",)):
        outcome = dragoman(*words, *more, cwd=project, before=None, **variables)
        told = outcome.out + outcome.err
        assert outcome.code == 2, told
        assert told.count(code) == 1, told
        assert "Traceback" not in told and "Unable" not in told, told
        assert WRONG not in told and PASSWORD not in told, told
    return outcome


def test_what_is_wrong_is_one_error_each_and_no_secret(shop: tuple[Path, Path], brokers: Brokers) -> None:
    _, on_kafka = shop
    says(on_kafka, brokers.ca, "SCRAM-SHA-256")
    one_error(on_kafka, "log.login-refused", "run", password=WRONG)
    looked = dragoman("doctor", cwd=on_kafka, before=None, KAFKA_PASSWORD=WRONG)
    assert looked.code == 1
    assert "do not let this user in" in " ".join(looked.out.split())
    assert WRONG not in looked.out + looked.err
    says(on_kafka, brokers.other_ca, "SCRAM-SHA-256")
    one_error(on_kafka, "log.tls-failed", "run", password=PASSWORD)
    says(on_kafka, on_kafka / "sources" / "shop.yaml", "SCRAM-SHA-256")
    one_error(on_kafka, "source.certificate-unusable", "status", password=PASSWORD)
    says(on_kafka, brokers.ca, "SCRAM-SHA-256")
    source = on_kafka / "sources" / "shop.yaml"
    source.write_text(source.read_text("utf-8") + "engine: faust\n", "utf-8")
    one_error(on_kafka, "log.login-refused", "run", password=WRONG)


def test_a_worker_of_connect_is_known_by_its_certificate(brokers: Brokers) -> None:
    # The brokers' own port, which speaks TLS and no HTTP: whoever trusts it gets past the certificate.
    def asked(ca: Path) -> str:
        access = WebAccess(tls=Tls(ca=ca, certificate=None, key=None, password=None), user=None)
        connector = Connector(url=f"https://{brokers.secured_at}", name="legacy", access=access)
        with connect_client(connector, patience=0) as client, pytest.raises(DragomanError) as raised:
            client.names()
        return raised.value.code

    assert asked(brokers.other_ca) == "connect.untrusted"
    assert asked(brokers.ca) == "connect.unreachable"

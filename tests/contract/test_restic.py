"""The very scripts that mover pods run, with a real restic on folders."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lifeboat.adapters import restic as words
from lifeboat.adapters.repository_restic import RepositoryRestic
from lifeboat.adapters.restic import Access
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.clock import utc_now
from lifeboat.errors import StoreUnavailable, Unsupported, WrongKey
from lifeboat.point import catalog
from lifeboat.point.layout import FILES_CONFIG
from lifeboat.point.liveness import stored_blobs
from lifeboat.policy.model import VaultEntry
from lifeboat.ports.disks import StoredSnapshot, Volume
from lifeboat.ports.movers import Saved
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from lifeboat.wiring import NoConnections, open_store
from lifeboat.wiring.movers import access_of

INSTANCE = "shop.local"
POINT = "20261122T233153Z-1a2b3c4d"
LATER = "20261123T233153Z-5e6f7a8b"
VOLUME = Volume(
    namespace="shop",
    claim="data",
    claim_uid="0b0c",
    pv="pv-1",
    driver="nfs.csi.k8s.io",
    handle="share-1",
    storage_class="shares",
    volume_mode="Filesystem",
    access_modes=("ReadWriteMany",),
    size=1 << 30,
)
SNAPSHOT = StoredSnapshot(
    kind="csi",
    volume=VOLUME,
    name="snap",
    handle="cut-1",
    driver=VOLUME.driver,
    size=1 << 30,
    created="2026-11-22T23:31:53Z",
    point=POINT,
    instance=INSTANCE,
)


@dataclass
class Place:
    """A repository and a volume in folders, and scripts run on them."""

    root: Path
    program: Path
    password: str = "correct horse"
    say: list[str] = field(default_factory=list)
    elsewhere: Access | None = None

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def access(self) -> Access:
        return self.elsewhere or Access(str(self.root / "vault" / "files"), self.password)

    @property
    def repository(self) -> RepositoryRestic:
        return RepositoryRestic(self.access, str(self.program))

    def script(self, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (self.root / "password").write_text(self.access.password)
        (self.root / "result").unlink(missing_ok=True)
        return subprocess.run(
            ["/bin/sh", "-c", text, "lifeboat", *arguments],
            env={
                "PATH": f"{self.program.parent}{os.pathsep}{os.environ['PATH']}",
                "RESTIC_REPOSITORY": self.access.url,
                "RESTIC_PASSWORD_FILE": str(self.root / "password"),
                "RESTIC_CACHE_DIR": str(self.root / "cache"),
                words.OPTIONS_VARIABLE: self.access.options,
                words.RESULT_VARIABLE: str(self.root / "result"),
                **self.access.environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def save_script(
        self, snapshot: StoredSnapshot = SNAPSHOT, of: str = "data"
    ) -> subprocess.CompletedProcess[str]:
        return self.script(
            words.SAVE, words.tags(snapshot), words.host(snapshot), str(self.root), of
        )

    def save(self, snapshot: StoredSnapshot = SNAPSHOT) -> Saved:
        done = self.script(
            words.SAVE, words.tags(snapshot), words.host(snapshot), str(self.root), "data"
        )
        assert done.returncode == 0, done.stderr
        self.say.append(done.stdout)
        saved = words.saved((self.root / "result").read_text())
        assert saved is not None
        return saved

    def fill(self, saved: str) -> Path:
        """Where the volume's files are after a fill."""
        target = self.root / "filled"
        done = self.script(words.FILL, saved, str(target))
        assert done.returncode == 0, done.stderr
        return target / "data"

    def restic(self, *arguments: str) -> str:
        """Asked directly, beside the scripts."""
        environment = {"RESTIC_PASSWORD": self.password, "RESTIC_REPOSITORY": self.access.url}
        command = [str(self.program), "--no-cache", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=True
        )
        return done.stdout

    def ids(self) -> set[str]:
        return {one["id"] for one in json.loads(self.restic("snapshots", "--json"))}


@pytest.fixture
def place(tmp_path: Path, restic: Path) -> Place:
    made = Place(tmp_path, restic)
    made.data.mkdir()
    (made.data / "ledger").write_bytes(b"one\0two" * 5000)
    return made


def test_files_come_back_byte_for_byte_with_all_that_belongs_to_them(place: Place) -> None:
    data = place.data
    (data / "deep" / "er").mkdir(parents=True)
    (data / "deep" / "er" / "empty").touch()
    (data / "an odd ' name\n").write_bytes(b"x")
    (data / "link").symlink_to("deep/er/empty")
    (data / "dangling").symlink_to("/nowhere")
    os.link(data / "ledger", data / "twin")
    (data / "secret").write_bytes(b"s")
    (data / "secret").chmod(0o4710)
    with (data / "sparse").open("wb") as handle:
        handle.seek(64 * 1024 * 1024)
        handle.write(b"end")
    os.utime(data / "ledger", (1_600_000_000, 1_600_000_000.25))
    if os.geteuid() == 0:
        os.chown(data / "secret", 1234, 2345, follow_symlinks=False)
        (data / "secret").chmod(0o4710)
    data.chmod(0o2750)
    filled = place.fill(place.save().id)
    assert tree(filled) == tree(data)
    assert (filled / "ledger").stat().st_ino == (filled / "twin").stat().st_ino
    assert (filled / "sparse").stat().st_blocks * 512 < 1024 * 1024
    assert filled.stat().st_mode == data.stat().st_mode


def tree(root: Path) -> dict[str, tuple[object, ...]]:
    found = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        content: object = ""
        if stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (
            info.st_mode,
            info.st_uid,
            info.st_gid,
            info.st_mtime_ns,
            content,
        )
    return found


def test_a_save_tells_what_it_stored(place: Place) -> None:
    saved = place.save()
    assert len(saved.id) == 64
    assert (saved.files, saved.bytes) == (1, 35_000)
    assert 0 < saved.added < 35_000
    assert words.percent(place.say[0]) == 100
    assert place.restic("check", "--read-data")
    assert {one.id for one in place.repository.kept(INSTANCE)} == {saved.id}


def test_an_attempt_that_begins_again_finds_what_is_there(place: Place) -> None:
    first = place.save()
    assert place.save() == first
    assert place.ids() == {first.id}


def test_an_attempt_after_one_that_could_not_read_everything_stores_the_rest(
    place: Place,
) -> None:
    first = place.save()
    (place.data / "late").write_bytes(b"could not be read before")
    again = place.save()
    assert again.id != first.id
    assert again.files == 2


def test_the_next_point_stores_only_what_changed_though_nothing_did(place: Place) -> None:
    first = place.save()
    second = place.save(replace(SNAPSHOT, point=LATER))
    assert second.id != first.id
    assert second.added < first.added / 2
    assert {one.point for one in place.repository.kept(INSTANCE)} == {POINT, LATER}


def test_a_file_that_cannot_be_read_fails_the_save(place: Place) -> None:
    if os.geteuid() == 0:
        done = place.save_script(of="gone")
    else:
        (place.data / "ledger").chmod(0)
        done = place.save_script()
    assert done.returncode != 0
    assert words.complaint(done.stderr)
    assert not (place.root / "result").exists()


def test_what_is_forgotten_is_gone_with_what_only_it_needed(place: Place) -> None:
    first = place.save()
    (place.data / "ledger").write_bytes(os.urandom(200_000))
    second = place.save(replace(SNAPSHOT, point=LATER))
    before = size(place)
    place.repository.forget((second.id,))
    assert place.ids() == {first.id}
    assert before - size(place) > 150_000
    assert place.restic("check", "--read-data")
    place.repository.forget((second.id,))  # and again
    assert place.fill(first.id).joinpath("ledger").read_bytes() == b"one\0two" * 5000


def size(place: Place) -> int:
    packs = (place.root / "vault" / "files" / "data").rglob("*")
    return sum(path.stat().st_size for path in packs if path.is_file())


def test_only_the_instance_s_own_are_kept_and_others_are_left_alone(place: Place) -> None:
    other = place.save(replace(SNAPSHOT, instance="bank.local"))
    mine = place.save()
    assert {one.id for one in place.repository.kept(INSTANCE)} == {mine.id}
    assert {one.id for one in place.repository.kept("bank.local")} == {other.id}


def test_where_there_is_no_repository_nothing_is_kept(place: Place) -> None:
    assert place.repository.kept(INSTANCE) == ()


def test_another_vault_s_key_does_not_open_it(place: Place) -> None:
    place.save()
    place.password = "wrong staple"
    with pytest.raises(WrongKey, match="do not open with this vault's key") as refused:
        place.repository.kept(INSTANCE)
    assert "staple" not in str(refused.value)
    done = place.script(
        words.SAVE, words.tags(SNAPSHOT), words.host(SNAPSHOT), str(place.root), "data"
    )
    assert done.returncode == 12
    assert "wrong password" in words.complaint(done.stdout + done.stderr)
    assert "staple" not in done.stdout + done.stderr


def test_a_damaged_repository_is_an_error_that_says_where(place: Place) -> None:
    saved = place.save()
    for index in (place.root / "vault" / "files" / "index").iterdir():
        index.chmod(0o600)
        index.write_bytes(b"garbage")
    with pytest.raises(StoreUnavailable, match="vault/files"):
        place.repository.forget((saved.id,))


def test_without_a_restic_it_says_what_to_do(place: Place) -> None:
    with pytest.raises(Unsupported, match="no restic program") as refused:
        RepositoryRestic(place.access, "").kept(INSTANCE)
    assert "install restic" in refused.value.hint


def test_in_s3_it_lies_beside_the_vault_s_own_blobs_and_is_opened_by_its_credential(
    place: Place, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_ID", s3_settings.access_key_id)
    monkeypatch.setenv("KEY_SECRET", s3_settings.secret_access_key)
    entry = VaultEntry(
        name="main",
        url=f"s3://{s3_settings.bucket}/{s3_settings.prefix}",
        key="env:NONE",
        endpoint=s3_settings.endpoint,
        region=s3_settings.region,
        access_key_id="env:KEY_ID",
        secret_access_key="env:KEY_SECRET",
    )
    vault = create_vault(open_store(entry, NoConnections()), generate_key(), utc_now)
    assert vault.store.stat(FILES_CONFIG) is None
    place.elsewhere = access_of(entry, NoConnections(), vault)
    saved = place.save()
    assert vault.store.stat(FILES_CONFIG) is not None
    assert stored_blobs(vault) == {}
    assert catalog.instances(vault) == []
    assert [one.id for one in place.repository.kept(INSTANCE)] == [saved.id]
    assert (place.fill(saved.id) / "ledger").read_bytes() == b"one\0two" * 5000
    place.repository.forget((saved.id,))
    assert place.repository.kept(INSTANCE) == ()

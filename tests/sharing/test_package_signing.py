"""The signature of a package, which covers its manifest and nothing else."""

from pathlib import Path

import pytest
from packages_here import OLDER, files_of, quick

from mrjax.errors import UserError
from mrjax.sharing import package
from mrjax.sharing.package import signing
from mrjax.sharing.verify import checks
from mrjax.sharing.verify.findings import FAILED, PASSED
from mrjax.tasks.package import layout


def keys(folder: Path) -> tuple[Path, Path]:
    """A private key and its public key."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def test_a_signed_package(tmp_path):
    pytest.importorskip("model_signing.verifying", reason="needs model-signing")
    private, public = keys(tmp_path)
    plain, signed = quick(OLDER, tmp_path / "plain"), quick(OLDER, tmp_path / "signed", private)
    assert plain.digest == signed.digest
    files = files_of(signed.folder)
    signature = files.pop(layout.SIGNATURE)
    assert files == files_of(plain.folder)
    assert str(tmp_path).encode() not in signature and b"private" not in signature

    def verified(key: Path = public) -> str:
        return checks.signature(signed.folder, str(key)).outcome

    assert verified() == PASSED
    _, stranger = keys(tmp_path / "stranger")
    assert verified(stranger) == FAILED
    for name in (layout.MANIFEST, layout.SIGNATURE):
        path = signed.folder / name
        whole = path.read_bytes()
        for place in (len(whole) // 2, len(whole) - 20):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            assert verified() == FAILED, (name, place)
        path.write_bytes(whole)
    assert verified() == PASSED


def test_keys_that_sign_nothing(tmp_path, monkeypatch):
    (tmp_path / "bad.pem").write_text("no key")
    if signing.importlib.util.find_spec("model_signing"):
        for key in (tmp_path / "bad.pem", tmp_path / "absent.pem", tmp_path):
            with pytest.raises(UserError, match="cannot be used"):
                quick(OLDER, tmp_path / "package", key)
    monkeypatch.setattr(signing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"mrjax\[share\]"):
        package.write(OLDER, tmp_path / "package", sign_key=tmp_path / "bad.pem")
    assert not (tmp_path / "package").exists()

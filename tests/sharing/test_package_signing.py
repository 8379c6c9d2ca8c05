"""The signature of a package, which covers its manifest and nothing else."""

from pathlib import Path

import pytest
from packages_here import OLDER, files_of, quick

from mrjax.errors import UserError
from mrjax.runs.package import layout
from mrjax.sharing import package
from mrjax.sharing.package import signing


def keys(folder: Path) -> tuple[Path, Path]:
    """A private key and its public key."""
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    from cryptography.hazmat.primitives import serialization as form

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
    verifying = pytest.importorskip("model_signing.verifying", reason="needs model-signing")
    private, public = keys(tmp_path)
    plain, signed = quick(OLDER, tmp_path / "plain"), quick(OLDER, tmp_path / "signed", private)
    assert plain.digest == signed.digest
    files = files_of(signed.folder)
    signature = files.pop(layout.SIGNATURE)
    assert files == files_of(plain.folder)
    assert str(tmp_path).encode() not in signature and b"private" not in signature

    def verify(folder: Path) -> None:
        config = verifying.Config().use_elliptic_key_verifier(public_key=public)
        config.verify(folder / layout.MANIFEST, folder / layout.SIGNATURE)

    verify(signed.folder)
    (signed.folder / layout.MANIFEST).write_bytes(b"other")
    with pytest.raises(ValueError):
        verify(signed.folder)


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

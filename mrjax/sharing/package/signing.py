"""The optional signature of a package, over its manifest, by the public tool model-signing.

The manifest lists the sha256 of every file, so one signature covers the whole package. A signature
differs each time it is made; it is no part of what the package's digest stands for.
"""

import importlib.util
from pathlib import Path

from mrjax.errors import UserError
from mrjax.runs.package import layout

_ADVICE = "make one with openssl ecparam -name prime256v1 -genkey -noout -out FILE"


def check(key: Path) -> None:
    """Make sure that a package can be signed, before anything is computed.

    Args:
        key: file of a private key on an elliptic curve, in PEM, without a password.

    Raises:
        UserError: model-signing is not installed, or the file holds no such key.
    """
    if importlib.util.find_spec("model_signing") is None:
        raise UserError(
            "--sign_key needs the package model-signing, which is not installed; expected it; "
            'pip install "mrjax[share]", or drop --sign_key'
        )
    _signer(key)


def sign(folder: Path, key: Path) -> None:
    """Sign the manifest of a package; writes ``manifest.sig``.

    Args:
        folder: the package.
        key: as for `check`.

    Raises:
        UserError: as for `check`.
    """
    _signer(key).sign(folder / layout.MANIFEST, folder / layout.SIGNATURE)


def _signer(key: Path):
    try:
        from model_signing import signing  # pyright: ignore[reportMissingImports]

        return signing.Config().use_elliptic_key_signer(private_key=key)
    except Exception as error:  # It raises errors of several libraries, of many kinds.
        raise UserError(
            f"--sign_key={key} cannot be used ({type(error).__name__}: {_first(error)}); expected "
            f"a private key on an elliptic curve in PEM, without a password; {_ADVICE}"
        ) from error


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:80]

"""Keys and certificates for tests of TLS, made with the `openssl` of the machine."""

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    key: str
    certificate: str


def authority(folder, name="authority"):
    """Makes a certificate authority."""
    openssl(folder, "req", "-x509", *key_options(name), "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}")
    return read(folder, name)


def signed_by(folder, issuer, name):
    """Makes a pair for `localhost` that an authority of the same folder has signed."""
    openssl(folder, "req", *key_options(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (folder / "names.ext").write_text("subjectAltName=DNS:localhost")
    openssl(
        *(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.crt", "-CAkey", f"{issuer}.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", "names.ext", "-out", f"{name}.crt"),
    )
    return read(folder, name)


def key_options(name):
    return ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key")


def read(folder, name):
    return Pair((folder / f"{name}.key").read_text(), (folder / f"{name}.crt").read_text())


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

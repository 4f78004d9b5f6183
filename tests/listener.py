"""tmp"""

import base64

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers


def key_from(parameters):
    numbers = {name: int.from_bytes(base64.b64decode(value), "big") for name, value in parameters}
    public = RSAPublicNumbers(numbers["exponent"], numbers["modulus"])
    return RSAPrivateNumbers(
        p=numbers["p"],
        q=numbers["q"],
        d=numbers["d"],
        dmp1=numbers["dp"],
        dmq1=numbers["dq"],
        iqmp=numbers["inverseQ"],
        public_numbers=public,
    ).private_key()

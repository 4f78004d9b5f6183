"""The one key pair of every runner that this package configures.

It is published here and protects nothing: a rehearsal needs no secret, and making a key without OpenSSL takes seconds.
"""

REHEARSAL_KEY = {
    "d": (
        "J1AWHe6YmbaThAwCTvR1SazcLYD5+unrrnP0RhHeiFvZ6AM3JcnmVwWL6drHAl56o06rlZ0sj5J4s448CR5EIQFNs5l719MB"
        "W9HA9eUqXpta2cLLHT+BK3bwmYHnmzEv4D3+tOFUQ3QS7UzHuIZ2Hfot33raq5DVYGwzbz8YrWmsxrOsrYIsvH0L6PgVoxLk"
        "DFZhNby5zcUgok4XAcvgGyvfXa6NkvTWFdBvnPuNC9RyafRbWOp/2A//PJUNxBcb0dzbtSot9GN0Bjv5eXVwZeU6TQZFWsQ0"
        "Pb4/bM4P9WsWYfD7rpe5bJJ080nqcWVcNThZJee++tSYnf/gK1WQWQ=="
    ),
    "dp": (
        "f3cMt8y+rgzb0B10DTjuyqGMq7ljWs4c6c04VyhZClEMt8Lhw4we324qu8DmQZmLRWw42gICAJ2XvN/y3Ql17wbvbTWiLsJ0"
        "0sQIzaHESc67c3tLIE9BsLaiCjXoN3dx0oZrP2DDVsQRV3jnQVAI0OM9TtubtbKAh2Tq7AfFEHk="
    ),
    "dq": (
        "d/JT0JpZi7zXZ7ss0bJzsc6FTE8Dz6U2WYH51ZnNDmmraq6bX+iF2ZtvG8fhBcmAmMnGirATNu3c6E395pBo/a00bbdUmsOc"
        "hd2RmXUKF5wcWVso6dzOJ+31vpKmLKrlPpvCGsq/W2V27R4XmZZxaQ2bykEXbaDyDaxcu1Zb+EE="
    ),
    "exponent": "AQAB",
    "inverseQ": (
        "F7G+vr2alLMqHzExfOZb55SY16KZTLycVqw0oqiDwJqAoVZxFJEglUQpiZsM/fPKiPYi1SVFTfJPlGNpujbw9k5YI8KHUYQP"
        "cqTRjfRyyZIDvXHg46iUFMSirPX4XxYT6iw0xNooOkDtuaqLuji+GW/Jp9EC1SWy2zIa0RvjjRY="
    ),
    "modulus": (
        "n9n3frDoFsNn1XUdpCsH/MMfJgnc99KVcTJ11Ei04Wc/lv+qP0VoQmvefjXRWH8c1hv14xCpAhXNzUa5l4B6ep3VcI38dHv8"
        "iOHm6DSDhkBnxCWT1CgUaMhZvyY6fbgvg2EKgC9p0l2AgRfgadDwy3/F9SvcEC1QSAHfN2edwVQ+TyNuYZ7JLrJx/1P/aLnC"
        "ql3/S8i5UahcoOGOZzGkJ4wwADkTHaEL6kDmH++2eCqwie0ntZbOx3Ai2tdYKvuIVPv8yyNBJ4bBqVDpWDPjz4LH9/CH5MdM"
        "CppZUtOHhg0kS409v+K/CGo+zTZYLMePAF6qDE0te8p4Ewx4nqLNtQ=="
    ),
    "p": (
        "zlr2cZwmd2PwwM7XADIpE55bLAOWCicUTIGTVZC6SmgIdCcqpoE/mhedNYjyv5wdYvBeitAUDOXii/TRX+IroyWXbjsChPSg"
        "jmrYG3yhAE9b5hb8Ce5H3QtJUs2wyL2SAO/8mLUHkqug6ZcKzWry6mK3OfHGaT3zCRpPGqPk/H0="
    ),
    "q": (
        "xk7qrmi9IhamSZZtGKO1oUK+0SrvM0IeRHVNFNgu9wCHSXsNrn9xaxwcQXP3nX29/Kg3hFtUhHnZzsgwsqWIH/gOo9qcCrIw"
        "HBFN5429bxFvyWMOcmxXcp6YswWPDlFvtZvgu7rwE0AhmVKKGTMq7itTl9LAmUrcSmMpH5ZXM5k="
    ),
}

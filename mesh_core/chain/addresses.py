"""Where ENS is: the addresses that are the same everywhere, and those of the local chain, which has mainnet's.

Source: docs.ens.domains, "Deployments".
"""

from __future__ import annotations

REGISTRY = "0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e"
UNIVERSAL_RESOLVER = "0xeEeEEEeE14D718C2B47D9923Deab1335E144EeEe"
RESOLVER = "0xF29100983E058B709F3D539b0c765937B804AC15"
REVERSE_REGISTRAR = "0xa58E81fe9b61B5c3fE2AFD33CF304c454AbFc7Cb"
NAME_WRAPPER = "0xD4416b13d2b3a9aBae7AcD5D6C2BbDBE25686401"

# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Reverse registrar, EIP-181
@notice Gives each account the name ADDRESS.addr.reverse, under which it says what it is called.
"""

interface Registry:
    def setSubnodeRecord(node: bytes32, label: bytes32, owner: address, resolver: address, ttl: uint64): nonpayable

interface Resolver:
    def setName(node: bytes32, name: String[NAME_CHARS]): nonpayable

event ReverseClaimed:
    account: indexed(address)
    node: indexed(bytes32)

NAME_CHARS: constant(uint256) = 255
ens: public(constant(address)) = 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e
defaultResolver: public(constant(address)) = 0xF29100983E058B709F3D539b0c765937B804AC15

# namehash("addr.reverse")
ADDR_REVERSE: constant(bytes32) = 0x91d1777781884d03a6757a803996e38de2a42967fb37eeaca72729271025a9e2


@internal
@pure
def _label(account: address) -> bytes32:
    """
    @return Hash of the account in 40 hex digits.
    """
    left: uint256 = convert(account, uint256)
    halves: uint256[2] = [0, 0]  # of twenty characters each, the latter first
    for half: uint256 in range(2):
        for place: uint256 in range(20):
            digit: uint256 = left % 16
            left //= 16
            character: uint256 = digit + (48 if digit < 10 else 87)
            halves[half] |= character << (8 * place)
    return keccak256(
        concat(slice(convert(halves[1], bytes32), 12, 20), slice(convert(halves[0], bytes32), 12, 20))
    )


@internal
def _claim(owner: address, resolver: address) -> bytes32:
    label: bytes32 = self._label(msg.sender)
    node: bytes32 = keccak256(concat(ADDR_REVERSE, label))
    log ReverseClaimed(account=msg.sender, node=node)
    extcall Registry(ens).setSubnodeRecord(ADDR_REVERSE, label, owner, resolver, 0)
    return node


@external
def claim(owner: address) -> bytes32:
    return self._claim(owner, defaultResolver)


@external
def claimWithResolver(owner: address, resolver: address) -> bytes32:
    return self._claim(owner, resolver)


@external
def setName(name: String[NAME_CHARS]) -> bytes32:
    node: bytes32 = self._claim(msg.sender, defaultResolver)
    extcall Resolver(defaultResolver).setName(node, name)
    return node


@external
@view
def node(account: address) -> bytes32:
    return keccak256(concat(ADDR_REVERSE, self._label(account)))

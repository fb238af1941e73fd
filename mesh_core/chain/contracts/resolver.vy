# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Resolver: addresses (EIP-137, EIP-2304), text records (EIP-634) and names of addresses (EIP-181)
@notice Only who owns a name in the registry writes its records. Whoever owns it later starts from none once
        the records are cleared.
"""

interface Registry:
    def owner(node: bytes32) -> address: view

interface NameWrapper:
    def ownerOf(token: uint256) -> address: view

event AddrChanged:
    node: indexed(bytes32)
    a: address

event AddressChanged:
    node: indexed(bytes32)
    coinType: uint256
    newAddress: Bytes[ADDRESS_BYTES]

event TextChanged:
    node: indexed(bytes32)
    indexedKey: indexed(String[KEY_CHARS])
    key: String[KEY_CHARS]
    text: String[TEXT_CHARS]

event NameChanged:
    node: indexed(bytes32)
    name: String[NAME_CHARS]

event VersionChanged:
    node: indexed(bytes32)
    newVersion: uint64

REGISTRY: constant(address) = 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e
REVERSE_REGISTRAR: constant(address) = 0xa58E81fe9b61B5c3fE2AFD33CF304c454AbFc7Cb
NAME_WRAPPER: constant(address) = 0xD4416b13d2b3a9aBae7AcD5D6C2BbDBE25686401

COIN_ETHER: constant(uint256) = 60  # ether's coin type in SLIP-44
KEY_CHARS: constant(uint256) = 128
TEXT_CHARS: constant(uint256) = 1024
NAME_CHARS: constant(uint256) = 255
ADDRESS_BYTES: constant(uint256) = 128
CALL_BYTES: constant(uint256) = 2048
CALLS: constant(uint256) = 16

recordVersions: public(HashMap[bytes32, uint64])
texts: HashMap[bytes32, HashMap[uint64, HashMap[String[KEY_CHARS], String[TEXT_CHARS]]]]
addresses: HashMap[bytes32, HashMap[uint64, HashMap[uint256, Bytes[ADDRESS_BYTES]]]]
names: HashMap[bytes32, HashMap[uint64, String[NAME_CHARS]]]


@internal
@view
def _check_control(node: bytes32):
    if msg.sender == REVERSE_REGISTRAR:
        return
    owner: address = staticcall Registry(REGISTRY).owner(node)
    if owner == NAME_WRAPPER:
        owner = staticcall NameWrapper(NAME_WRAPPER).ownerOf(convert(node, uint256))
    assert msg.sender == owner, "not the owner of the name"


@internal
@view
def _address(node: bytes32, coin: uint256) -> Bytes[ADDRESS_BYTES]:
    return self.addresses[node][self.recordVersions[node]][coin]


@internal
def _set_address(node: bytes32, coin: uint256, account: Bytes[ADDRESS_BYTES]):
    self._check_control(node)
    log AddressChanged(node=node, coinType=coin, newAddress=account)
    if coin == COIN_ETHER:
        assert len(account) == 0 or len(account) == 20, "an Ethereum address has 20 bytes"
        log AddrChanged(node=node, a=self._account(account))
    self.addresses[node][self.recordVersions[node]][coin] = account


@internal
@pure
def _account(stored: Bytes[ADDRESS_BYTES]) -> address:
    if len(stored) != 20:
        return empty(address)
    return convert(convert(slice(stored, 0, 20), uint160), address)


@external
@view
def addr(node: bytes32) -> address:
    return self._account(self._address(node, COIN_ETHER))


@external
def setAddr(node: bytes32, a: address):
    self._set_address(node, COIN_ETHER, slice(convert(a, bytes32), 12, 20))


@external
@view
def text(node: bytes32, key: String[KEY_CHARS]) -> String[TEXT_CHARS]:
    return self.texts[node][self.recordVersions[node]][key]


@external
def setText(node: bytes32, key: String[KEY_CHARS], text: String[TEXT_CHARS]):
    self._check_control(node)
    self.texts[node][self.recordVersions[node]][key] = text
    log TextChanged(node=node, indexedKey=key, key=key, text=text)


@external
@view
def name(node: bytes32) -> String[NAME_CHARS]:
    return self.names[node][self.recordVersions[node]]


@external
def setName(node: bytes32, name: String[NAME_CHARS]):
    self._check_control(node)
    self.names[node][self.recordVersions[node]] = name
    log NameChanged(node=node, name=name)


@external
def clearRecords(node: bytes32):
    self._check_control(node)
    self.recordVersions[node] += 1
    log VersionChanged(node=node, newVersion=self.recordVersions[node])


@external
def multicall(data: DynArray[Bytes[CALL_BYTES], CALLS]) -> DynArray[Bytes[CALL_BYTES], CALLS]:
    """
    @notice All of these calls to this contract, or none.
    """
    results: DynArray[Bytes[CALL_BYTES], CALLS] = []
    for call: Bytes[CALL_BYTES] in data:
        results.append(raw_call(self, call, max_outsize=CALL_BYTES, is_delegate_call=True))
    return results


@external
@view
def supportsInterface(interfaceID: bytes4) -> bool:
    return interfaceID in [
        0x01ffc9a7,  # supportsInterface
        0x3b3b57de,  # addr(bytes32)
        0xf1cb7e06,  # addr(bytes32,uint256)
        0x59d1d43c,  # text
        0x691f3431,  # name
    ]


@external
@raw_return
def __default__() -> Bytes[ADDRESS_BYTES + 64]:
    """
    @notice The two functions whose names are taken: there are no overloads.
    """
    assert len(msg.data) >= 68, "no such function"
    called: bytes4 = convert(slice(msg.data, 0, 4), bytes4)
    node: bytes32 = convert(slice(msg.data, 4, 32), bytes32)
    coin: uint256 = convert(slice(msg.data, 36, 32), uint256)
    if called == method_id("addr(bytes32,uint256)", output_type=bytes4):
        return abi_encode(self._address(node, coin))
    assert called == method_id("setAddr(bytes32,uint256,bytes)", output_type=bytes4), "no such function"
    assert convert(slice(msg.data, 68, 32), uint256) == 96, "the address is not where it is expected"
    size: uint256 = convert(slice(msg.data, 100, 32), uint256)
    assert size <= ADDRESS_BYTES, "the address is too long"
    words: bytes32[4] = empty(bytes32[4])
    for index: uint256 in range(4):
        if index * 32 < size:
            words[index] = convert(slice(msg.data, 132 + index * 32, 32), bytes32)
    self._set_address(node, coin, slice(concat(words[0], words[1], words[2], words[3]), 0, size))
    return b""

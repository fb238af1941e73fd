# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Name wrapper: the part of ENS's that names below a wrapped one need
@notice It owns wrapped names in the registry and keeps who they belong to. Fuses and expiry are taken and kept,
        not enforced: nothing on this chain expires.
"""

interface Registry:
    def owner(node: bytes32) -> address: view
    def isApprovedForAll(owner: address, operator: address) -> bool: view
    def setOwner(node: bytes32, owner: address): nonpayable
    def setResolver(node: bytes32, resolver: address): nonpayable
    def setSubnodeRecord(node: bytes32, label: bytes32, owner: address, resolver: address, ttl: uint64): nonpayable

struct Wrapped:
    owner: address
    fuses: uint32
    expiry: uint64

event NameWrapped:
    node: indexed(bytes32)
    name: Bytes[NAME_BYTES]
    owner: address
    fuses: uint32
    expiry: uint64

event NameUnwrapped:
    node: indexed(bytes32)
    owner: address

event TransferSingle:
    operator: indexed(address)
    from_: indexed(address)
    to: indexed(address)
    id: uint256
    amount: uint256

ens: public(constant(address)) = 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e
NAME_BYTES: constant(uint256) = 512
LABELS: constant(uint256) = 64
LABEL_CHARS: constant(uint256) = 255

wrapped: HashMap[bytes32, Wrapped]
names: public(HashMap[bytes32, Bytes[NAME_BYTES]])
operators: HashMap[address, HashMap[address, bool]]


@internal
@view
def _owner(node: bytes32) -> address:
    """
    @return Who a wrapped name belongs to, nobody once it has been taken out of the wrapper.
    """
    if staticcall Registry(ens).owner(node) != self:
        return empty(address)
    return self.wrapped[node].owner


@internal
@view
def _check_control(node: bytes32):
    owner: address = self._owner(node)
    assert owner != empty(address), "the name is not wrapped"
    assert msg.sender == owner or self.operators[owner][msg.sender], "not the owner of the name"


@internal
@pure
def _node(name: Bytes[NAME_BYTES]) -> bytes32:
    """
    @return Namehash of a name in DNS wire format.
    """
    offsets: DynArray[uint256, LABELS] = []
    offset: uint256 = 0
    for _: uint256 in range(LABELS + 1):
        size: uint256 = convert(slice(name, offset, 1), uint256)
        if size == 0:
            break
        offsets.append(offset)
        offset += 1 + size
    assert offset + 1 == len(name), "not a name in DNS wire format"
    node: bytes32 = empty(bytes32)
    count: uint256 = len(offsets)
    for back: uint256 in range(count, bound=LABELS):
        start: uint256 = offsets[count - 1 - back]
        size: uint256 = convert(slice(name, start, 1), uint256)
        node = keccak256(concat(node, keccak256(slice(name, start + 1, size))))
    return node


@internal
def _wrap(node: bytes32, name: Bytes[NAME_BYTES], owner: address, fuses: uint32, expiry: uint64):
    before: address = self._owner(node)
    self.names[node] = name
    self.wrapped[node] = Wrapped(owner=owner, fuses=fuses, expiry=expiry)
    log TransferSingle(operator=msg.sender, from_=before, to=owner, id=convert(node, uint256), amount=1)
    log NameWrapped(node=node, name=name, owner=owner, fuses=fuses, expiry=expiry)


@external
def wrap(name: Bytes[NAME_BYTES], wrappedOwner: address, resolver: address):
    """
    @notice The owner has approved this contract in the registry before.
    """
    node: bytes32 = self._node(name)
    owner: address = staticcall Registry(ens).owner(node)
    assert msg.sender == owner or staticcall Registry(ens).isApprovedForAll(owner, msg.sender), "not the owner of the name"
    assert wrappedOwner != empty(address), "a wrapped name belongs to somebody"
    self._wrap(node, name, wrappedOwner, 0, 0)
    if resolver != empty(address):
        extcall Registry(ens).setResolver(node, resolver)
    extcall Registry(ens).setOwner(node, self)


@external
def unwrap(parentNode: bytes32, labelhash: bytes32, controller: address):
    node: bytes32 = keccak256(concat(parentNode, labelhash))
    self._check_control(node)
    self.wrapped[node] = empty(Wrapped)
    log NameUnwrapped(node=node, owner=controller)
    extcall Registry(ens).setOwner(node, controller)


@external
def setSubnodeRecord(
    parentNode: bytes32,
    label: String[LABEL_CHARS],
    owner: address,
    resolver: address,
    ttl: uint64,
    fuses: uint32,
    expiry: uint64,
) -> bytes32:
    self._check_control(parentNode)
    assert len(label) > 0, "a label has a character at least"
    labelhash: bytes32 = keccak256(label)
    node: bytes32 = keccak256(concat(parentNode, labelhash))
    parent: Bytes[NAME_BYTES] = self.names[parentNode]
    size: Bytes[1] = slice(convert(len(label), bytes32), 31, 1)
    whole: Bytes[NAME_BYTES + 1 + LABEL_CHARS] = concat(size, convert(label, Bytes[LABEL_CHARS]), parent)
    bounded: Bytes[NAME_BYTES] = abi_decode(abi_encode(whole), Bytes[NAME_BYTES])  # reverts when it is longer
    self._wrap(node, bounded, owner, fuses, expiry)
    extcall Registry(ens).setSubnodeRecord(parentNode, labelhash, self, resolver, ttl)
    return node


@external
def setResolver(node: bytes32, resolver: address):
    self._check_control(node)
    extcall Registry(ens).setResolver(node, resolver)


@external
def safeTransferFrom(from_: address, to: address, id: uint256, amount: uint256, data: Bytes[NAME_BYTES]):
    node: bytes32 = convert(id, bytes32)
    self._check_control(node)
    assert from_ == self._owner(node) and amount == 1, "not the owner of the name"
    assert to != empty(address), "a wrapped name belongs to somebody"
    self.wrapped[node].owner = to
    log TransferSingle(operator=msg.sender, from_=from_, to=to, id=id, amount=1)


@external
def setApprovalForAll(operator: address, approved: bool):
    self.operators[msg.sender][operator] = approved


@external
@view
def isApprovedForAll(account: address, operator: address) -> bool:
    return self.operators[account][operator]


@external
@view
def ownerOf(id: uint256) -> address:
    return self._owner(convert(id, bytes32))


@external
@view
def getData(id: uint256) -> (address, uint32, uint64):
    node: bytes32 = convert(id, bytes32)
    return self._owner(node), self.wrapped[node].fuses, self.wrapped[node].expiry


@external
@view
def isWrapped(node: bytes32) -> bool:
    return self._owner(node) != empty(address)

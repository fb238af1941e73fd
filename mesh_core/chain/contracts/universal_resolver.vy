# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Universal resolver, ENSIP-23
@notice Finds the resolver of a name and asks it, in one call. Resolvers are strangers: they are only ever called
        statically, and what they answer is bounded.
"""

interface Registry:
    def resolver(node: bytes32) -> address: view

interface ReverseRegistrar:
    def node(account: address) -> bytes32: view

struct Found:
    resolver: address
    node: bytes32
    offset: uint256  # of that name within the one asked for: 0 when the name itself has a resolver

REGISTRY: constant(address) = 0x00000000000C2E074eC69A0dFb2997BA6C7d2e1e
REVERSE_REGISTRAR: constant(address) = 0xa58E81fe9b61B5c3fE2AFD33CF304c454AbFc7Cb
COIN_ETHER: constant(uint256) = 60  # ether's coin type in SLIP-44
ADDRESS_BYTES: constant(uint256) = 128
REVERSE_CHARS: constant(uint256) = 255
NAME_BYTES: constant(uint256) = 512
LABELS: constant(uint256) = 64
CALL_BYTES: constant(uint256) = 2048
ANSWER_BYTES: constant(uint256) = 8192
GATEWAYS: constant(uint256) = 8
GATEWAY_CHARS: constant(uint256) = 256


@internal
@pure
def _labels(name: Bytes[NAME_BYTES]) -> DynArray[uint256, LABELS]:
    """
    @return Where each label of a name in DNS wire format begins.
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
    return offsets


@internal
@view
def _find(name: Bytes[NAME_BYTES]) -> Found:
    """
    @return The resolver of the name, else of the longest of its parents that has one.
    """
    found: Found = empty(Found)
    offsets: DynArray[uint256, LABELS] = self._labels(name)
    count: uint256 = len(offsets)
    for back: uint256 in range(count, bound=LABELS):
        offset: uint256 = offsets[count - 1 - back]
        size: uint256 = convert(slice(name, offset, 1), uint256)
        found.node = keccak256(concat(found.node, keccak256(slice(name, offset + 1, size))))
        resolver: address = staticcall Registry(REGISTRY).resolver(found.node)
        if resolver != empty(address):
            found.resolver = resolver
            found.offset = offset
    return found


@internal
@view
def _is_extended(resolver: address) -> bool:
    """
    @return Whether it answers for all names below its own, ENSIP-10.
    """
    extended: bytes4 = 0x9061b923
    ok: bool = False
    answer: Bytes[32] = b""
    ok, answer = raw_call(
        resolver,
        abi_encode(extended, method_id=0x01ffc9a7),
        max_outsize=32,
        gas=30000,
        is_static_call=True,
        revert_on_failure=False,
    )
    return ok and len(answer) == 32 and convert(answer, uint256) == 1


@internal
@view
def _ask(resolver: address, data: Bytes[CALL_BYTES + NAME_BYTES + 164]) -> Bytes[ANSWER_BYTES]:
    ok: bool = False
    answer: Bytes[ANSWER_BYTES] = b""
    ok, answer = raw_call(
        resolver, data, max_outsize=ANSWER_BYTES, is_static_call=True, revert_on_failure=False
    )
    assert len(answer) < ANSWER_BYTES, "the resolver answers too much"  # the rest would be missing
    if not ok:
        raw_revert(abi_encode(answer, method_id=method_id("ResolverError(bytes)")))
    if len(answer) == 0:
        called: bytes4 = convert(slice(data, 0, 4), bytes4)
        raw_revert(abi_encode(called, method_id=method_id("UnsupportedResolverProfile(bytes4)")))
    return answer


@internal
@view
def _resolve(name: Bytes[NAME_BYTES], data: Bytes[CALL_BYTES]) -> (Bytes[ANSWER_BYTES], address):
    found: Found = self._find(name)
    if found.resolver == empty(address):
        raw_revert(abi_encode(name, method_id=method_id("ResolverNotFound(bytes)")))
    if not found.resolver.is_contract:
        raw_revert(
            abi_encode(name, found.resolver, method_id=method_id("ResolverNotContract(bytes,address)"))
        )
    if self._is_extended(found.resolver):
        answer: Bytes[ANSWER_BYTES] = self._ask(
            found.resolver, abi_encode(name, data, method_id=0x9061b923)
        )
        return abi_decode(answer, Bytes[ANSWER_BYTES - 64]), found.resolver
    if found.offset != 0:
        raw_revert(abi_encode(name, method_id=method_id("ResolverNotFound(bytes)")))
    return self._ask(found.resolver, data), found.resolver


@external
@view
def resolve(name: Bytes[NAME_BYTES], data: Bytes[CALL_BYTES]) -> (Bytes[ANSWER_BYTES], address):
    return self._resolve(name, data)


@external
@view
def resolveWithGateways(
    name: Bytes[NAME_BYTES], data: Bytes[CALL_BYTES], gateways: DynArray[String[GATEWAY_CHARS], GATEWAYS]
) -> (Bytes[ANSWER_BYTES], address):
    """
    @notice Nothing on this chain is kept elsewhere, so no gateway is asked.
    """
    return self._resolve(name, data)


@internal
@pure
def _node(name: String[REVERSE_CHARS]) -> bytes32:
    """
    @return Namehash of a name written with dots.
    """
    text: Bytes[REVERSE_CHARS] = convert(name, Bytes[REVERSE_CHARS])
    node: bytes32 = empty(bytes32)
    end: uint256 = len(text)
    for back: uint256 in range(len(text), bound=REVERSE_CHARS):
        start: uint256 = len(text) - 1 - back
        if start == 0 or slice(text, start - 1, 1) == b".":
            assert start < end, "not a name: a label is empty"
            node = keccak256(concat(node, keccak256(slice(text, start, end - start))))
            end = max(start, 1) - 1
    return node


@internal
@view
def _reverse(account: Bytes[ADDRESS_BYTES], coin: uint256) -> (String[REVERSE_CHARS], address, address):
    """
    @return What an account says that it is called, if that name says so too; nothing when it says nothing.
    """
    assert coin == COIN_ETHER and len(account) == 20, "names are only those of Ethereum's accounts"
    who: address = convert(convert(slice(account, 0, 20), uint160), address)
    node: bytes32 = staticcall ReverseRegistrar(REVERSE_REGISTRAR).node(who)
    asked: address = staticcall Registry(REGISTRY).resolver(node)
    if asked == empty(address):
        return "", empty(address), empty(address)
    name: String[REVERSE_CHARS] = abi_decode(
        self._ask(asked, abi_encode(node, method_id=method_id("name(bytes32)"))), String[REVERSE_CHARS]
    )
    if len(name) == 0:
        return "", empty(address), asked
    node = self._node(name)
    resolver: address = staticcall Registry(REGISTRY).resolver(node)
    called: address = empty(address)
    if resolver != empty(address):
        called = abi_decode(
            self._ask(resolver, abi_encode(node, method_id=method_id("addr(bytes32)"))), address
        )
    if called != who:
        claimed: Bytes[20] = slice(convert(called, bytes32), 12, 20)
        raw_revert(
            abi_encode(name, claimed, method_id=method_id("ReverseAddressMismatch(string,bytes)"))
        )
    return name, resolver, asked


@external
@view
def reverse(lookupAddress: Bytes[ADDRESS_BYTES], coinType: uint256) -> (String[REVERSE_CHARS], address, address):
    return self._reverse(lookupAddress, coinType)


@external
@view
def reverseWithGateways(
    lookupAddress: Bytes[ADDRESS_BYTES], coinType: uint256, gateways: DynArray[String[GATEWAY_CHARS], GATEWAYS]
) -> (String[REVERSE_CHARS], address, address):
    return self._reverse(lookupAddress, coinType)


@external
@view
def findResolver(name: Bytes[NAME_BYTES]) -> (address, bytes32, uint256):
    found: Found = self._find(name)
    return found.resolver, found.node, found.offset

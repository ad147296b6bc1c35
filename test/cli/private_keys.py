"""Private keys of P-256 that are in use, in memory: 32 bytes with which one of the public keys that lie about is made.

OpenSSL has a key as a number, which nothing marks; but of each there is a certificate, with its public half.
"""
import array
import ctypes
import ctypes.util
import re

# A public key in a certificate: a string of bits that begins with an uncompressed point.
PUBLIC_KEY = re.compile(rb"\x03\x42\x00\x04(.{32}).{32}", re.DOTALL)
NID_P256 = 415
PAGE = 4096
WORD = 8


def public_keys(data):
    """The first coordinate of each in data."""
    return set(PUBLIC_KEY.findall(data))


def random_looking(word):
    """Neither small nor a pointer, as one number of 4,000 or less that has four words with any."""
    return 0 < word >> 48 < 0xFFFF


def candidates(data):
    """Each 32 bytes, aligned as what is allocated is, that may be a key: neither numbers, pointers nor text."""
    for page in range(0, len(data), PAGE):
        # The next page's beginning as well.
        piece = data[page:page + PAGE + 3 * WORD]
        if not piece.strip(b"\0"):
            continue
        run = 0
        for at, word in enumerate(array.array("Q", piece[:len(piece) // WORD * WORD])):
            run = run + 1 if random_looking(word) else 0
            if run >= 4:
                number = piece[(at - 3) * WORD:(at + 1) * WORD]
                if not number.isascii() and len(set(number)) > 16:
                    yield number


class Curve:
    """P-256, by OpenSSL's libcrypto."""

    def __init__(self):
        self.crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for name in ("EC_GROUP_new_by_curve_name", "EC_POINT_new", "BN_new", "BN_CTX_new", "BN_bin2bn"):
            getattr(self.crypto, name).restype = ctypes.c_void_p
        self.group = ctypes.c_void_p(self.crypto.EC_GROUP_new_by_curve_name(NID_P256))
        self.point = ctypes.c_void_p(self.crypto.EC_POINT_new(self.group))
        self.number, self.x = (ctypes.c_void_p(self.crypto.BN_new()) for _ in range(2))
        self.context = ctypes.c_void_p(self.crypto.BN_CTX_new())
        self.bytes = ctypes.create_string_buffer(32)

    def public_of(self, number):
        """The first coordinate of the public half of a private key."""
        self.crypto.BN_bin2bn(number, 32, self.number)
        if not self.crypto.EC_POINT_mul(self.group, self.point, self.number, None, None, self.context) or \
                not self.crypto.EC_POINT_get_affine_coordinates(self.group, self.point, self.x, None, self.context):
            return b""
        self.crypto.BN_bn2binpad(self.x, self.bytes, 32)
        return self.bytes.raw


def in_use(data, publics, curve):
    """Whether the private half of one of publics is in data, in either order of its bytes."""
    tried = set()
    for number in candidates(data):
        for turned in (number, number[::-1]):
            if turned not in tried and curve.public_of(turned) in publics:
                return True
            tried.add(turned)
    return False

"""Loop devices that go by themselves when the last who has them open does, so that no kill leaves one."""
import fcntl
import os
import struct

LOOP_CONFIGURE, LOOP_CTL_GET_FREE = 0x4C0A, 0x4C82
AUTOCLEAR = 4
# struct loop_config of linux/loop.h: fd, block size, struct loop_info64 (of which flags are the only ones set), reserved.
CONFIG = struct.Struct("=II40x12xI176x64x")
TRIES = 100


def attach(path, gib):
    """A sparse file of so many GiB as a block device: (path of the device, descriptor that keeps it)."""
    with open(path, "wb") as file:
        file.truncate(gib << 30)
    backing = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(TRIES):
            device = "/dev/loop%d" % fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(descriptor, LOOP_CONFIGURE, CONFIG.pack(backing, 0, AUTOCLEAR))
                return device, descriptor
            except OSError:
                # Somebody else was faster.
                os.close(descriptor)
        raise RuntimeError("no free loop device")
    finally:
        os.close(control)
        os.close(backing)

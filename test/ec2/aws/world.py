"""All that exists in this EC2: regions with what is in them, settings, the clock, the log of requests."""
import json
import os
import threading
import time

from . import catalog
from .faults import Faults, Throttle
from .groups import Group
from .iam import ACCOUNT, Iam
from .ids import digest


class Settings:
    """How this EC2 behaves where it is well; tests change it. Times are in seconds."""

    # From a launch to "running", and from the end to "terminated".
    pending = 0.0
    shutting_down = 0.0
    # So long an instance that was just launched is not found.
    invisible = 0.0
    # So long a terminated instance is still described.
    terminated_listed = 3600.0
    # So many instances a page has at most, even where the request asks for no pages.
    page_size = None
    # The account's quotas.
    max_count = 1000
    vcpu_limit = 4096
    spot_vcpu_limit = 4096
    volume_gib_limit = 512 * 1024
    # How much there is, [{"type", "zone", "market", "count"}]: of what all given names fit (wildcards), count at most.
    capacity = []
    # What every instance says of its addresses, instead of one of its own: {"dns", "public", "private"}.
    addresses = {}
    # Whether the account has a default VPC.
    default_vpc = True
    # True for EC2's own limits of requests, or {"Action" or "Describe" or "other" or "*": [most, per second]}.
    throttle = None
    # How far this service's clock is off.
    clock = 0.0
    # Whether IMDS answers, and what address a client has that asks for its own.
    metadata = True
    checkip = "198.51.100.7"

    def change(self, values):
        for name, value in values.items():
            if name.startswith("_") or not hasattr(Settings, name) or name == "change":
                raise ValueError(f"no such setting: {name}")
            setattr(self, name, value)


class Subnet:
    def __init__(self, vpc, zone, number, default):
        self.vpc = vpc
        self.zone = zone
        self.number = number
        self.default = default
        self.id = "subnet-" + digest(vpc.id, zone, number)
        # 4096 addresses each; the first ten are the network's own.
        self.cidr = f"{vpc.prefix}.{16 * number}.0/20"
        self.taken = 10

    def address(self):
        """The next free address."""
        self.taken += 1 + (self.taken % 256 in (254, 255))
        return f"{self.vpc.prefix}.{16 * self.number + self.taken // 256}.{self.taken % 256}"


class Vpc:
    def __init__(self, region, number, default):
        self.region = region
        self.default = default
        self.prefix = f"10.{77 + number}"
        self.cidr = self.prefix + ".0.0/16"
        self.id = "vpc-" + digest(region, number)


class Region:
    """What is in one region. All dictionaries are by id."""

    def __init__(self, name, letters):
        self.name = name
        self.zones = [name + letter for letter in letters]
        self.types = catalog.instance_types()
        self.letters = letters
        self.images = catalog.images(name)
        # The second VPC is nobody's default, and has one subnet.
        default, other = Vpc(name, 0, True), Vpc(name, 1, False)
        subnets = [Subnet(default, zone, i, True) for i, zone in enumerate(self.zones)] + [Subnet(other, self.zones[0], 0, False)]
        self.vpcs = {vpc.id: vpc for vpc in (default, other)}
        self.subnets = {subnet.id: subnet for subnet in subnets}
        self.instances = {}
        self.volumes = {}
        defaults = [Group(vpc, "default", "default VPC security group") for vpc in self.vpcs.values()]
        self.groups = {group.id: group for group in defaults}
        self.templates = {}
        self.spot_requests = {}
        self.fleets = {}
        self.key_pairs = {"test-key": "key-" + digest(name, "test-key")}
        # Tags of what has no class of its own.
        self.tags = {}
        # What was answered to a ClientToken: (action, token) -> (digest of the request, answer or function that makes it).
        self.tokens = {}

    def lose_default_vpc(self):
        """Its networks are then like any other."""
        for network in list(self.vpcs.values()) + list(self.subnets.values()):
            network.default = False

    def zones_of(self, kind):
        return kind.zones(self.name, self.letters)


class World:
    """lock is held while an action is carried out; host, if any, boots what is launched (see boot.py)."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.RLock()
        self.log_lock = threading.Lock()
        self.log = open(os.path.join(folder, "requests.jsonl"), "a", encoding="utf-8")
        self.sequence = 0
        self.host = None
        self.reset()

    def reset(self):
        """As at the beginning, with an empty log."""
        with self.log_lock:
            self.log.truncate(0)
        self.settings = Settings()
        self.faults = Faults()
        self.iam = Iam()
        self.throttle = None
        self.offset = 0.0
        # Instances that end by themselves at a time: id -> (time, reason).
        self.ends = {}
        self.metadata_self = None
        self.metadata_tokens = {}
        self.container_token = None
        self.sso_tokens = {}
        self.sso_clients = {}
        self.regions = {name: Region(name, letters) for name, letters in catalog.REGIONS.items()}

    def now(self):
        """Seconds since 1970 by EC2's clock, which tests advance."""
        return time.time() + self.offset + self.settings.clock

    def change(self, values):
        self.settings.change(values)
        if "throttle" in values:
            self.throttle = Throttle(values["throttle"]) if values["throttle"] else None
        if values.get("default_vpc") is False:
            for region in self.regions.values():
                region.lose_default_vpc()

    def write_log(self, **entry):
        """One line for a request; it stands there before the answer is sent."""
        with self.log_lock:
            self.sequence += 1
            self.log.write(json.dumps({"sequence": self.sequence, "time": round(self.now(), 3), **entry}) + "\n")
            self.log.flush()

    def settle(self):
        """Everything that is due by now; the lock is held."""
        for instance_id, (when, reason) in list(self.ends.items()):
            if when <= self.now():
                del self.ends[instance_id]
                self.find_instance(instance_id).end(reason)
        for region in self.regions.values():
            for instance in list(region.instances.values()):
                instance.settle()

    def live(self):
        """Every instance of all regions that is not terminated."""
        return [instance for region in self.regions.values() for instance in region.instances.values()
                if instance.state != "terminated"]

    def find_instance(self, instance_id):
        for region in self.regions.values():
            if instance_id in region.instances:
                return region.instances[instance_id]
        return None

    def dump(self):
        """What exists beside what is always there, for tests to look at."""
        left = {}
        for name, region in self.regions.items():
            things = {
                "instances": [i.dump() for i in region.instances.values()],
                "volumes": [v.dump() for v in region.volumes.values()],
                "groups": [g.dump() for g in region.groups.values()],
                "templates": [t.dump() for t in region.templates.values()],
                "spot_requests": [s.dump() for s in region.spot_requests.values()],
            }
            left[name] = things
        return {"account": ACCOUNT, "time": self.now(), "regions": left}

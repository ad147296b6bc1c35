"""An instance, its volumes and its spot request: what they are, and how EC2 describes them."""
from .iam import ACCOUNT
from .ids import new_id
from .model import iso_time

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
REASONS = {
    "Client.UserInitiatedShutdown": "User initiated shutdown",
    "Client.InstanceInitiatedShutdown": "Instance initiated shutdown",
    "Client.VolumeLimitExceeded": "Volume limit exceeded",
    "Server.SpotInstanceTermination": "Spot instance termination",
    "Server.InternalError": "Internal error on launch",
    "Server.ScheduledStop": "Stopped due to a scheduled retirement",
}
# The end of a spot request, by why its instance ended: its state, its status and what it says.
SPOT_ENDS = {
    "Server.SpotInstanceTermination": ("instance-terminated-no-capacity", "Your Spot instance was terminated because there is "
                                       "no Spot capacity available that matches your request."),
    "Client.UserInitiatedShutdown": ("instance-terminated-by-user", "Spot Instance terminated due to user-initiated "
                                     "termination."),
}
DEFAULT_METADATA = {"HttpTokens": "optional", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled",
                    "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled"}


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Instance:
    """spec is what it was launched with, see specification.py."""

    def __init__(self, world, region, spec, subnet, index, reservation):
        self.world = world
        self.region = region
        self.spec = spec
        self.subnet = subnet
        self.index = index
        self.reservation = reservation
        self.id = new_id("i")
        self.launched = world.now()
        self.state = "pending"
        # The next change of state: (time, state), or None.
        self.next = None
        self.reason = "pending"
        self.ended = None
        self.transition = ""
        self.groups = list(spec.groups)
        self.tags = dict(spec.tags.get("instance", {}))
        self.attachments = {}
        self.spot_request = None
        self.fleet = None
        self.console = ""
        # Of a spot instance: when its notice appeared and when it ends, and when its rebalance recommendation appeared.
        self.interruption = None
        self.rebalance = None
        addresses = world.settings.addresses
        own = subnet.address()
        tail = own.split(".")[2:]
        self.private_address = addresses.get("private") or own
        self.public_address = addresses.get("public") or (self.private_address if world.host else "127.77." + ".".join(tail))
        self.public_dns = addresses.get("dns", "")
        self.mac = "02:00:" + ":".join("%02x" % int(part) for part in own.split("."))
        self.interface = new_id("eni")

    @property
    def private_dns(self):
        return f"ip-{self.private_address.replace('.', '-')}.{self.region.name}.compute.internal"

    @property
    def live(self):
        return self.state not in ("terminated", "stopped")

    @property
    def market(self):
        return "on-demand" if self.spec.spot is None else "spot"

    def visible(self, now):
        """Whether EC2 knows it: not at once, and not for long after its end."""
        settings = self.world.settings
        if now < self.launched + settings.invisible:
            return False
        return self.ended is None or now < self.ended + settings.terminated_listed

    def settle(self):
        """Changes of state that are due; the world's lock is held."""
        while self.next and self.next[0] <= self.world.now():
            _, state = self.next
            self.next = None
            self.enter(state)

    def enter(self, state):
        self.state = state
        if state == "running":
            self.reason = None
        elif state == "terminated":
            self.finish()

    def finish(self):
        """What goes with an instance."""
        self.ended = self.world.now()
        for volume in self.attachments.values():
            volume.detach(self.spec.keeps(volume.device))
        self.attachments = {}
        if self.spot_request:
            self.spot_request.close(self.reason)

    def end(self, reason, after=None):
        """The instance goes down, for good; again is no error."""
        if self.state in ("shutting-down", "terminated"):
            return
        self.reason = reason
        who = "User" if reason == "Client.UserInitiatedShutdown" else "Server" if reason.startswith("Server") else "Instance"
        when = iso_time(self.world.now(), "").replace("T", " ")
        self.transition = f"{who} initiated ({when} GMT)"
        self.state = "shutting-down"
        self.next = None
        if self.world.host:
            self.world.host.stop(self)
            return
        delay = self.world.settings.shutting_down if after is None else after
        self.next = (self.world.now() + delay, "terminated")

    def power_off(self):
        """As the instance does it itself; one that was not launched to be terminated then stays, and its volumes cost."""
        if self.spec.shutdown_behavior == "terminate" or self.state != "running":
            self.end("Client.InstanceInitiatedShutdown")
            return
        self.reason = "Client.InstanceInitiatedShutdown"
        self.state = "stopping"
        self.next = (self.world.now() + self.world.settings.shutting_down, "stopped")

    def host_gone(self):
        """What it ran on is no more: it was told to go, or went of itself."""
        if self.state in ("pending", "running"):
            if self.reason != "Server.InternalError":
                self.state = "running"
                self.power_off()
            else:
                self.end(self.reason)
        if self.state == "shutting-down":
            self.next = (self.world.now() + self.world.settings.shutting_down, "terminated")

    def state_shape(self, state=None):
        state = state or self.state
        return {"Code": STATES[state], "Name": state}

    def describe(self):
        """As DescribeInstances has it."""
        spec, running = self.spec, self.state in ("pending", "running", "shutting-down")
        info = {
            "AmiLaunchIndex": self.index, "ImageId": spec.image.id, "InstanceId": self.id, "InstanceType": spec.type.name,
            "LaunchTime": self.launched, "Monitoring": {"State": "enabled" if spec.monitoring else "disabled"},
            "Placement": {"AvailabilityZone": self.subnet.zone, "GroupName": "", "Tenancy": "default"},
            "PrivateDnsName": self.private_dns if running else "", "ProductCodes": [],
            "PublicDnsName": self.public_dns if self.has_public else "", "State": self.state_shape(),
            "StateTransitionReason": self.transition, "Architecture": spec.image.architecture,
            "BlockDeviceMappings": [v.mapping() for v in self.attachments.values()] if self.state != "pending" else [],
            "ClientToken": spec.client_token, "EbsOptimized": spec.ebs_optimized, "EnaSupport": True, "Hypervisor": "xen",
            "RootDeviceName": spec.image.root, "RootDeviceType": "ebs", "Tags": tag_list(self.tags),
            "VirtualizationType": spec.image.virtualization, "PlatformDetails": "Linux/UNIX", "UsageOperation": "RunInstances",
            "MetadataOptions": {"State": "pending" if self.state == "pending" else "applied", **DEFAULT_METADATA,
                                **spec.metadata_options},
            "EnclaveOptions": {"Enabled": False}, "HibernationOptions": {"Configured": False}, "SecurityGroups": [],
            "CpuOptions": {"CoreCount": max(1, spec.type.vcpus // 2), "ThreadsPerCore": min(2, spec.type.vcpus)},
        }
        if self.reason:
            info["StateReason"] = {"Code": self.reason, "Message": self.reason_message()}
        if running:
            info.update(self.network())
        if spec.key_name:
            info["KeyName"] = spec.key_name
        if spec.profile:
            info["IamInstanceProfile"] = {"Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{spec.profile}",
                                          "Id": "AIPATESTTESTTESTTEST"}
        if self.spot_request:
            info["InstanceLifecycle"] = "spot"
            info["SpotInstanceRequestId"] = self.spot_request.id
        return info

    @property
    def has_public(self):
        """A public address comes with "running" and goes with the end."""
        return self.state == "running" and self.spec.public

    def reason_message(self):
        if self.reason == "pending":
            return "pending"
        return f"{self.reason}: {REASONS.get(self.reason, 'Unknown')}"

    def network(self):
        groups = [{"GroupId": g.id, "GroupName": g.name} for g in self.groups]
        interface = {
            "NetworkInterfaceId": self.interface, "MacAddress": self.mac, "SubnetId": self.subnet.id,
            "VpcId": self.subnet.vpc.id, "PrivateIpAddress": self.private_address, "PrivateDnsName": self.private_dns,
            "OwnerId": ACCOUNT, "Status": "in-use", "SourceDestCheck": True, "Groups": groups, "InterfaceType": "interface",
            "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": self.private_address}],
        }
        info = {"PrivateIpAddress": self.private_address, "SubnetId": self.subnet.id, "VpcId": self.subnet.vpc.id,
                "SecurityGroups": groups, "SourceDestCheck": True, "NetworkInterfaces": [interface]}
        if self.has_public:
            info["PublicIpAddress"] = self.public_address
            interface["Association"] = {"PublicIp": self.public_address, "PublicDnsName": self.public_dns, "IpOwnerId": "amazon"}
        return info

    def dump(self):
        return {
            "id": self.id, "state": self.state, "reason": self.reason, "type": self.spec.type.name, "zone": self.subnet.zone,
            "market": self.market, "image": self.spec.image.name, "subnet": self.subnet.id, "private": self.private_address,
            "public": self.public_address, "groups": [g.id for g in self.groups], "tags": self.tags, "key": self.spec.key_name,
            "profile": self.spec.profile, "user_data": self.spec.user_data, "launched": self.launched,
            "client_token": self.spec.client_token, "shutdown_behavior": self.spec.shutdown_behavior,
            "metadata_options": self.spec.metadata_options, "max_price": self.spec.max_price, "fleet": self.fleet,
            "volumes": [v.id for v in self.attachments.values()],
        }


class Volume:
    """An EBS volume; they are made with instances and go with them, or stay."""

    def __init__(self, region, instance, mapping, tags):
        self.region = region
        self.id = new_id("vol")
        self.instance = instance
        self.device = mapping["DeviceName"]
        self.ebs = mapping["Ebs"]
        self.zone = instance.subnet.zone
        self.tags = dict(tags)
        self.created = instance.launched

    def detach(self, keep):
        self.instance = None
        if not keep:
            self.region.volumes.pop(self.id, None)

    def mapping(self):
        return {"DeviceName": self.device, "Ebs": {
            "VolumeId": self.id, "Status": "attached", "AttachTime": self.created,
            "DeleteOnTermination": self.ebs["DeleteOnTermination"]}}

    def describe(self):
        info = {"VolumeId": self.id, "Size": self.ebs["VolumeSize"], "VolumeType": self.ebs["VolumeType"],
                "AvailabilityZone": self.zone, "CreateTime": self.created, "Encrypted": self.ebs.get("Encrypted", False),
                "State": "in-use" if self.instance else "available", "Tags": tag_list(self.tags), "Attachments": [],
                "SnapshotId": self.ebs.get("SnapshotId", ""), "MultiAttachEnabled": False}
        for name in ("Iops", "Throughput"):
            if name in self.ebs:
                info[name] = self.ebs[name]
        if self.instance:
            info["Attachments"] = [{"VolumeId": self.id, "InstanceId": self.instance.id, "Device": self.device,
                                    "State": "attached", "AttachTime": self.created,
                                    "DeleteOnTermination": self.ebs["DeleteOnTermination"]}]
        return info

    def dump(self):
        return {"id": self.id, "instance": self.instance.id if self.instance else None, "device": self.device,
                "size": self.ebs["VolumeSize"], "type": self.ebs["VolumeType"], "tags": self.tags, "zone": self.zone}


class SpotRequest:
    """The request that a spot instance comes with."""

    def __init__(self, region, instance, spec):
        self.region = region
        self.id = "sir-" + new_id("")[1:9]
        self.instance = instance
        self.type = spec.spot.get("SpotInstanceType", "one-time")
        self.price = spec.max_price or f"{spec.type.price:.6f}"
        self.created = instance.launched
        self.tags = dict(spec.tags.get("spot-instances-request", {}))
        self.state = "active"
        self.status = ("fulfilled", "Your spot request is fulfilled.")

    def close(self, reason):
        if self.state in ("active", "open"):
            self.state = "closed"
        self.status = SPOT_ENDS.get(reason, SPOT_ENDS["Client.UserInitiatedShutdown"])

    def cancel(self):
        """The instance goes on, if it does."""
        if self.state in ("active", "open"):
            self.state = "cancelled"
            if self.instance.live:
                self.status = ("request-canceled-and-instance-running", "Your Spot request is canceled, but your instance is "
                               "running.")
        return self.state

    def describe(self):
        return {
            "SpotInstanceRequestId": self.id, "State": self.state, "Type": self.type, "SpotPrice": self.price,
            "CreateTime": self.created, "InstanceId": self.instance.id, "ProductDescription": "Linux/UNIX",
            "LaunchedAvailabilityZone": self.instance.subnet.zone, "InstanceInterruptionBehavior": "terminate",
            "Status": {"Code": self.status[0], "Message": self.status[1], "UpdateTime": self.created},
            "Tags": tag_list(self.tags),
        }

    def dump(self):
        return {"id": self.id, "state": self.state, "instance": self.instance.id, "status": self.status[0], "tags": self.tags}

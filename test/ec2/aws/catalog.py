"""What this EC2 has to offer: regions, zones, instance types, images. Made up where nothing depends on it."""
import hashlib

REGIONS = {
    # Zones, of which the last has no previous-generation types, as it is with newer zones of AWS.
    "us-west-2": "abcd", "us-east-1": "abcdef", "us-east-2": "abc", "us-west-1": "ac", "eu-west-1": "abc", "eu-central-1": "abc",
    "ap-southeast-2": "abc",
}
# Regions that an account has to opt in to, and has not.
CLOSED_REGIONS = ["af-south-1", "ap-east-1"]

# Name, vCPU, MiB, architecture, hypervisor, local disks (count x GiB and kind), USD per hour, EBS optimisation.
TYPES = """
t2.micro 1 1024 x86_64 xen - 0.0116 unsupported
m3.medium 1 3840 x86_64 xen 1x4ssd 0.067 unsupported
m3.large 2 7680 x86_64 xen 1x32ssd 0.133 unsupported
m3.xlarge 4 15360 x86_64 xen 2x40ssd 0.266 supported
m3.2xlarge 8 30720 x86_64 xen 2x80ssd 0.532 supported
c3.large 2 3840 x86_64 xen 2x16ssd 0.105 unsupported
c3.8xlarge 32 61440 x86_64 xen 2x320ssd 1.68 unsupported
r3.large 2 15616 x86_64 xen 1x32ssd 0.166 unsupported
m4.large 2 8192 x86_64 xen - 0.1 default
c4.large 2 3840 x86_64 xen - 0.1 default
r4.large 2 15616 x86_64 xen - 0.133 default
i3.large 2 15616 x86_64 xen 1x475nvme 0.156 default
i3.8xlarge 32 249856 x86_64 xen 4x1900nvme 2.496 default
t3.nano 2 512 x86_64 nitro - 0.0052 default
t3.micro 2 1024 x86_64 nitro - 0.0104 default
t3.small 2 2048 x86_64 nitro - 0.0208 default
t3.medium 2 4096 x86_64 nitro - 0.0416 default
t3a.medium 2 4096 x86_64 nitro - 0.0376 default
m5.large 2 8192 x86_64 nitro - 0.096 default
m5.xlarge 4 16384 x86_64 nitro - 0.192 default
m5.2xlarge 8 32768 x86_64 nitro - 0.384 default
m5.4xlarge 16 65536 x86_64 nitro - 0.768 default
m5.24xlarge 96 393216 x86_64 nitro - 4.608 default
m5a.large 2 8192 x86_64 nitro - 0.086 default
m5d.large 2 8192 x86_64 nitro 1x75nvme 0.113 default
m5d.24xlarge 96 393216 x86_64 nitro 4x900nvme 5.424 default
m5n.large 2 8192 x86_64 nitro - 0.119 default
c5.large 2 4096 x86_64 nitro - 0.085 default
c5.xlarge 4 8192 x86_64 nitro - 0.17 default
c5.2xlarge 8 16384 x86_64 nitro - 0.34 default
c5.18xlarge 72 147456 x86_64 nitro - 3.06 default
c5d.large 2 4096 x86_64 nitro 1x50nvme 0.096 default
r5.large 2 16384 x86_64 nitro - 0.126 default
r5.24xlarge 96 786432 x86_64 nitro - 6.048 default
i3en.large 2 16384 x86_64 nitro 1x1250nvme 0.226 default
m6i.large 2 8192 x86_64 nitro - 0.096 default
m6a.large 2 8192 x86_64 nitro - 0.0864 default
c6i.large 2 4096 x86_64 nitro - 0.085 default
c6a.large 2 4096 x86_64 nitro - 0.0765 default
r6i.large 2 16384 x86_64 nitro - 0.126 default
m7i.large 2 8192 x86_64 nitro - 0.1008 default
c7i.large 2 4096 x86_64 nitro - 0.08925 default
t4g.micro 2 1024 arm64 nitro - 0.0084 default
m6g.large 2 8192 arm64 nitro - 0.077 default
m6gd.large 2 8192 arm64 nitro 1x118nvme 0.0904 default
c6g.large 2 4096 arm64 nitro - 0.068 default
c7g.large 2 4096 arm64 nitro - 0.0725 default
m7g.large 2 8192 arm64 nitro - 0.0816 default
r6g.large 2 16384 arm64 nitro - 0.1008 default
"""
PREVIOUS = {"t2", "m3", "c3", "r3"}


class Type:
    """An instance type; price is that of on-demand instances in us-west-2, in USD per hour."""

    def __init__(self, line):
        name, vcpus, memory, self.architecture, self.hypervisor, disks, price, self.ebs_optimized = line.split()
        self.name = name
        self.family = name.partition(".")[0]
        self.vcpus = int(vcpus)
        self.memory = int(memory)
        self.price = float(price)
        self.current = self.family not in PREVIOUS
        self.disk_count, self.disk_size, self.nvme = 0, 0, disks.endswith("nvme")
        if disks != "-":
            count, _, rest = disks.rstrip("nvmesd").partition("x")
            self.disk_count, self.disk_size = int(count), int(rest)

    @property
    def nitro(self):
        return self.hypervisor == "nitro"

    @property
    def max_volumes(self):
        """Nitro instances share 28 attachments with network interfaces and local disks."""
        return 27 - self.disk_count * self.nvme if self.nitro else 40

    def zones(self, region, letters):
        """The zones that have it."""
        offered = letters if self.current else letters[:-1] or letters
        return [region + letter for letter in offered]

    def spot_price(self, zone):
        """A third of the price and a little more, by zone and type, always the same."""
        spread = hashlib.sha256(f"{zone}/{self.name}".encode()).digest()[0] / 255
        return round(self.price * (0.30 + 0.12 * spread), 4)

    def describe(self):
        info = {
            "InstanceType": self.name, "CurrentGeneration": self.current, "FreeTierEligible": self.name == "t2.micro",
            "SupportedUsageClasses": ["on-demand", "spot"], "SupportedRootDeviceTypes": ["ebs"],
            "SupportedVirtualizationTypes": ["hvm"], "BareMetal": False, "Hypervisor": self.hypervisor,
            "ProcessorInfo": {"SupportedArchitectures": [self.architecture], "SustainedClockSpeedInGhz": 2.5},
            "VCpuInfo": {"DefaultVCpus": self.vcpus, "DefaultCores": max(1, self.vcpus // 2),
                         "DefaultThreadsPerCore": 2 if self.vcpus > 1 and self.architecture == "x86_64" else 1},
            "MemoryInfo": {"SizeInMiB": self.memory}, "InstanceStorageSupported": self.disk_count > 0,
            "EbsInfo": {"EbsOptimizedSupport": self.ebs_optimized, "EncryptionSupport": "supported",
                        "NvmeSupport": "required" if self.nitro else "unsupported"},
            "NetworkInfo": {"NetworkPerformance": "Up to 10 Gigabit", "MaximumNetworkInterfaces": 3,
                            "Ipv4AddressesPerInterface": 10, "Ipv6Supported": self.current,
                            "EnaSupport": "required" if self.nitro else "unsupported"},
            "PlacementGroupInfo": {"SupportedStrategies": ["partition", "spread"]},
            "HibernationSupported": False, "BurstablePerformanceSupported": self.name.startswith("t"),
            "DedicatedHostsSupported": self.current, "AutoRecoverySupported": self.current,
            "SupportedBootModes": ["uefi"] if self.architecture == "arm64" else
            ["legacy-bios", "uefi"] if self.nitro else ["legacy-bios"],
        }
        if self.disk_count:
            info["InstanceStorageInfo"] = {
                "TotalSizeInGB": self.disk_count * self.disk_size,
                "Disks": [{"SizeInGB": self.disk_size, "Count": self.disk_count, "Type": "ssd"}],
                "NvmeSupport": "required" if self.nvme else "unsupported",
                "EncryptionSupport": "required" if self.nvme else "unsupported"}
        return info


def instance_types():
    types = [Type(line) for line in TYPES.strip().splitlines()]
    return {kind.name: kind for kind in types}


FLATCAR, UBUNTU, DEBIAN, AMAZON, STRANGER = "075585003325", "099720109477", "136693071363", "137112412989", "111122223333"
# Owner, name, architecture, GiB, date, root device and, if any, what is special. Of each flavor an old one, a new one, and what a
# careless search would take instead: another channel, a stranger's image of a better name, one that is not available yet.
IMAGES = """
075585003325 Flatcar-stable-3374.2.1-hvm x86_64 8 2022-11-30 /dev/xvda
075585003325 Flatcar-stable-3374.2.2-hvm x86_64 8 2023-01-11 /dev/xvda
075585003325 Flatcar-stable-3374.2.2-arm64-hvm arm64 8 2023-01-11 /dev/xvda
075585003325 Flatcar-stable-3374.2.2 x86_64 8 2023-01-11 /dev/xvda paravirtual
075585003325 Flatcar-beta-3417.1.0-hvm x86_64 8 2023-02-01 /dev/xvda
075585003325 Flatcar-alpha-3480.0.0-hvm x86_64 8 2023-02-02 /dev/xvda
111122223333 Flatcar-stable-9999.0.0-hvm x86_64 8 2023-03-01 /dev/xvda
099720109477 ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20221206 x86_64 8 2022-12-06 /dev/sda1
099720109477 ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20230115 x86_64 8 2023-01-15 /dev/sda1
099720109477 ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20230115 arm64 8 2023-01-15 /dev/sda1
099720109477 ubuntu/images-testing/hvm-ssd/ubuntu-jammy-daily-amd64-server-20230201 x86_64 8 2023-02-01 /dev/sda1
099720109477 ubuntu-minimal/images/hvm-ssd/ubuntu-jammy-22.04-amd64-minimal-20230201 x86_64 8 2023-02-01 /dev/sda1
099720109477 ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20230301 x86_64 8 2023-03-01 /dev/sda1 pending
099720109477 ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20240423 x86_64 8 2024-04-23 /dev/sda1
099720109477 ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20240423 arm64 8 2024-04-23 /dev/sda1
136693071363 debian-11-amd64-20230124-1270 x86_64 8 2023-01-24 /dev/xvda
136693071363 debian-12-amd64-20230612-1409 x86_64 8 2023-06-12 /dev/xvda
136693071363 debian-12-amd64-20230711-1438 x86_64 8 2023-07-11 /dev/xvda
136693071363 debian-12-arm64-20230711-1438 arm64 8 2023-07-11 /dev/xvda
136693071363 debian-12-backports-amd64-20230801-1400 x86_64 8 2023-08-01 /dev/xvda
111122223333 debian-12-amd64-20991231-9999 x86_64 8 2023-09-01 /dev/xvda
137112412989 amzn2-ami-kernel-5.10-hvm-2.0.20230119.1-x86_64-gp2 x86_64 8 2023-01-20 /dev/xvda
137112412989 al2023-ami-2023.0.20230315.0-kernel-6.1-x86_64 x86_64 8 2023-03-15 /dev/xvda
137112412989 al2023-ami-2023.1.20230725.0-kernel-6.1-x86_64 x86_64 8 2023-07-26 /dev/xvda
137112412989 al2023-ami-2023.1.20230725.0-kernel-6.1-arm64 arm64 8 2023-07-26 /dev/xvda
137112412989 al2023-ami-minimal-2023.1.20230725.0-kernel-6.1-x86_64 x86_64 2 2023-07-27 /dev/xvda
137112412989 al2023-ami-ecs-hvm-2023.0.20230801-kernel-6.1-x86_64 x86_64 30 2023-08-01 /dev/xvda
"""
PRODUCTS = "Linux/UNIX"


class Image:
    """A machine image; each region has its own id of it."""

    def __init__(self, region, line):
        self.owner, self.name, self.architecture, size, self.date, self.root, *special = line.split()
        self.size = int(size)
        self.pending = "pending" in special
        self.virtualization = "paravirtual" if "paravirtual" in special else "hvm"
        self.uefi = self.architecture == "arm64"
        digest = hashlib.sha256(f"{region}/{self.name}".encode()).hexdigest()
        self.id = "ami-" + digest[:17]
        self.snapshot = "snap-" + digest[17:34]

    def describe(self):
        info = {
            "Architecture": self.architecture, "CreationDate": self.date + "T12:00:00.000Z", "ImageId": self.id,
            "ImageLocation": ("amazon/" if self.owner == AMAZON else self.owner + "/") + self.name,
            "ImageType": "machine", "Public": True, "OwnerId": self.owner, "PlatformDetails": PRODUCTS,
            "UsageOperation": "RunInstances", "State": "pending" if self.pending else "available",
            "BlockDeviceMappings": [{"DeviceName": self.root, "Ebs": {
                "DeleteOnTermination": True, "SnapshotId": self.snapshot, "VolumeSize": self.size, "VolumeType": "gp2",
                "Encrypted": False}}],
            "Description": self.name, "EnaSupport": True, "Hypervisor": "xen", "Name": self.name,
            "RootDeviceName": self.root, "RootDeviceType": "ebs", "SriovNetSupport": "simple",
            "VirtualizationType": self.virtualization, "DeprecationTime": "2037-12-31T12:00:00.000Z",
        }
        if self.owner == AMAZON:
            info["ImageOwnerAlias"] = "amazon"
        if self.uefi:
            info["BootMode"] = "uefi"
        return info


def images(region):
    found = [Image(region, line) for line in IMAGES.strip().splitlines()]
    return {image.id: image for image in found}

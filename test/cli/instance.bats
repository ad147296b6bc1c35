# What runs on an instance before the worker, with the programs that would change this host replaced.
load common

# stub NAME [COMMAND]: NAME notes how it was called, and does COMMAND.
stub() {
	printf '#!/bin/sh\nprintf "%%s\\n" "%s $*" >>"%s/calls"\n%s\n' "$1" "$DIR" "${2:-:}" >"bin/$1"
	chmod +x "bin/$1"
}

# disk NAME GIB [MODEL SERIAL]: in a false /sys/block and /dev.
disk() {
	mkdir -p "sys/$1/device" "sys/$1/holders" dev
	echo $(($2 * 2097152)) >"dev/$1"
	if [ $# -gt 2 ]; then
		printf '%-40s\n' "$3" >"sys/$1/device/model"
		printf '%-20s\n' "$4" >"sys/$1/device/serial"
	fi
}

ebs="Amazon Elastic Block Store"
local_disk="Amazon EC2 NVMe Instance Storage"

# absent PATTERN: nothing of the kind was called.
absent() {
	if grep -E "$1" calls; then
		return 1
	fi
}

# prepare COUNT GIB: prepare.sh, where nothing but the false disks and mounts is.
prepare() {
	mkdir -p bin sys dev units
	touch mounts calls
	local name
	for name in mkfs.ext4 mount mdadm sysctl systemctl apt-get sleep; do
		stub "$name"
	done
	# shellcheck disable=SC2016 # that shell expands it
	stub blkid 'case " $FORMATTED " in *" $2 "*) exit 0 ;; esac; exit 2'
	# shellcheck disable=SC2016
	stub blockdev 'cat "$2"'
	ln -sf "$PWD/calls" "$DIR/calls"
	run env PATH="$PWD/bin:$PATH" SYS_BLOCK="$PWD/sys" DEV="$PWD/dev" MOUNTS="$PWD/mounts" SYSTEMD="$PWD/units" PATIENCE=2 \
		DATA_COUNT="$1" \
		DATA_GIB="$2" DATA_DIR="$PWD/data" FORMATTED="${FORMATTED:-}" sh "$abs_top_srcdir/ec2/instance/prepare.sh"
	echo "$output"
	cat calls
}

@test "data volumes are known by model, serial and size, not by name" {
	disk nvme0n1 40 "$local_disk" AWS0123
	disk nvme1n1 40 "$ebs" local0c
	disk nvme2n1 40 "$ebs" vol0a
	disk nvme3n1 250 "$ebs" vol0root
	disk nvme4n1 40 "$ebs" vol0b
	disk sda 40
	prepare 2 40
	[ "$status" -eq 0 ]
	grep -qx "mdadm --create $PWD/dev/md0 --run --quiet --level=0 --chunk=256 --raid-devices=2 $PWD/dev/nvme2n1 $PWD/dev/nvme4n1" calls
	grep -qx "mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1 -L bigm-data $PWD/dev/md0" calls
	grep -qx "mount -o noatime $PWD/dev/md0 $PWD/data" calls
}

@test "one volume needs no stripe, and has Linux's name under Xen" {
	disk xvda 100
	disk xvdb 100
	disk xvdba 100
	prepare 1 100
	[ "$status" -eq 0 ]
	absent mdadm
	grep -qx "mount -o noatime $PWD/dev/xvdba $PWD/data" calls
}

@test "what is somebody's is left alone" {
	disk nvme0n1 40 "$ebs" vol01
	mkdir sys/nvme0n1/nvme0n1p1
	disk nvme1n1 40 "$ebs" vol02
	mkdir sys/nvme1n1/holders/dm-0
	disk nvme2n1 40 "$ebs" vol03
	echo "$PWD/dev/nvme2n1 / ext4 rw 0 0" >mounts
	disk nvme3n1 40 "$ebs" vol04
	disk nvme4n1 40 "$ebs" vol05
	FORMATTED=$PWD/dev/nvme3n1 prepare 1 40
	[ "$status" -eq 0 ]
	[ "$(grep mkfs calls)" = "mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1 -L bigm-data $PWD/dev/nvme4n1" ]
}

@test "volumes that do not come are told after a while, and nothing is formatted" {
	disk nvme1n1 40 "$ebs" vol0a
	prepare 2 40
	[ "$status" -ne 0 ]
	[ "$output" = "bigm-prepare: of 2 data volumes of 40 GiB these are here: $PWD/dev/nvme1n1" ]
	[ "$(grep -c '^sleep 1$' calls)" = 2 ]
	absent "mkfs|mdadm|mount"
}

@test "without data volumes the folders are there, and the next boot is the last" {
	mkdir units
	echo graphical >graphical.target
	ln -s "$PWD/graphical.target" units/default.target
	prepare 0 0
	[ "$status" -eq 0 ]
	[ "$(stat -c %a data/tmp)" = 1777 ]
	[ -d data/cache ]
	grep -qx Requires=poweroff.target units/default.target
	# A link to it would have systemd refuse to power off; and one that was there is not followed.
	[ -f units/default.target ]
	[ ! -L units/default.target ]
	[ "$(cat graphical.target)" = graphical ]
	grep -qx "sysctl -q -p /etc/sysctl.d/90-bigm.conf" calls
	# systemd would read all units again.
	absent systemctl
	absent "mkfs|mdadm|mount"
}

# fetch URL DIGEST
fetch() {
	BOOT=$PWD/opt/ec2boot BINARY_URL=$1 BINARY_SHA256=$2 WAIT=0.05 timeout 60 sh "$abs_top_srcdir/ec2/instance/fetch.sh"
}

@test "ec2boot is fetched, and run only with the right digest" {
	local digest
	echo worker >published
	digest=$(sha256sum published | cut -d' ' -f1)
	fetch "file://$PWD/published" "$digest"
	[ "$(cat opt/ec2boot)" = worker ]
	[ -x opt/ec2boot ]
	rm opt/ec2boot
	echo other >published
	run fetch "file://$PWD/published" "$digest"
	[ "$status" -ne 0 ]
	[[ $output == *"and should have $digest"* ]]
	[ -z "$(ls opt)" ]
	run fetch "file://$PWD/nowhere" "$digest"
	[ "$status" -ne 0 ]
	[[ $output == *"cannot fetch file://$PWD/nowhere"* ]]
}

@test "without a URL it is waited for" {
	mkdir opt
	fetch "" "" &
	eventually 20 test -p opt/ec2boot.bell
	# Half of it is not enough.
	echo wor >opt/ec2boot
	echo 1<>opt/ec2boot.bell
	sleep 0.3
	kill -0 $!
	chmod +x opt/ec2boot
	echo 1<>opt/ec2boot.bell
	wait $!
	# It was there before.
	fetch "" ""
}

# A metadata service: a request without its token is refused; notices are files that come and go.
metadata() {
	cat >service.py <<-'END'
		import http.server, os
		class Handler(http.server.BaseHTTPRequestHandler):
		    def answer(self, status, text=b""):
		        self.send_response(status)
		        self.send_header("Content-Length", str(len(text)))
		        self.end_headers()
		        self.wfile.write(text)
		    def do_PUT(self):
		        good = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
		        self.answer(200, b"tok") if good else self.answer(400)
		    def do_GET(self):
		        if self.headers["X-aws-ec2-metadata-token"] != "tok":
		            return self.answer(401)
		        name = self.path.removeprefix("/latest/meta-data/").replace("/", "-")
		        self.answer(200, open(name, "rb").read()) if os.path.exists(name) else self.answer(404)
		    def log_message(self, *args):
		        pass
		server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
		open("port.new", "w").write(str(server.server_port))
		os.rename("port.new", "port")
		server.serve_forever()
	END
	python3 service.py 3>&- &
	service=$!
	eventually 20 test -s port
}

# said COUNT: so many lines of notices.
said() {
	[ "$(wc -l <notices)" -ge "$1" ]
}

@test "notices are told once each" {
	metadata
	METADATA=http://127.0.0.1:$(cat port) PERIOD=0.1 sh "$abs_top_srcdir/ec2/instance/notices.sh" >notices 3>&- &
	local watcher=$!
	printf '{"noticeTime": "2026-11-22T01:02:03Z"}' >events-recommendations-rebalance
	eventually 20 said 1
	printf '{"action": "terminate",\n "time": "2026-11-22T01:04:03Z"}' >new
	mv new spot-instance-action
	eventually 20 said 2
	printf '{"action": "stop"}' >new
	mv new spot-instance-action
	eventually 20 said 3
	kill "$watcher" "$service"
	wait "$watcher" "$service" || :
	cat notices
	[ "$(cat notices)" = 'bigm-notice rebalance {"noticeTime": "2026-11-22T01:02:03Z"}
bigm-notice spot-interruption {"action": "terminate",  "time": "2026-11-22T01:04:03Z"}
bigm-notice spot-interruption {"action": "stop"}' ]
}

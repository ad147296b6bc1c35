#!/bin/sh
# Brings ec2boot here: from BINARY_URL, where it must have the digest BINARY_SHA256, or by waiting until the keeper has sent
# it. It is complete as soon as it is there. BOOT is its path; who has sent it says so in the pipe BOOT.bell, when that is
# there (ec2_push_command()). WAIT is for tests.
set -eu

boot=${BOOT:?} url=${BINARY_URL:-} part=${BOOT}.part bell=${BOOT}.bell

get() {
    if command -v curl >/dev/null; then
        curl -fsSL --connect-timeout 10 --max-time 300 -o "$part" "$url"
    else
        wget -q -T 30 -O "$part" "$url"
    fi
}

mkdir -p "$(dirname "$boot")"
if [ -z "$url" ]; then
    [ -p "$bell" ] || mkfifo -m 600 "$bell"
    # Both ways, so that neither side waits for the other to open it. It is open before one looks.
    exec 3<>"$bell"
    until [ -x "$boot" ]; do
        read -r _ <&3
    done
    exit 0
fi

tries=5
until get; do
    tries=$((tries - 1))
    if [ $tries -le 0 ]; then
        echo "bigm-fetch: cannot fetch $url" >&2
        exit 1
    fi
    sleep "${WAIT:-5}"
done
digest=$(sha256sum "$part")
digest=${digest%% *}
if [ "$digest" != "${BINARY_SHA256:?}" ]; then
    echo "bigm-fetch: $url has the SHA-256 $digest, and should have $BINARY_SHA256" >&2
    rm -f "$part"
    exit 1
fi
chmod 755 "$part"
mv "$part" "$boot"

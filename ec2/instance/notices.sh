#!/bin/sh
# Says in the journal when AWS is about to take this instance back (spot-interruption), or thinks that it may soon
# (rebalance): a line "bigm-notice KIND JSON", once for each that is new. METADATA, PERIOD and ROUNDS are for tests.
set -u

metadata=${METADATA:-http://169.254.169.254}/latest
token='' interruption='' rebalance=''

# request METHOD HEADER PATH: prints the answer, if it is a good one.
request() {
    if command -v curl >/dev/null; then
        curl -fs --max-time 2 -X "$1" -H "$2" "$metadata/$3"
    else
        wget -q -T 2 -t 1 -O - --method="$1" --header="$2" "$metadata/$3"
    fi
}

# There is a notice only when something happens: "not found" is all well.
look() {
    request GET "X-aws-ec2-metadata-token: $token" "meta-data/$1"
}

# notice KIND OLD NEW
notice() {
    [ -n "$3" ] && [ "$3" != "$2" ] && printf 'bigm-notice %s %s\n' "$1" "$(printf %s "$3" | tr '\n' ' ')"
}

round=0
while [ "$round" -ne "${ROUNDS:--1}" ]; do
    [ -n "$token" ] || token=$(request PUT "X-aws-ec2-metadata-token-ttl-seconds: 21600" api/token)
    now=$(look spot/instance-action)
    notice spot-interruption "$interruption" "$now"
    interruption=${now:-$interruption}
    now=$(look events/recommendations/rebalance)
    notice rebalance "$rebalance" "$now"
    rebalance=${now:-$rebalance}
    round=$((round + 1))
    # A token is good for six hours, and anew each hour here.
    [ $((round % 720)) -ne 0 ] || token=''
    sleep "${PERIOD:-5}"
done

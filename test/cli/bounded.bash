# What processes move and need: of those that are held back, little.
# shellcheck shell=bash

# moved PID: how many bytes it has read and written.
moved() {
	awk '/^[rw]char/ { n += $2 } END { print n }' "/proc/$1/io"
}

# is_held_back PID MB: it has moved so much at least, and does not get on.
is_held_back() {
	local before
	before=$(moved "$1")
	[ "$before" -gt $(($2 << 20)) ] || return
	sleep 1
	[ "$(moved "$1")" = "$before" ]
}

# has_needed PID MB: never more than that, where no sanitizer has a memory of its own.
has_needed() {
	local kb
	kb=$(awk '/^VmHWM/ { print $2 }' "/proc/$1/status")
	echo "process $1: $kb kB"
	[ "$kb" -lt $(($2 << 10)) ]
}

# has_moved PID MB
has_moved() {
	[ "$(moved "$1")" -gt $(($2 << 20)) ]
}

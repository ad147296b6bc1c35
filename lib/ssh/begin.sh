#!/bin/sh
# What the ssh system has a host do, before there is anything of bigm's: makes a folder, takes ec2boot into it from standard input, and
# becomes that.  Any POSIX shell, mktemp, head, wc and df.  In front of it stand as variables: mark, arch, size (of ec2boot, in
# bytes), room (KiB that a folder has to have), port, within; its arguments are folders where it may be.
#
#	mark ready ADDRESS PROCS	the folder is there, ec2boot may come
#	mark sent			it is there, its identity may come
#
# What goes wrong stands on standard error; then nothing of it is left.

folder=
trap '[ -z "$folder" ] || rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
umask 077

fail() {
	echo "$*" >&2
	exit 1
}

check_arch() {
	case $(uname -s)/$(uname -m) in
	Linux/x86_64 | Linux/amd64) is=linux/amd64 ;;
	Linux/aarch64 | Linux/arm64) is=linux/arm64 ;;
	*) is=$(uname -s)/$(uname -m) ;;
	esac
	[ "$is" = "$arch" ] || fail "the host is $is, and machines are to be $arch (ssh-arch)"
}

# Whether a folder in $1 is good for a machine: programs can be run there, and there is room.
try_folder() {
	why="cannot make a folder in $1"
	[ -d "$1" ] && [ -w "$1" ] && folder=$(mktemp -d "$1/bigm-XXXXXXXXXX" 2>/dev/null) || return 1
	why="$1 is mounted noexec"
	# An empty file is a program for a shell.
	: >"$folder/try" && chmod 700 "$folder/try" && ("$folder/try") 2>/dev/null && rm "$folder/try" || return 1
	why="$1 is full"
	free=$(df -Pk "$folder" | { read -r _ && read -r _ _ _ free _ && echo "$free"; }) && [ "$free" -ge "$room" ]
}

make_folder() {
	whys=
	for dir; do
		if try_folder "$dir"; then
			return
		fi
		whys="$whys${whys:+, }$why"
		[ -z "$folder" ] || rm -rf "$folder"
		folder=
	done
	fail "no folder for the machine (ssh-dir): $whys"
}

# Where sshd was reached, which is where we are, for who could reach it.
address() {
	# shellcheck disable=SC2086 # words
	set -- $SSH_CONNECTION
	echo "$3"
}

check_arch
make_folder "$@"
procs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) || procs=1
echo "$mark ready $(address) $procs"
head -c "$size" >"$folder/ec2boot" || fail "ec2boot cannot be written to $folder"
[ "$(wc -c <"$folder/ec2boot")" -eq "$size" ] || fail "only a part of ec2boot has come"
chmod 700 "$folder/ec2boot"
cd "$folder" || fail "cannot enter $folder"
echo "$mark sent"
exec ./ec2boot --identity - --guest "$folder" --dir "$folder/machine" --port "$port" --tell "$mark" --within "$within"

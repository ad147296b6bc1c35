# What another user of this host gets of a cluster: nothing. SECURITY.md names these tests. What he sees of debug pages is
# debug.bats', and who has no certificate, or one of another cluster, peers.bats'.
bats_require_minimum_version 1.5.0
load common

nobody=65534

setup_file() {
	[ "$(id -u)" -eq 0 ] || skip_all "only root can become another user"
}

clean_up() {
	"$BIGM" shutdown --all
}

as_nobody() {
	setpriv --reuid "$nobody" --regid "$nobody" --clear-groups "$@"
}

record_of() {
	"$BIGM" status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["record"])'
}

@test "record and control socket are closed to others, whatever the umask" {
	local record
	chmod 755 "$DIR" "$DIR"/*
	umask 0
	"$BIGM" start -n 1 "${abs_top_builddir:?}/examples/bigpi" 3>&-
	record=$(record_of)
	[ -z "$(find "$DIR/state/bigm" "$DIR/run/bigm" ! -type l ! -type s -perm /077)" ]
	[ -s "$record/driver.pem" ]
	run as_nobody cat "$record/driver.pem" "$record/output"
	[ "$status" -ne 0 ]
	[[ $output == *"Permission denied"* ]]
	run as_nobody curl -sS --max-time 20 --http2-prior-knowledge --unix-socket "$(readlink "$record/socket")" \
		-d null http://keeper/bigrpc/Keeper.Info
	[ "$status" -ne 0 ]
}

@test "the keeper answers its own user alone, even where its socket is open" {
	local ask
	umask 0
	"$BIGM" start -n 1 3>&-
	ask=(curl -sS --max-time 20 --http2-prior-knowledge --unix-socket "$(readlink "$(record_of)/socket")" -d null
		http://keeper/bigrpc/Keeper.Identity)
	chmod 711 "$DIR" "$DIR/run" "$DIR/run/bigm"
	[[ $("${ask[@]}") == *"PRIVATE KEY"* ]]
	run as_nobody "${ask[@]}"
	[ "$status" -ne 0 ]
	[[ $output != *"PRIVATE KEY"* ]]
}

@test "a control socket that another user serves is not believed" {
	local server
	chmod 711 "$DIR" "$DIR/work"
	mkdir -m 777 theirs
	python3 -c 'import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.bind("theirs/socket"); s.listen()
while True: s.accept()' 3>&- &
	server=$!
	eventually 10 test -S theirs/socket
	BIGM_CONTROL="$PWD/theirs/socket" run "$abs_top_builddir/examples/bigpi" --samples 10 3>&-
	kill "$server"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"the peer runs as user $nobody, we as 0"* ]]
}

# In a folder as /tmp is.
plant() {
	printf '#!/bin/sh\ntouch %s/taken\nexit 1\n' "$DIR" >"$1"
	chmod 755 "$1"
	chown "$nobody" "$1"
}

@test "what another user has put beside a program is not run, nor shipped" {
	mkdir -m 1777 open
	chmod 777 "$DIR"
	cp "$abs_top_builddir/examples/bigpi" "$BIGM" open/
	mv open/bigm own
	plant open/bigm
	PATH="$(dirname "$BIGM"):$PATH" run env -u BIGM open/bigpi --machines 1 --samples 1000 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"open/bigm is not used: it belongs to user $nobody"* ]]
	# A link of his leads to what is root's.
	rm open/bigm
	ln -s "$(command -v true)" open/bigm
	chown -h "$nobody" open/bigm
	PATH="$(dirname "$BIGM"):$PATH" run env -u BIGM open/bigpi --machines 1 --samples 1000 3>&-
	[ "$status" -eq 0 ]
	# Parts of bigm, and a bundle.
	rm open/bigm
	mv own open/bigm
	plant open/bigm-ec2
	plant open/bigm-pprof
	plant open/bigpi.bigm
	# It fails for want of another one, or of an account.
	run env -i PATH="$PATH" HOME="$HOME" XDG_STATE_HOME="$XDG_STATE_HOME" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" \
		AWS_EC2_METADATA_DISABLED=true open/bigm run -n 1 --system ec2 open/bigpi 3>&-
	[ "$status" -ne 0 ]
	run open/bigm start -n 1 open/bigpi 3>&-
	[[ $output == *"open/bigpi.bigm is not used"* ]]
	run open/bigm pprof heap
	[[ $output == *"open/bigm-pprof is not used"* ]]
	[ ! -e "$DIR/taken" ]
}

@test "logs are not kept in a folder of another user's" {
	echo precious >mine
	chmod 711 "$DIR" "$DIR/work"
	mkdir -m 1777 logs
	as_nobody mkdir logs/calm
	as_nobody ln -s "$PWD/mine" logs/calm/output
	"$BIGM" start -n 1 --name calm --log-dir logs 3>&-
	"$BIGM" shutdown calm
	[ "$(cat mine)" = precious ]
	[ ! -e logs/calm/keeper.log ]
}

@test "the kernel shows others no environment, memory or descriptor, and arguments have no key in them" {
	local pid n=0
	"$BIGM" start -n 1 "$abs_top_builddir/examples/bigpi" 3>&-
	for pid in $(left_processes); do
		n=$((n + 1))
		run as_nobody sh -c "cat /proc/$pid/environ || cat /proc/$pid/maps || ls /proc/$pid/fd"
		[ "$status" -ne 0 ]
		run ! grep -aqE 'PRIVATE|BEGIN|BIGM_(BOOT|CONTROL)' "/proc/$pid/cmdline"
	done
	[ "$n" -ge 3 ]
}

# Whoever sends much to somebody who reads nothing is held back, and keeps little of it.
bats_require_minimum_version 1.5.0
load common
load bounded

clean_up() {
	"$BIGM" shutdown --all --now 3>&-
}

setup_file() {
	# shellcheck disable=SC2154 # of make check
	[ "$sanitizer" = no ] || skip_all "a sanitizer has a memory of its own"
}

# A machine of plain bigm, and a pipe that stays open and that nobody reads.
begin() {
	"$BIGM" start -n 1 3>&-
	MACHINE=$("$BIGM" call m0 Supervisor.Getpid)
	KEEPER=$("$BIGM" status --json | grep -o '"pid":[0-9]*' | head -1 | cut -d: -f2)
	mkfifo pipe
	# shellcheck disable=SC2094 # opened for both, so that it does not wait
	exec 9<>pipe
}

@test "a command's output that nobody reads stays with the command" {
	begin
	"$BIGM" exec m0 -- cat /dev/zero >pipe 3>&- 9>&- &
	local client=$!
	eventually 60 is_held_back "$client" 1
	has_needed "$client" 48
	has_needed "$MACHINE" 48
	kill -0 "$client"
	kill -KILL "$client"
	wait "$client" || true
	[ "$("$BIGM" call m0 Supervisor.Ping 7)" = 7 ]
}

@test "input for a machine that reads nothing, as behind a network that stalls, stays where it is" {
	begin
	"$BIGM" exec m0 -- cat </dev/zero >/dev/null 3>&- 9>&- &
	local client=$!
	eventually 60 has_moved "$client" 8
	kill -STOP "$MACHINE"
	eventually 60 is_held_back "$client" 8
	has_needed "$client" 48
	kill -CONT "$MACHINE"
	local before
	before=$(moved "$client")
	eventually 60 has_moved "$client" $(((before >> 20) + 8))
	has_needed "$client" 48
	has_needed "$MACHINE" 48
	kill -KILL "$client"
	wait "$client" || true
}

@test "what a machine prints is in the record, and not in the keeper, for readers who have stopped" {
	begin
	"$BIGM" tail m0 >pipe 3>&- 9>&- &
	local tail=$!
	# shellcheck disable=SC2016 # for the other shell
	"$BIGM" exec m0 -- sh -c 'yes "some fifty bytes, which a machine prints quickly." | head -c 100000000 >/proc/$PPID/fd/1'
	eventually 60 is_held_back "$tail" 0
	has_needed "$KEEPER" 48
	has_needed "$tail" 48
	kill -KILL "$tail"
	wait "$tail" || true
}

# examples/bigpi on its own and under `bigm run`: the tutorial program is the proof of the library.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

bigpi=${abs_top_builddir:?}/examples/bigpi

# in_background OPTION...: bigpi with more to do than there is time; returns when its machines are at work.
in_background() {
	"$bigpi" --samples 1000000000000000 "$@" >out 2>err 3>&- &
	driver=$!
	eventually 10 grep -q '^distributing' err
}

# processes EXECUTABLE: those of this test that run it, without the driver.
processes() {
	local pid
	for pid in $(left_processes); do
		[[ $pid != "${driver:-}" && $(cat "/proc/$pid/comm") == "$1" ]] && echo "$pid"
	done
	return 0
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

@test "π goes to stdout, the walk-through to stderr" {
	run --separate-stderr "$bigpi" --samples 1000000 --machines 2
	[ "$status" -eq 0 ]
	[ "$output" = "π = 3.144" ]
	[[ $stderr == *"waiting for machines to come online"*"all machines are ready"*"distributing work among 2 cores"* ]]
	[[ $stderr == *"total="*" nsamples=1000000"* ]]
	[ "$(grep -c '^machine https://127.0.0.1:[0-9]*/ RUNNING$' <<<"$stderr")" -eq 2 ]
	[ "$(grep -c '^m[01]: 0/[0-9]*$' <<<"$stderr")" -ge 1 ]
}

@test "five machines are the default" {
	run --separate-stderr "$bigpi" --samples 1000
	[ "$status" -eq 0 ]
	[ "$(grep -c RUNNING <<<"$stderr")" -eq 5 ]
}

@test "the result depends on the seed, not on how many machines there are" {
	for machines in 1 2 3; do
		run --separate-stderr "$bigpi" --samples 30000001 --machines "$machines" --seed 7
		[ "$status" -eq 0 ]
		totals+=("$(grep '^total=' <<<"$stderr")")
	done
	[ "${totals[0]}" = "${totals[1]}" ]
	[ "${totals[0]}" = "${totals[2]}" ]
	run --separate-stderr "$bigpi" --samples 30000001 --machines 1 --seed 8
	[ "$(grep '^total=' <<<"$stderr")" != "${totals[0]}" ]
}

@test "fewer blocks than processors: some have nothing to do" {
	run --separate-stderr "$bigpi" --samples 1 --machines 3
	[ "$status" -eq 0 ]
	[[ $output == "π = "[04] ]]
}

@test "bad input is one line and status 2" {
	for args in "--samples 0" "--samples -1" "--samples 1.5" "--samples ten" "--samples 1e99" "--samples nan" "--samples" \
		"--machines 0" "--machines x" "--seed 0" "--sample" "--wombat" "extra" "-bigm.sytem=local" "-bigm.n=x"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr "$bigpi" $args
		echo "$args: status $status, $stderr"
		[ "$status" -eq 2 ]
		[ -z "$output" ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
}

@test "settings come from options, the environment and the configuration file" {
	BIGM_N=2 run --separate-stderr "$bigpi" --samples 1000
	[ "$(grep -c RUNNING <<<"$stderr")" -eq 2 ]
	BIGM_N=2 run --separate-stderr "$bigpi" --samples 1000 -bigm.n=1
	[ "$(grep -c RUNNING <<<"$stderr")" -eq 1 ]
	mkdir "$XDG_CONFIG_HOME/bigm"
	echo "n = 3" >"$XDG_CONFIG_HOME/bigm/config"
	run --separate-stderr "$bigpi" --samples 1000
	[ "$(grep -c RUNNING <<<"$stderr")" -eq 3 ]
	run --separate-stderr "$bigpi" --samples 1000 --bigm.procs=2 --machines 1 -bigm.quiet
	[[ $stderr == *"among 2 cores"* ]]
	[[ $stderr != *"m0: "* ]]
}

@test "a machine that is killed is named, with the signal" {
	in_background --machines 2
	kill -KILL "$(processes bigpi | head -1)"
	eventually 2 ended "$driver"
	run wait "$driver"
	[ "$status" -eq 1 ]
	cat err
	[ "$(tail -1 err | grep -c '^bigpi: m[01]: PI.Sample: .*signal 9')" -eq 1 ]
	[ ! -s out ]
}

@test "when the keeper is killed the driver says so, and nothing is left" {
	in_background --machines 2
	kill -KILL "$(processes bigm-keeper)"
	eventually 3 ended "$driver"
	cat err
	[[ $(tail -1 err) == "bigpi: m"[01]": PI.Sample: the keeper was ended by signal 9"* ]]
}

@test "nothing is left when the driver is killed" {
	in_background --machines 2
	kill -KILL "$driver"
	eventually 2 nothing_left
}

@test "a stderr that is closed or not read holds nobody up" {
	run "$bigpi" --samples 1000 --machines 2 2>&-
	[ "$status" -eq 0 ]
	"$bigpi" --samples 1000 --machines 2 2> >(sleep 1)
}

@test "without bigm, the error says where it was looked for" {
	cp "$abs_top_builddir/examples/bigpi" .
	PATH=/nowhere:/usr/bin:/bin BIGM='' run --separate-stderr ./bigpi
	[ "$status" -eq 1 ]
	[[ $stderr == "bigpi: cannot find the program bigm; set BIGM to its path; looked at $PWD/bigm, "*"/nowhere/bigm"* ]]
	BIGM=/nowhere/bigm run --separate-stderr ./bigpi
	[[ $stderr == "bigpi: BIGM=/nowhere/bigm is no program"* ]]
}

@test "a bigm that is something else is told apart" {
	BIGM=$(type -P false) run --separate-stderr "$bigpi"
	[ "$status" -eq 1 ]
	[[ $stderr == *"false, started as the keeper, ended with exit status 1"* ]]
	[[ $stderr == *"is it bigm "* ]]
	BIGM=$(type -P true) run --separate-stderr "$bigpi"
	[ "$status" -eq 1 ]
	[[ $stderr == *"true, started as the keeper, ended with exit status 0"* ]]
}

@test "under bigm run it prints the same, and shuts its cluster down by itself" {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		run --separate-stderr "$BIGM" run "$bigpi" -n 2 -- --samples 1000000
		echo "$stderr"
		[ "$status" -eq 0 ]
		[ "$output" = "π = 3.144" ]
		[ "$(grep -c RUNNING <<<"$stderr")" -eq 2 ]
		[ "$(grep -c "^m[01]: 0/" <<<"$stderr")" -ge 1 ]
		# bigm prints what the machines say, so this need not be the last line.
		grep -qx 'total=785920 nsamples=1000000' <<<"$stderr"
	done
}

@test "under bigm run, too, a machine that is killed is named by the driver" {
	"$BIGM" run "$bigpi" -n 2 -- --samples 1000000000000000 >out 2>err 3>&- &
	local run=$!
	eventually 10 grep -q '^distributing' err
	# The driver is none of the keeper's children.
	kill -KILL "$(pgrep -P "$(processes bigm-keeper)" | head -1)"
	eventually 3 ended "$run"
	local status=0
	wait "$run" || status=$?
	cat err
	[ "$status" -eq 1 ]
	grep -q '^bigpi: m[01]: PI.Sample: .*signal 9' err
}

@test "bigm's own options win over the program's, those over the environment" {
	BIGM_PROCS=3 run --separate-stderr "$BIGM" run "$bigpi" -n 2 -- --samples 1000 -bigm.n=4 -bigm.procs=2
	echo "$stderr"
	[ "$status" -eq 0 ]
	[[ $stderr == *"among 4 cores"* ]]
}

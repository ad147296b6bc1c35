# shellcheck shell=bats disable=SC2016 # the quoted scripts are for other shells
# Who of a job's ranks reads what, and where it goes that they print.
load common
load gate
bats_require_minimum_version 1.5.0

# Runs that are over have left nothing that would have to be shut down.
clean_up() {
	open_gate
}

@test "the first rank reads standard input, the others an empty file" {
	run_bigm run -n 3 --prefix cat <<<$'one\ntwo'
	[ "$status" -eq 0 ]
	[ "$output" = $'m0: one\nm0: two' ]
	run_bigm run cat <<<"alone"
	[ "$output" = alone ]
	run_bigm run -n 2 --stdin none sh -- -c 'cat; echo end' <<<"nobody reads this"
	[ "$output" = $'end\nend' ]
}

@test "of machines that do not all come up, rank 0 reads, and only those that did have ranks" {
	close_gate 1
	"$BIGM" run -n 3 --min 2 --procs 2 --per-proc sh -- -c 'cat; echo $BIGM_RANK/$BIGM_SIZE' <<<first >out 2>err 3>&- &
	kill_one_starting 2
	open_gate
	wait $!
	[ "$(sort out)" = $'0/4\n1/4\n2/4\n3/4\nfirst' ]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "with fewer machines than --min no processor of the others gets a rank" {
	local status=0
	close_gate 1
	"$BIGM" run --quiet -n 3 --per-proc echo -- hello >out 2>err 3>&- &
	kill_one_starting 2
	open_gate
	wait $! || status=$?
	[ "$status" -eq 125 ]
	[ ! -s out ]
	grep -qx 'bigm run: 2 of 3 machines run, and 3 have to' err
}

@test "--stdin all gives each rank all of it, and waits for none that has had enough" {
	seq 200000 >numbers
	run_bigm run -n 3 --stdin all sh -- -c 'if [ $BIGM_RANK = 1 ]; then head -n 1; else md5sum; fi' <numbers
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = "$(printf '1\n%s\n%s' "$(md5sum <numbers)" "$(md5sum <numbers)" | sort)" ]
}

@test "input without an end does not keep a job that has ended" {
	sleep 1000 | {
		run_bigm run -n 2 --stdin all true
		[ "$status" -eq 0 ]
		run_bigm run -n 2 true
		[ "$status" -eq 0 ]
		pkill -P $$ -x sleep
	}
}

@test "--per-proc runs a rank for each processor, and names them" {
	run_bigm run -n 2 --procs 2 --per-proc --prefix sh -- -c 'echo $BIGM_RANK/$BIGM_SIZE $BIGM_MACHINE $BIGM_PEERS'
	[ "$status" -eq 0 ]
	hosts=127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1
	[ "$(sort <<<"$output")" = "m0.0: 0/4 m0 $hosts
m0.1: 1/4 m0 $hosts
m1.0: 2/4 m1 $hosts
m1.1: 3/4 m1 $hosts" ]
	run_bigm run --procs 2 --per-proc sh -- -c '[ $BIGM_RANK = 0 ] || exit 4; exec sleep 1000'
	[ "$status" -eq 4 ]
}

@test "--output keeps what each rank prints in files of its own" {
	run_bigm run -n 2 --output here sh -- -c 'echo out $BIGM_RANK; printf "err $BIGM_RANK" >&2'
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(echo here/*)" = "here/0.err here/0.out here/1.err here/1.out" ]
	[ "$(cat here/1.out)" = "out 1" ]
	[ "$(cat here/0.err)" = "err 0" ]
	touch file
	run_bigm run --output file true
	[ "$status" -eq 2 ]
	[[ $output = *"--output: the folder file: "* ]]
	run_bigm run --output /dev/full true
	[ "$status" -eq 2 ]
	mkdir here/2.out
	run_bigm run -n 3 --output here true
	[ "$status" -eq 125 ]
	[[ $output = *"here/2.out: "* ]]
}

@test "in the background of a terminal a job reads nothing, and is not stopped for it" {
	cat >background <<-'END'
		set -m
		"$BIGM" run sh -- -c 'echo began; cat >&2; echo ended' &
		job=$!
		read -r line
		grep '^State' /proc/$job/status
		echo "shell: $line"
		kill $job
		wait $job
	END
	run python3 "${abs_top_srcdir:?}/test/cli/terminal.py" bash background <<-'END'
		expect began
		send hello\r
		expect shell: hello
	END
	[[ $output = *"(sleeping)"*"shell: hello"* ]]
	[[ $output != *ended* ]]
}

@test "a driver has no ranks" {
	run_bigm run --per-proc "${abs_top_builddir:?}/examples/bigpi"
	[ "$status" -eq 2 ]
	[[ $output = *"is a driver: "*"--per-proc"* ]]
}

load common
load gate

bigpi=${abs_top_builddir:?}/examples/bigpi

# play COMMAND...: plays the script of standard input on a terminal, in the background; what is shown goes to `shown`.
play() {
	python3 "${abs_top_srcdir:?}/test/cli/terminal.py" env "$@" <&0 >shown 3>&- &
	player=$!
}

# shows TEXT: polls until the terminal has got that.
shows() {
	eventually 20 grep -aqF -- "$1" shown
}

# ends STATUS: the command on the terminal ends with it.
ends() {
	local status=0
	wait "$player" || status=$?
	screen
	[ "$status" -eq "$1" ]
}

# screen [COLUMNS]: what the terminal shows in the end; all times are "T".
screen() {
	python3 "$abs_top_srcdir/test/cli/screen.py" "$@" <shown | sed -E 's/[0-9]+(\.[0-9])? m?s\>/T/'
}

@test "on a terminal the machines are shown while they come up, and one line in the end" {
	close_gate 1
	play "$BIGM" start -n 3 --name calm </dev/null
	shows "bigm start: 1 of 3 machines RUNNING, 2 STARTING"
	shows $'\e[32mRUNNING\e[0m'
	shows $'\e[33mSTARTING\e[0m'
	open_gate
	ends 0
	[ "$(screen)" = "bigm start: 3 machines RUNNING after T
calm" ]
}

@test "NO_COLOR takes the colours away, and nothing else" {
	close_gate 1
	NO_COLOR=1 play "$BIGM" start -n 2 --name calm </dev/null
	shows "1 of 2 machines RUNNING"
	shows " RUNNING "
	open_gate
	ends 0
	! grep -aE $'\e\\[[0-9;]*m' shown || false
}

@test "of many machines on a low terminal the slow ones are shown, as many as fit" {
	close_gate 3
	# shellcheck disable=SC2016 # for the inner shell
	play sh -c 'stty rows 10 cols 60; exec "$BIGM" start -n 16 --name calm' </dev/null
	shows "bigm start: 3 of 16 machines RUNNING, 13 STARTING"
	shows "and 7 more"
	shows $'\e[9A'
	open_gate
	ends 0
	! grep -aE $'\e\\[[0-9]{2,}A' shown || false
	[ "$(screen 60)" = "bigm start: 16 machines RUNNING after T
calm" ]
}

@test "a job's output begins when the table has gone" {
	close_gate 1
	play "$BIGM" run -n 2 echo -- hello </dev/null
	shows "1 of 2 machines RUNNING"
	open_gate
	ends 0
	[ "$(screen | sort)" = "bigm run: 2 machines RUNNING after T
m0: hello
m1: hello" ]
}

@test "Ctrl-C in the middle leaves a clean line" {
	close_gate 1
	play "$BIGM" start -n 2 <<-'END'
		expect STARTING
		send \x03
	END
	ends 130
	[ "$(screen)" = "bigm start: Interrupt: stopping (once more: at once)" ]
}

@test "a machine that dies meanwhile is told above the table" {
	close_gate 1
	play "$BIGM" run -n 3 --min 2 --name calm echo -- hello </dev/null
	shows "1 of 3 machines RUNNING, 2 STARTING"
	kill_one_starting 2
	shows "1 STOPPED"
	open_gate
	ends 0
	[ "$(screen | sed 's/m[0-9]:/mN:/' | sort)" = "bigm run: 2 of 3 machines RUNNING, 1 STOPPED after T
bigm run: mN: killed by signal 9 (Killed) while starting
mN: hello
mN: hello" ]
}

@test "Ctrl-Z clears the table, and fg draws it again" {
	close_gate 1
	play bash --norc --noprofile -i <<-'END'
		send PS1='> '; HISTFILE=\r
		send "$BIGM" start -n 2 --name calm\r
		expect STARTING
		send \x1a
		expect Stopped
		send fg\r
		expect STARTING
		send touch $GATE/open\r
		expect machines RUNNING after
		expect calm
		send exit\r
	END
	shows Stopped
	shows "fg"
	open_gate
	ends 0
}

@test "what is not a terminal gets nothing, or with -v a line for each machine" {
	"$BIGM" start -n 2 --name calm 2>err
	[ ! -s err ]
	"$BIGM" shutdown
	"$BIGM" start -v -n 2 --name calm 2>err
	cat err
	[ "$(grep -cE '^bigm start: m[01] RUNNING after .* m?s: https://127\.0\.0\.1:[0-9]+/ \(.*registering .*\)$' err)" -eq 2 ]
	[ "$(grep -cE '^bigm start: 2 machines RUNNING after ' err)" -eq 1 ]
	"$BIGM" shutdown
	"$BIGM" start -v -q -n 2 --name calm 2>err
	! grep RUNNING err || false
}

@test "a dumb terminal gets lines when it takes long" {
	close_gate 1
	export TERM=dumb
	play "$BIGM" start -n 2 --name calm </dev/null
	shows " of 2 machines RUNNING, "
	open_gate
	ends 0
	screen 300 | sed 's/: https.*//' >said
	# On a busy host none may run by then.
	grep -qE "^bigm start: [01] of 2 machines RUNNING, [12] STARTING after T$" said
	[ "$(tail -n 3 said)" = "bigm start: m1 RUNNING after T
bigm start: 2 machines RUNNING after T
calm" ] || [ "$(tail -n 3 said)" = "bigm start: m0 RUNNING after T
bigm start: 2 machines RUNNING after T
calm" ]
}

@test "a terminal that a driver writes to gets lines when it takes long" {
	close_gate 1
	play "$BIGM" run -n 2 "$bigpi" -- --samples 1 </dev/null
	shows " of 2 machines RUNNING, "
	open_gate
	ends 0
	grep -aqE "^bigm run: m[01] RUNNING after .*: https:" shown
	grep -aqE "^bigm run: 2 machines RUNNING after " shown
	! grep -aF $'\e' shown || false
}

@test "--quiet shows nothing of it" {
	close_gate 1
	play "$BIGM" start --quiet -n 2 --name calm </dev/null
	eventually 20 starting 1
	# Long enough for it to be drawn, were it to be.
	sleep 1
	open_gate
	ends 0
	[ "$(tr -d '\r' <shown)" = calm ]
}

load common

@test "no command: the list of commands on stderr, status 2" {
	run_bigm
	[ "$status" -eq 2 ]
	[[ $output == usage:* ]]
	[ -z "$("$BIGM" 2>/dev/null)" ]
}

@test "--help lists the commands on stdout" {
	run_bigm --help
	[ "$status" -eq 0 ]
	[[ $output == *version* ]]
	[ "$output" = "$("$BIGM" help)" ]
}

@test "help of a command is what its --help says" {
	run_bigm help version
	[ "$status" -eq 0 ]
	[[ $output == "usage: bigm version"* ]]
	[ "$output" = "$("$BIGM" version --help)" ]
	[ "$output" = "$("$BIGM" version -h)" ]
}

@test "an unknown command names the nearest" {
	run_bigm vresion
	[ "$status" -eq 2 ]
	[ "$output" = "bigm: there is no command vresion; did you mean version?" ]
	run_bigm help vresion
	[ "$status" -eq 2 ]
	[ "$output" = "bigm: there is no command vresion; did you mean version?" ]
	run_bigm xyzzy
	[ "$status" -eq 2 ]
	[[ $output == *"no command xyzzy"*"bigm help"* ]]
}

@test "an unknown option names the nearest" {
	run_bigm version --verbsoe
	[ "$status" -eq 2 ]
	[ "$output" = "bigm version: there is no option --verbsoe; did you mean --verbose?" ]
	run_bigm --verison
	[ "$status" -eq 2 ]
	[ "$output" = "bigm: there is no option --verison; did you mean --version?" ]
}

@test "a word too many is refused" {
	run_bigm version 1
	[ "$status" -eq 2 ]
	[[ $output == "bigm version: 1: one word too many; usage: bigm version"* ]]
	run_bigm version -- 1
	[ "$status" -eq 2 ]
}

@test "an error is one line, whatever the name" {
	run_bigm $'a\nb\e[31m'
	[ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output != *$'\e'* ]]
}

@test "a full or closed standard output is told" {
	run bash -c '"$BIGM" version >/dev/full'
	[ "$status" -eq 1 ]
	[[ $output == "bigm version: standard output: No space left on device" ]]
	run bash -c '"$BIGM" version >&-'
	[ "$status" -eq 1 ]
	[[ $output == "bigm version: standard output: Bad file descriptor" ]]
}

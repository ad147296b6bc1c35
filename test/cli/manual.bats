load common

# The commands that `bigm help` lists.
commands() {
	"$BIGM" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

# The options that --help of a command lists, as the lines of its manual page: "Fl n , -machines" for -n, --machines.
options_of_help() {
	"$BIGM" "$@" --help | sed -nE \
		-e 's/^  -(.), --([a-z-]+).*/Fl \1 , -\2/p' \
		-e 's/^      --([a-z-]+).*/Fl -\1/p' | sort
}

# The options that a manual page lists, without their values.
options_of_page() {
	sed -nE 's/^\.It (Fl .*)/\1/p' "$1" | sed 's/ Ar .*//' | sort -u
}

@test "every command has a manual page, and bigm(1) lists it" {
	local command
	[ -n "$(commands)" ]
	for command in $(commands); do
		echo "$command"
		[ -f "$abs_top_srcdir/man/bigm-$command.1" ]
		grep -qx "\.It Cm $command" "$abs_top_srcdir/man/bigm.1"
		grep -q "^\.Xr bigm-$command 1" "$abs_top_srcdir/man/bigm.1"
	done
	[ "$(grep -c '^\.It Cm' "$abs_top_srcdir/man/bigm.1")" -eq "$(commands | wc -l)" ]
}

@test "manual pages and --help have the same options" {
	local command
	for command in $(commands); do
		diff -u <(options_of_help "$command") <(options_of_page "$abs_top_srcdir/man/bigm-$command.1")
	done
}

@test "bigm(1) and bigm --help have the same options, with those of every command" {
	diff -u <({ options_of_help; options_of_help version; } | sort -u) <(options_of_page "$abs_top_srcdir/man/bigm.1")
}

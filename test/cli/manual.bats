load common

clean_up() {
	"$BIGM" shutdown --all
	forget_jobs
}

# The commands that `bigm help` lists.
commands() {
	"$BIGM" help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

# The options that --help of a command lists, as the lines of its manual page: "Fl n , -machines" for -n, --machines.
options_of_help() {
	"$BIGM" "$@" --help | sed -nE \
		-e 's/^  -(.), --([a-z0-9-]+).*/Fl \1 , -\2/p' \
		-e 's/^      --([a-z0-9-]+).*/Fl -\1/p' | sort
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

@test "bigm-ec2(5) and bigm-ssh(5) have the settings of their systems, and the options are the same" {
	local run_options settings system
	for system in ec2 ssh; do
		settings=$("$BIGM" config | sed -nE "s/^$system-([a-z0-9-]+) .*/\1/p" | sort)
		[ -n "$settings" ]
		diff -u <(echo "$settings") <(sed -nE 's/^\.It Cm ([a-z0-9-]+).*/\1/p' "$abs_top_srcdir/man/bigm-$system.5" | sort)
		run_options=$("$BIGM" completion candidates -- run "--$system-" | grep -oE -- "--$system-[a-z0-9-]+" | sed "s/^--$system-//" | sort -u)
		diff -u <(echo "$settings") <(echo "$run_options")
	done
}

# The examples of a manual page that a POSIX shell understands, as the reader sees them.
examples_of_page() {
	sed -n '/^\.Sh EXAMPLES/,$s/^\.Dl \(bigm .*\)/\1/p' "$1" | grep -v '| source' | sed 's/\\(dq/"/g; s/\\e/\\/g; s/\\&//g'
}

# do_example COMMAND: in a folder like a build tree's. All but those that start clusters find one, named calm, whose m0
# has printed a line. What goes on until the cluster ends is ended that way.
do_example() {
	echo "\$ $1"
	case $1 in
	*--cluster* | 'bigm run -c'*) ;;
	'bigm start '* | 'bigm run '*)
		timeout 60 bash -c "$1" </dev/null 3>&-
		clean_up
		return
		;;
	esac
	"$BIGM" start -n 3 --name calm "$abs_top_builddir/examples/bigpi" >/dev/null
	"$BIGM" call m0 PI.Sample '{"seed": 1, "begin": 0, "end": 1}' >/dev/null
	case $1 in
	*--no-follow*) timeout 60 bash -c "$1" </dev/null 3>&- ;;
	'bigm tail '* | *' --watch'*)
		rm -f followed # of the example before
		timeout 60 bash -c "$1" </dev/null >followed 3>&- &
		eventually 10 test -s followed
		clean_up
		wait $!
		;;
	*'exit 9'*) [ "$(timeout 60 bash -c "$1" </dev/null 3>&- || echo $?)" = 9 ] ;;
	*) timeout 60 bash -c "$1" </dev/null 3>&- ;;
	esac
	clean_up
}

@test "no page loses the quotes of what it quotes" {
	# A word of a macro's line that begins with a quote loses it; \\(dq is one that stays.
	run grep -nE '^\.(Dl|D1|Li|Ql) (.* )?"' "$abs_top_srcdir"/man/*.[1-8]
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "every example of every page of a command does something, without failing" {
	local page n=0
	ln -s "${abs_top_builddir:?}/examples" examples
	tar -cf files.tar examples
	PATH=$(dirname "$BIGM"):$PATH
	for page in "$abs_top_srcdir"/man/*.1 "$abs_top_srcdir/man/bigm-supervisor.7"; do
		while IFS= read -r example; do
			do_example "$example"
			n=$((n + 1))
		done < <(examples_of_page "$page")
	done
	[ "$n" -ge 15 ]
}

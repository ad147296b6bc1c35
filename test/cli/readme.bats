# What the README and docs/guide.md show does what it says.
bats_require_minimum_version 1.5.0
load common

readme=${abs_top_srcdir:?}/README.md
guide=$abs_top_srcdir/docs/guide.md

clean_up() {
	"$BIGM" shutdown --all
}

# block LANGUAGE N [PAGE]: the Nth block of that language.
block() {
	awk -v language="$1" -v n="$2" '/^```/ { on = $0 == "```" language && ++k == n; next } on' "${3:-$readme}"
}

# The blocks name ./bigm and examples/, as after a build in the tree.
setup_tree() {
	ln -s "$BIGM" bigm
	ln -s "${abs_top_builddir:?}/examples" examples
}

@test "the README is read in four minutes, at 200 words a minute, which leaves one for its commands" {
	[ "$(wc -w <"$readme")" -le 800 ]
}

@test "every page and folder that the README names is there" {
	# shellcheck disable=SC2016 # those are the page's
	grep -oE '`(docs|man|test|lib|examples)/[A-Za-z0-9_/.-]+`|`[A-Z]+\.md`' "$readme" | tr -d '`' >named
	grep -oE 'man man/[a-z0-9.-]+' "$readme" | cut -d' ' -f2 >>named
	[ "$(wc -l <named)" -ge 10 ]
	while read -r path; do
		echo "$path"
		[ -e "$abs_top_srcdir/$path" ] || [ -e "${abs_top_builddir:?}/$path" ]
	done <named
}

@test "the first two commands are bootstrap's" {
	[ "$(block sh 1 | grep -c '^./bootstrap ')" -eq 2 ]
}

# Ports differ, and machines speak in any order.
as_any() {
	sed 's/1:[0-9]*/1:PORT/' | sort
}

@test "bigpi prints what the walk-through shows" {
	local command
	setup_tree
	command=$(block console 1 | sed -n 's/^\$ //p')
	run bash -c "$command" 3>&-
	[ "$status" -eq 0 ]
	diff <(block console 1 | sed 1d | as_any) <(as_any <<<"$output")
}

@test "the pipeline prints the digits alone" {
	setup_tree
	run bash -c "$(block sh 2)" 3>&-
	[ "$status" -eq 0 ]
	[[ $output == "π = 3."* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "a plain program knows its rank" {
	setup_tree
	run bash -c "$(block sh 3)" 3>&-
	[ "$status" -eq 0 ]
	[ "$(sort <<<"$output")" = "0 of 4
1 of 4
2 of 4
3 of 4" ]
}

@test "a script can hold a cluster" {
	setup_tree
	run bash -e -c "$(block sh 4)" 3>&-
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = calm ]
	[ "$(grep -c RUNNING <<<"$output")" -eq 3 ]
	grep -qx PI <<<"$output"
	grep -qx 785920 <<<"$output"
	[ "$(grep -c '"reply":7' <<<"$output")" -eq 3 ]
	[ "$(grep -cx "$(hostname)" <<<"$output")" -eq 3 ]
	grep -q '^m0: 0/1000000$' <<<"$output"
}

@test "a job runs for each of many inputs" {
	setup_tree
	run --separate-stderr bash -e -c "$(block sh 1 "$guide")" 3>&-
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 1 ]
	[ "${lines[99]}" = 10000 ]
	[ "${#lines[@]}" -eq 102 ]
	grep -Eq '^[0-9]+ examples/bigpi$' <<<"$output"
}

@test "a run goes on by itself, and is asked afterwards" {
	setup_tree
	run --separate-stderr bash -e -c "$(block sh 2 "$guide")" 3>&-
	[ "$status" -eq 0 ]
	[ "$(grep -cx 'rank [01] is done' <<<"$output")" -eq 2 ]
	grep -q ' sh -c ' <<<"$output"
	nothing_left
}

@test "a bundle is made, listed and run" {
	setup_tree
	run --separate-stderr bash -e -c "$(block sh 3 "$guide")" 3>&-
	[ "$status" -eq 0 ]
	[[ ${lines[1]} == *" bigpi "* ]]
	[[ ${lines[2]} == "π = 3."* ]]
	[ ! -e pi.bigm ]
}

@test "the service compiles and adds" {
	block c 1 "$guide" >sum.c
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -I"$abs_top_srcdir/lib" sum.c -o sum \
		"$abs_top_builddir/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
	run --separate-stderr ./sum
	[ "$status" -eq 0 ]
	[ "$output" = "$(block console 1 "$guide" | tail -n 1)" ]
}

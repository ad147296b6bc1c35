# shellcheck disable=SC2016,SC1083 # the quoted scripts are for other shells; {} is ours
# bigm map and GNU parallel do the same with the same command lines, where they have the same options.
bats_require_minimum_version 1.5.0
load common

setup_file() {
	parallel --version 2>/dev/null | grep -q '^GNU parallel' || skip_all "GNU parallel is not installed"
	export PARALLEL_HOME=$BATS_FILE_TMPDIR
	touch "$PARALLEL_HOME/will-cite"
}

clean_up() {
	"$BIGM" shutdown --all 2>/dev/null
}

# same OPTION... [::: INPUT...]: both print the same, also to standard error but for what bigm says itself, and end with
# the same status. The command stands behind "--" for bigm; parallel, which has a shell, is asked to quote it (-q).
# Standard input is the file "in", which is empty if there is none.
same() {
	local ours=0 theirs=0 options=() in=/dev/null
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	[ ! -e in ] || in=in
	"$BIGM" map --quiet "${options[@]}" -- "$@" <$in >ours.out 2>ours.all || ours=$?
	grep -v '^bigm map: ' ours.all >ours.err || :
	parallel --will-cite -q "${options[@]}" "$@" <$in >theirs.out 2>theirs.all || theirs=$?
	grep -v '^parallel: ' theirs.all >theirs.err || :
	echo "${options[*]} -- $*: status $ours, theirs $theirs"
	diff ours.out theirs.out
	diff ours.err theirs.err
	[ "$ours" -eq "$theirs" ]
}

@test "inputs come from lines, pieces, files and lists" {
	printf 'a b\n\n c\nd' >in
	same -k -- printf '<%s>'
	printf '1\n2\n' >two
	same -k -a two -a in -- printf '<%s,%s>'
	same -k -a two -- printf '<%s,%s>' ::: x y
	same -k -- printf '<%s,%s>' ::: x y :::: two
	same -k -- printf '<%s>' :::: two
	same -k -- printf '<%s,%s>' :::: two two
	same -k -- printf '<%s,%s,%s>' ::: a b ::: c ::: d e
	printf 'a\nb\0c\0\0d' >in
	same -k --null -a in -- printf '<%s>'
}

@test "placeholders stand for the same" {
	same -k -- printf '<%s>' {} {.} {/} {//} {/.} {#} \
		::: a.b d/e.f/g.tar.gz .profile /x ./a/ ../b.c 'a b.c d' a. d/. .. a/b/ //x
	same -k -- printf '<%s>' {2} {1.}-{2/} {-1} {-2.} ::: a.x b.y ::: c/d e
	same -k -- printf '<%s>' {} {.} ::: a.x b.y ::: c/d e
	same -k -- printf '<%s>' x{#} ::: a '$(id)'
	same -k -- printf '<%s>' ::: '$(id)' '`id`' '* "' "'" '\n'
}

@test "what they print is in the same order, with the same tags, in the same files" {
	same -k -j 2 -- sh -c 'sleep 0.$1; echo $1; echo e$1 >&2' _ ::: 3 1 2
	same -k --keep-order --tag -- printf '1\n%s\n' ::: a b ::: c
	same -k --tag -- sh -c 'echo o; echo e >&2' ::: 1 2
	for name in kept 'other/{1}-{#}' 'folders/{2}/{1}/'; do
		mkdir one two other folders
		(cd one && "$BIGM" map --results "$name" -- sh -c 'echo $1$2; echo $2 >&2' _ ::: a 'b/c' 'd\e' .x ::: 1 2 >/dev/null 2>&1)
		(cd two && parallel --will-cite -q --results "$name" sh -c 'echo $1$2; echo $2 >&2' _ ::: a 'b/c' 'd\e' .x ::: 1 2 >/dev/null 2>&1)
		[ "$(find one -type f | wc -l)" -eq 24 ] || [[ $name = other* ]]
		diff -r one two
		rm -r one two other folders
	done
}

@test "a dry run prints commands that a shell would take for the same" {
	for run in "$BIGM map" "parallel --will-cite -q"; do
		$run -k --dry-run -- printf '<%s>' "it's" {} ::: 'a  b' '$x' >"commands" 2>&1 || :
		sh commands >>printed
		echo >>printed
	done
	[ "$(sort -u printed | wc -l)" -eq 1 ]
}

@test "they halt for the same, with the same status" {
	local halt
	# The statuses of the jobs are 7, 0, 0, 9 and 0, one after the other; which of them begin besides is a matter of time.
	for halt in never -2 now,fail=1 soon,success=2 soon,done=1 now,fail=10%; do
		for tool in "$BIGM map --quiet" "parallel --will-cite -q"; do
			status=0
			$tool -j 1 --halt "$halt" -- sh -c 'exit $1' _ ::: 7 0 0 9 0 >/dev/null 2>&1 || status=$?
			case $halt in
			# Theirs is the number, or the share, of those that failed.
			never | *%) status=$((status != 0)) ;;
			esac
			echo "$halt: $status" >>"$(basename "${tool%% *}")"
		done
	done
	diff bigm parallel
	grep -qx 'now,fail=1: 7' bigm
	[ "$(wc -l <bigm)" -eq 6 ]
}

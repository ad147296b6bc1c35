# docs/tutorials.md: of each section the commands, in one shell, print what it shows.
# shellcheck disable=SC2154 # bats sets $output and $status
load common

page=${abs_top_srcdir:?}/docs/tutorials.md

clean_up() {
	"$BIGM" shutdown --all
}

# blocks LANGUAGE SECTION: those of the section whose title begins so.
blocks() {
	awk -v language="$1" -v section="## $2" '/^## / { here = index($0, section) == 1 }
	/^```/ { on = here && $0 == "```" language; next } on' "$page"
}

# tutorial SECTION: runs it.
tutorial() {
	ln -s "$BIGM" bigm
	ln -s "${abs_top_builddir:?}/examples" examples
	cp "$abs_top_srcdir/README.md" .
	blocks sh "$1" >commands
	blocks text "$1" >expected
	[ -s commands ]
	[ -s expected ]
	bash commands >printed 3>&-
	diff expected printed
}

@test "bigpi" {
	tutorial bigpi
}

@test "wordcount" {
	tutorial wordcount
}

@test "batch" {
	tutorial Batch
}

@test "there is no section that no test runs" {
	[ "$(grep -c '^## ' "$page")" -eq 3 ]
}

# docs/tutorials.md: of each section the commands, in one shell, print what it shows.
load common
load tutorial

clean_up() {
	"$BIGM" shutdown --all
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

# Times and shares differ.
without_figures() {
	sed -E 's/[0-9]+(\.[0-9]+)?(ns|us|ms|s|%)/…/g; s/ +/ /g'
}

@test "profiling" {
	[ "${sanitizer:-no}" = no ] || skip "a sanitizer has malloc() and the locks for itself"
	tutorial "Profiling: where" without_figures
}

@test "profiling with go tool pprof" {
	[ "${sanitizer:-no}" = no ] || skip "a sanitizer has malloc() and the locks for itself"
	command -v go >/dev/null || skip "there is no go (Debian package golang-go)"
	tutorial "Profiling with go"
}

@test "there is no section that no test runs" {
	[ "$(grep -c '^## ' "$page")" -eq 5 ]
}

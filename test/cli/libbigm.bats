# libbigm as a user's program meets it.
bats_require_minimum_version 1.5.0
load common

# The example of libbigm(3), as C.
manual_example() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "${abs_top_srcdir:?}/man/libbigm.3" | sed '1,/^\.Bd/d; /^\.Ed/d; s/\\e/\\/g'
}

# compile NAME: NAME.c to NAME, with the library of this build.
compile() {
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -Wextra -Wno-unused-parameter -Werror -I"$abs_top_srcdir/lib" "$1.c" -o "$1" \
		"${abs_top_builddir:?}/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

@test "the example of libbigm(3) compiles, runs and prints 6" {
	manual_example >example.c
	compile example
	run --separate-stderr ./example
	[ "$status" -eq 0 ]
	[ "$output" = 6 ]
}

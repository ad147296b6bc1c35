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

@test "under bigm run a driver's own failure is its status, though it has shut its cluster down" {
	cat >driver.c <<-'END'
		#include <bigm.h>
		#include <stdlib.h>
		static const struct bigm_method methods[] = { { 0 } };
		static const struct bigm_service_type t = { sizeof(t), "T", methods, NULL, NULL };
		static const struct bigm_service_type *const types[] = { &t, NULL };
		int main(int argc, char **argv)
		{
			const struct bigm_service services[] = { { "T", NULL, NULL }, { 0 } };
			struct bigm *b = bigm_init(&argc, &argv, types, NULL);
			struct bigm_machine **m;
			int n = bigm_start(b, 1, services, NULL, &m, NULL);
			if (n == 1)
				free(m);
			bigm_free(b);
			return n == 1 ? 7 : 8;
		}
	END
	compile driver
	for _ in 1 2 3 4 5; do
		run "$BIGM" run ./driver
		echo "$output"
		[ "$status" -eq 7 ]
		[ -z "$output" ]
	done
}

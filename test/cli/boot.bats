# Machines that do not come up.
load common

# compile NAME: NAME.c from standard input, with the library of this build.
compile() {
	cat >"$1.c"
	# shellcheck disable=SC2046,SC2086,SC2154 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -I"$abs_top_srcdir/lib" "$1.c" -o "$1" \
		"${abs_top_builddir:?}/libbigm.a" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

@test "a machine that exits while it starts fails at once" {
	compile early <<-'END'
		#include <bigm.h>
		#include <stdlib.h>
		int main(int argc, char **argv)
		{
			if (getenv("BIGM_BOOT"))
				return 3;
			return bigm_init(&argc, &argv, NULL, NULL) == NULL;
		}
	END
	# No time-out is waited for: the first of them is an hour.
	run_bigm start --keepalive-timeout 1h --keepalive-call 1h ./early
	[ "$status" -eq 1 ]
	[[ $output == *"m0: exited with status 3 while starting"* ]]
}

@test "one that never serves is given up, and its phase is named" {
	compile silent <<-'END'
		#include <bigm.h>
		#include <stdlib.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			while (getenv("BIGM_BOOT"))
				pause();
			return bigm_init(&argc, &argv, NULL, NULL) == NULL;
		}
	END
	run_bigm start --keepalive-timeout 1s --keepalive-call 500ms ./silent
	[ "$status" -eq 1 ]
	[[ $output == *"m0: did not begin to serve (still booting): no answer to Keepalive within 1s"* ]]
}

# Ten seconds, so that a busy host gets so far.
@test "one whose service is never made is named with that" {
	compile slow <<-'END'
		#include <bigm.h>
		#include <unistd.h>
		static const struct bigm_method methods[] = { { 0 } };
		static int init(struct bigm *b, const struct cJSON *params, void **state, struct bigm_error *err)
		{
			while (pause() < 0)
				;
			return 0;
		}
		static const struct bigm_service_type slow = { sizeof(slow), "Slow", methods, init, NULL };
		static const struct bigm_service_type *const types[] = { &slow, NULL };
		int main(int argc, char **argv)
		{
			return bigm_init(&argc, &argv, types, NULL) == NULL;
		}
	END
	"$BIGM" start --no-wait --name calm ./slow 3>&-
	eventually 20 is_registering
	"$BIGM" shutdown calm
	run_bigm start -n 2 --timeout 10s ./slow
	[ "$status" -eq 1 ]
	[[ $output == *"m0 has not come up: still registering"*"m1 has not come up: still registering"* ]]
}

is_registering() {
	"$BIGM" status --json | grep -q '"phase":"registering"'
}

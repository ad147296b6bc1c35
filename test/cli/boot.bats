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

# Prints a line before it serves, another while its service is made, and one for each call; with CRASH it ends before.
compile_chatty() {
	compile chatty <<-'END'
		#include <bigm.h>
		#include <stdio.h>
		#include <stdlib.h>
		static int say(struct bigm_request *r, const struct cJSON *a, struct cJSON **y, struct bigm_error *e)
		{
			puts("serving");
			return fflush(stdout);
		}
		static int init(struct bigm *b, const struct cJSON *params, void **state, struct bigm_error *err)
		{
			puts("making");
			return fflush(stdout);
		}
		static const struct bigm_method methods[] = { { "Say", say, 0 }, { 0 } };
		static const struct bigm_service_type type = { sizeof(type), "Chatty", methods, init, NULL };
		static const struct bigm_service_type *const types[] = { &type, NULL };
		static const struct bigm_service services[] = { { "Chatty", NULL, NULL }, { 0 } };
		int main(int argc, char **argv)
		{
			struct bigm_error err = BIGM_ERROR_INIT;
			struct bigm_machine **m = NULL;
			if (getenv("BIGM_BOOT"))
				puts("loading");
			if (getenv("BIGM_BOOT") && getenv("CRASH")) {
				printf("cannot open data");
				return 3;
			}
			struct bigm *b = bigm_init(&argc, &argv, types, &err);
			int n = b ? bigm_start(b, 0, services, NULL, &m, &err) : -1;
			for (int i = 0; i < n; i++)
				if (bigm_call(m[i], "Chatty.Say", NULL, NULL, &err) < 0)
					return 1;
			bigm_free(b);
			free(m);
			return n < 0;
		}
	END
}

@test "what a machine prints before it serves is shown with -v only; what it prints then always is" {
	compile_chatty
	"$BIGM" run -n 2 ./chatty 2>err
	[ "$(grep -o '^m[01]: .*' err | sort)" = $'m0: making\nm0: serving\nm1: making\nm1: serving' ]
	"$BIGM" run -v ./chatty 2>err
	[ "$(grep -o '^m0: .*' err)" = $'m0: loading\nm0: making\nm0: serving' ]
	./chatty 2>err
	[ "$(cat err)" = $'m0: making\nm0: serving' ]
	./chatty -bigm.debug=1 2>err
	[ "$(grep -o '^m0: .*' err)" = $'m0: loading\nm0: making\nm0: serving' ]

	"$BIGM" start ./chatty 2>err 3>&-
	[ ! -s err ]
	"$BIGM" call m0 Chatty.Say
	eventually 10 printed_by_m0 $'making\nserving'
	eventually 10 printed_by_m0 $'loading\nmaking\nserving' -v
	[ "$("$BIGM" tail m0 --no-follow --lines 3)" = $'making\nserving' ]
	"$BIGM" shutdown
}

printed_by_m0() {
	[ "$("$BIGM" tail m0 --no-follow "${@:2}")" = "$1" ]
}

@test "so it is where the program is sent to a machine that runs" {
	compile_chatty
	"$BIGM" bundle -o chatty.bigm ./chatty
	"$BIGM" start chatty.bigm 3>&-
	"$BIGM" call m0 Chatty.Say
	eventually 10 printed_by_m0 $'making\nserving'
	eventually 10 printed_by_m0 $'loading\nmaking\nserving' -v
	"$BIGM" shutdown
}

# Fewer are told by their last words.
@test "five machines in a row that do not come up are shown, once" {
	compile_chatty
	local reason='exited with status 3 while starting; it printed last: "cannot open data"'
	export CRASH=1
	"$BIGM" start -n 4 ./chatty 2>err && false
	[ "$(cat err)" = "bigm start: m0: $reason (0 of 4 machines came up)" ]
	"$BIGM" start -n 6 ./chatty 2>err && false
	[ "$(grep -c 'loading$' err)" -eq 6 ]
	[ "$(grep -c '^m[0-5]: cannot open data$' err)" -eq 6 ]
	grep -q "^bigm start: m[0-5]: $reason (0 of 6 machines came up)$" err
	"$BIGM" start -v -n 6 ./chatty 2>err && false
	[ "$(grep -c 'loading$' err)" -eq 6 ]

	"$BIGM" start --no-wait -n 6 ./chatty 3>&-
	eventually 10 all_failed
	[ -z "$("$BIGM" tail --no-follow 2>err)" ]
	[ "$(grep -c '^m[0-5]: loading$' err)" -eq 6 ]
	"$BIGM" tail --no-follow -v >out 2>err
	[ "$(grep -c '^m[0-5]: loading$' out)" -eq 6 ]
	[ ! -s err ]
	"$BIGM" shutdown
}

all_failed() {
	[ "$("$BIGM" status | grep -c "^m[0-5]  *STOPPED.*it printed last: \"cannot open data\"$")" -eq 6 ]
}

is_registering() {
	"$BIGM" status --json | grep -q '"phase":"registering"'
}

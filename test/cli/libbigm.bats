# libbigm as a user's program meets it.
# shellcheck disable=SC2154 # bats sets $stderr
bats_require_minimum_version 1.5.0
load common

# manual_example [PAGE]: the example of libbigm(3), or of another page, as C.
manual_example() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "${abs_top_srcdir:?}/man/${1:-libbigm.3}" | sed '1,/^\.Bd/d; /^\.Ed/d; s/\\e/\\/g'
}

# compile NAME [LIBRARY [OPTION...]]: NAME.c to NAME, with libbigm, or another library, of this build.
compile() {
	# shellcheck disable=SC2046,SC2086 # commands and options
	${CC:?} ${sanitizer_flags?} -Wall -Wextra -Wno-unused-parameter -Werror -I"$abs_top_srcdir/lib" "$1.c" -o "$1" \
		"${abs_top_builddir:?}/${2:-libbigm}.a" "${@:3}" $(pkg-config --libs libuv openssl libnghttp2 libcjson inih) -pthread
}

@test "the example of libbigm(3) compiles, runs and prints 6" {
	manual_example >example.c
	compile example
	run --separate-stderr ./example
	[ "$status" -eq 0 ]
	[ "$output" = 6 ]
}

@test "the example of libbigm_test(3) compiles and passes, without bigm" {
	pkg-config --exists cmocka || skip "there is no cmocka here"
	manual_example libbigm_test.3 >example.c
	# shellcheck disable=SC2046 # options
	compile example libbigm_test $(pkg-config --cflags --libs cmocka)
	BIGM=/nowhere run --separate-stderr ./example
	echo "$output$stderr"
	[ "$status" -eq 0 ]
	[ "$stderr" = "" ] || [[ $stderr == *"killed by the test"* ]]
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

# A service that calls its peers and tells what it was started with.
peers_program() {
	cat <<-'END'
		#include <bigm.h>
		#include <stdio.h>
		#include <stdlib.h>

		static int hops(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply,
				struct bigm_error *err)
		{
			const char *here, *there;
			int64_t left, below = 0;
			struct bigm_machine *peer;
			struct cJSON *next, *answer = NULL;
			int r;

			if (bigm_json_get_int64(arg, "left", &left, err) < 0 ||
			    bigm_json_get_string(arg, "here", &here, err) < 0 ||
			    bigm_json_get_string(arg, "there", &there, err) < 0)
				return err->code;
			if (left > 0) {
				peer = bigm_dial(bigm_request_bigm(req), there, err);
				if (!peer)
					return err->code;
				next = bigm_json("{\"left\": %lld, \"here\": \"%s\", \"there\": \"%s\"}",
						 (long long)left - 1, there, here);
				r = bigm_call(peer, "Peers.Hops", next, &answer, err);
				bigm_json_free(next);
				if (r < 0)
					return r;
				bigm_json_get_int64(answer, NULL, &below, err);
				bigm_json_free(answer);
			}
			*reply = bigm_json("%lld", (long long)below + 1);
			return 0;
		}

		static int init(struct bigm *b, const struct cJSON *params, void **state, struct bigm_error *err)
		{
			const char *n = getenv("BIGM_PROCS"), *extra = getenv("EXTRA");
			char *const *argv = bigm_argv(b, NULL);

			if (bigm_json_get_string(params, "word", (const char **)state, err) < 0)
				return err->code;
			fprintf(stderr, "word %s argument %s procs %s extra %s control %s\n", (char *)*state, argv[1], n,
				extra, getenv("BIGM_CONTROL") ? "yes" : "no");
			return 0;
		}

		static const struct bigm_method methods[] = { { "Hops", hops, 0 }, { 0 } };
		static const struct bigm_service_type peers = { sizeof(peers), "Peers", methods, init, NULL };
		static const struct bigm_service_type *const types[] = { &peers, NULL };

		int main(int argc, char **argv)
		{
			struct bigm_error err = BIGM_ERROR_INIT;
			struct bigm *b = bigm_init(&argc, &argv, types, &err);
			const struct bigm_service services[] = { { "Peers", NULL, argc > 2 ? argv[2] : "{\"word\": \"w\"}" }, { 0 } };
			const char *const env[] = { "EXTRA=more", NULL };
			const struct bigm_start_options options = { .size = sizeof(options), .env = env };
			struct bigm_machine **m = NULL;
			struct cJSON *arg, *reply = NULL;
			int64_t hops = 0;

			if (!b || bigm_start(b, 2, services, &options, &m, &err) < 0 ||
			    bigm_machine_wait(m[0], BIGM_RUNNING, -1, &err) < 0 ||
			    bigm_machine_wait(m[1], BIGM_RUNNING, -1, &err) < 0)
				goto out;
			arg = bigm_json("{\"left\": 40, \"here\": \"%s\", \"there\": \"%s\"}", bigm_machine_address(m[0]),
					bigm_machine_address(m[1]));
			if (bigm_call(m[0], "Peers.Hops", arg, &reply, &err) == 0)
				bigm_json_get_int64(reply, NULL, &hops, &err);
			bigm_json_free(reply);
			bigm_json_free(arg);
			printf("%lld\n", (long long)hops);
		out:
			bigm_free(b);
			free(m);
			if (err.code != BIGM_OK)
				fprintf(stderr, "%s\n", err.text);
			return err.code != BIGM_OK;
		}
	END
}

@test "services call their peers, and get arguments, settings, environment and parameters of the driver" {
	peers_program >peers.c
	compile peers
	run --separate-stderr ./peers one -bigm.procs=2
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$output" = 41 ]
	[ "$(grep -c '^m[01]: word w argument one procs 2 extra more control no$' <<<"$stderr")" -eq 2 ]
	run --separate-stderr "$BIGM" run ./peers --procs 3 -- two
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^m[01]: word w argument two procs 3 extra more control no$' <<<"$stderr")" -eq 2 ]
}

@test "an init that fails stops its machine with its message" {
	peers_program >peers.c
	compile peers
	run --separate-stderr ./peers one '{"wort": 1}'
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ $(tail -1 <<<"$stderr") == "m"[01]": "*"word"* ]]
	run --separate-stderr ./peers one '{"word": '
	[ "$status" -eq 1 ]
	[[ $stderr == *"the parameters of service Peers: "* ]]
}

@test "a program with a shared libbigm finds the bigm that was installed with it" {
	local library=$abs_top_builddir/.libs/libbigm.so.0
	[ -f "$library" ] || skip "there is no shared library in this build"
	mkdir -p there/lib there/bin
	cp -L "$library" there/lib
	ln -s "$BIGM" there/bin/bigm
	manual_example >example.c
	# shellcheck disable=SC2046,SC2086 # commands and options
	$CC $sanitizer_flags -I"$abs_top_srcdir/lib" example.c -o example there/lib/libbigm.so.0 $(pkg-config --libs libcjson)
	BIGM='' LD_LIBRARY_PATH=$PWD/there/lib run --separate-stderr ./example
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$output" = 6 ]
	rm there/bin/bigm
	BIGM='' LD_LIBRARY_PATH=$PWD/there/lib run --separate-stderr ./example
	[ "$status" -eq 1 ]
	[[ $stderr == *"$PWD/there/lib/../bin/bigm"* ]]
}

# A gate at which machines wait as they come up, for tests of what happens meanwhile.
# shellcheck shell=bash

# Machines that find a file $GATE/free* take it and go on, the others wait until $GATE/open is there.
build_gate() {
	export GATE_LIBRARY="$BATS_FILE_TMPDIR/gate.so"
	cat >"$BATS_FILE_TMPDIR/gate.c" <<-'END'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>

		static void __attribute__((constructor)) wait_at_the_gate(void)
		{
			const char *gate = getenv("GATE");
			char name[4096];

			if (getenv("BIGM_BOOT") == NULL || gate == NULL)
				return;
			for (int i = 0; i < 3; i++) {
				snprintf(name, sizeof(name), "%s/free%d", gate, i);
				if (unlink(name) == 0)
					return;
			}
			snprintf(name, sizeof(name), "%s/open", gate);
			while (access(name, F_OK) != 0)
				usleep(10000);
		}
	END
	${CC:?} -shared -fPIC "$BATS_FILE_TMPDIR/gate.c" -o "$GATE_LIBRARY"
}

# close_gate FREE: as many machines may pass, the others wait.
close_gate() {
	local i
	export GATE="${DIR:?}/gate" LD_PRELOAD="$GATE_LIBRARY" TERM=xterm-256color
	mkdir "$GATE"
	for ((i = 0; i < $1; i++)); do
		touch "$GATE/free$i"
	done
}

open_gate() {
	if [ -d "$DIR/gate" ]; then touch "$DIR/gate/open"; fi
}

# A file that needs more of either defines its own, behind `load gate`.
setup_file() {
	build_gate
}

clean_up() {
	open_gate
	"$BIGM" shutdown --all 2>/dev/null
}

# starting N: the only cluster has so many machines that are STARTING.
starting() {
	[ "$("$BIGM" status --json | grep -o '"STARTING"' | wc -l)" -eq "$1" ]
}

# kill_one_starting N: kills one of the N machines that are STARTING, once there are so many.
kill_one_starting() {
	eventually 20 starting "$1"
	kill -KILL "$("$BIGM" status --json | grep -oE '"STARTING"[^}]*' | head -1 | grep -oP '"pid":\K[0-9]+')"
}

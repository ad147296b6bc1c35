/*
 * settings_table: every setting of the ssh system, once.
 *
 * SSH_SETTINGS(X, with) is X(with, NAME, KIND, FIELD, LEAST, MOST, DEFAULT,
 * VALUE, HELP) for each; machine/system_settings.h says what these are.  From
 * it come struct ssh_settings' parsing, the options of bigm (cmd/run.h), what
 * `bigm config` shows, and the test that holds bigm-ssh(5) against it.
 */
#ifndef SSH_SETTINGS_TABLE_H
#define SSH_SETTINGS_TABLE_H

#define SSH_SETTINGS(X, with)                                                  \
	X(with, "host", LIST, hosts, 0, 0, "(none)", "HOST[:PROCS][,...]",     \
	  "hosts that have an sshd, for a machine each")                       \
	X(with, "hosts", TEXT, file, 0, 0, "(none)", "FILE",                   \
	  "the same, a line each")                                             \
	X(with, "config", TEXT, config, 0, 0, "(~/.ssh/config)", "FILE",       \
	  "what ssh reads of hosts instead of your own file")                  \
	X(with, "port", NUMBER, port, 0, 65535, "0", "PORT",                   \
	  "where machines listen, a host's second at the next one; 0: anywhere") \
	X(with, "dir", TEXT, dir, 0, 0, "($TMPDIR, /tmp, /var/tmp or ~ there)", \
	  "FOLDER", "where machines have their folders on the hosts")          \
	X(with, "arch", TEXT, arch, 0, 0, "(this host's)", "ARCH",             \
	  "what the hosts are: linux/amd64 or linux/arm64")

#endif

/*
 * sshd: the real one, for unit tests: one process a connection, on a port of
 * its own of 127.0.0.1, with keys and folder of its own, on the test's loop.
 */
#ifndef TEST_SSHD_H
#define TEST_SSHD_H

#include "ec2/ssh.h"

struct sshd;

/* NULL where there is none: skip() then. */
struct sshd *sshd_start(struct loop *loop);
void sshd_stop(struct sshd *sshd);

/* To log in there, as who runs the test. */
struct ssh_target sshd_target(const struct sshd *sshd);

/* It accepts connections and says nothing. */
void sshd_be_silent(struct sshd *sshd);

/* Kills the processes of all connections. */
void sshd_cut(struct sshd *sshd);

#endif

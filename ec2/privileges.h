/*
 * privileges: what ec2boot gives up of root's.
 *
 * On an instance it is root, since the user's programs are.  What it does
 * itself, with bytes that come from a network, is less: it reads and writes any
 * file (`bigm cp`), ends processes of other users (jobs may become others), and
 * that is all; port 443 is bound before.  So a mistake of its own cannot mount,
 * load a module, trace a process, change the network or the clock.
 *
 * A program that it starts or becomes is root with all that root has, as if
 * nothing had been given up: the bounding set stays, and so do the inheritable
 * and the ambient capabilities (capabilities(7)).  It is hence no cage for
 * somebody who runs code in here; that is the user's programs' business anyway.
 */
#ifndef EC2_PRIVILEGES_H
#define EC2_PRIVILEGES_H

/*
 * Of this thread and those that it makes; call it before the first one, and
 * after listening.  Does nothing for who is not root, or where root's programs
 * do not get everything back (SECBIT_NOROOT).  Never fails: where the kernel
 * refuses, a line in the log says so.
 */
void privileges_drop(void);

#endif

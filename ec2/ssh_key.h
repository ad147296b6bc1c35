/*
 * ssh_key: ed25519 keys as OpenSSH writes them: an instance's host key, which
 * the keeper makes and so knows at the first connection, and the key with
 * which the keeper logs in.
 *
 * Ed25519 and nothing else: libssh2 1.10 signs RSA with SHA-1, which today's
 * sshd refuses.  The format of private keys is openssh-key-v1, of OpenSSH's
 * PROTOCOL.key; sshd reads ed25519 keys in no other.
 */
#ifndef EC2_SSH_KEY_H
#define EC2_SSH_KEY_H

#include <stddef.h>

#include "bigm.h"

struct ssh_key {
	char *private_text; /* "-----BEGIN OPENSSH PRIVATE KEY-----…" */
	char *public_text;  /* "ssh-ed25519 AAAA… COMMENT", without newline */
};

/* Makes one.  comment: printable, without newline. */
int ssh_key_new(struct ssh_key *key, const char *comment,
		struct bigm_error *err);
/* Wipes and frees; fine for zeroes. */
void ssh_key_release(struct ssh_key *key);

/* The binary form of a public key's line, malloc'ed, and its length: what a
 * host shows.  NULL with BIGM_EINVALID for a line that is no ed25519 key. */
unsigned char *ssh_key_blob(const char *public_text, size_t *len,
			    struct bigm_error *err);

#endif

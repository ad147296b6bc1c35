/*
 * records: where the TLS record ends of which the first bytes have come.
 *
 * Nothing of a record can be read before all of it is there.  From a network
 * it comes in a dozen packets, for each of which the kernel would wake us in
 * vain; told how much is lacking (SO_RCVLOWAT) it wakes us once.  So a byte
 * over a slow link costs hardly more than over a fast one.
 *
 * Only the lengths of records are looked at (RFC 8446, 5.1); whether they are
 * any good is for OpenSSL to say.  A peer that lies makes nobody wait but
 * itself, and its end, or a full buffer of the kernel's, wakes us as ever.
 */
#ifndef RPC_RECORDS_H
#define RPC_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORDS_HEADER 5
#define RECORDS_WORTH 2048 /* less is not worth telling the kernel */
#define RECORDS_MOST (16640 + RECORDS_HEADER) /* that a record can have */

/* All zero at first. */
struct records {
	uint8_t header[RECORDS_HEADER];
	size_t got;  /* bytes of the header; all of them: in the record */
	size_t left; /* bytes of the record that are lacking */
	size_t told; /* what the kernel has been told; 0: nothing */
};

/* These bytes have come. */
void records_pass(struct records *records, const uint8_t *data, size_t len);

/* Tells the kernel, if there is something new. */
void records_tell(struct records *records, int fd);

#endif

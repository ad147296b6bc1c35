/*
 * mhd: libmicrohttpd, loaded when somebody looks.
 *
 * It and what it needs (GnuTLS, for one) would cost every start of every
 * program milliseconds, for pages that most runs never show.
 */
#ifndef DEBUG_MHD_H
#define DEBUG_MHD_H

#include <microhttpd.h>

#include "bigm.h"

#define MHD_FUNCTIONS(X)                                                       \
	X(start_daemon)                                                        \
	X(stop_daemon)                                                         \
	X(create_response_from_buffer)                                         \
	X(create_response_from_callback)                                       \
	X(add_response_header)                                                 \
	X(queue_response)                                                      \
	X(destroy_response)                                                    \
	X(get_connection_info)                                                 \
	X(get_connection_values)                                               \
	X(lookup_connection_value)

#define MHD_MEMBER(name) __typeof__(&MHD_##name) name;
struct mhd { MHD_FUNCTIONS(MHD_MEMBER) };
#undef MHD_MEMBER

/* False in a static program, which has a C library of its own, beside which no
 * other works. */
bool mhd_is_possible(void);

/* Any thread.  BIGM_EUNSUPPORTED where it is not there, or this is a static
 * program. */
int mhd_load(struct mhd *mhd, struct bigm_error *err);

#endif

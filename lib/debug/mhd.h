/*
 * mhd: libmicrohttpd, which is linked into whatever serves debug pages: bigm, a
 * program with libbigm, ec2boot.  So there are pages where nothing is
 * installed, in a bundle and in a static program.
 *
 * As a shared library it would bring GnuTLS along, seven megabytes for pages
 * that are plain HTTP on a loopback device, and milliseconds for each start.  Of
 * Debian's archive one object is made (lib/debug/Makefile.inc), 140 kB, in which
 * GnuTLS is what no_tls.c says and everything is local but the functions that
 * MHD_FUNCTIONS of that Makefile.inc names.
 *
 * They are hidden from the program's user, who may have a libmicrohttpd of his
 * own.
 */
#ifndef DEBUG_MHD_H
#define DEBUG_MHD_H

#pragma GCC visibility push(hidden)
#include <microhttpd.h>
#pragma GCC visibility pop

#endif

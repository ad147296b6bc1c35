/*
 * document_tools: what other programs say of a document for an instance.
 */
#ifndef TEST_UNIT_DOCUMENT_TOOLS_H
#define TEST_UNIT_DOCUMENT_TOOLS_H

#include "cloudconfig/cloudconfig.h"

/* Skips the test, and says why, where a program is missing. */
void need_program(const char *name);

/* Fails the test unless `cloud-init schema` is content with the document. */
void schema_accepts(const struct cloudconfig *c, enum cloudconfig_flavor flavor);

/* Fails the test unless `systemd-analyze verify` has nothing to say of any
 * unit of the document.  `sed`: what to do to them before, to have the programs
 * there that they start; NULL: nothing. */
void units_verify(const struct cloudconfig *c, const char *sed);

#endif

/* A document with one of everything. */
#ifndef TEST_UNIT_CLOUDCONFIG_SAMPLE_H
#define TEST_UNIT_CLOUDCONFIG_SAMPLE_H

#include "cloudconfig/cloudconfig.h"

#define SAMPLE_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVk"
#define SAMPLE_BYTES 300

/* Bytes that are no text; gzip makes them shorter when `even`. */
void sample_bytes(unsigned char bytes[SAMPLE_BYTES], bool even);

struct cloudconfig *sample_new(void);

#endif

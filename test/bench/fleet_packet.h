/*
 * fleet_packet: what the fleet's two processes tell each other: a JSON object
 * a packet, perhaps with a descriptor.
 */
#ifndef TEST_BENCH_FLEET_PACKET_H
#define TEST_BENCH_FLEET_PACKET_H

#include "base/json.h"

/* fd: -1, or what goes along.  Blocks, as only a test's system may. */
void packet_send(int socket, const cJSON *json, int fd);

/* NULL when there is none now, or no more at all (*over); *fd: -1, or what came
 * along. */
cJSON *packet_receive(int socket, int *fd, bool *over);

/* A text, "" when there is none; the machine it is of, SIZE_MAX likewise. */
const char *packet_text(const cJSON *json, const char *name);
size_t packet_index(const cJSON *json);

void packet_add(cJSON *json, const char *name, const char *value);

#endif

/*
 * keeper_world_private: what keeper_world.c and keeper_ends.c share.
 */
#ifndef TEST_KEEPER_WORLD_PRIVATE_H
#define TEST_KEEPER_WORLD_PRIVATE_H

#include "keeper_world.h"

#define TIMEOUT_MS 30000

/* Starts a keeper; our ends of hold and status pipe. */
int world_spawn(const char *const *args, int *hold, int *status);
/* Calls a method, by its whole name. */
int world_ask_client(struct rpc_client *client, const char *method,
		     const char *arg, cJSON **reply, struct bigm_error *err);
/* A copy of a text in an object. */
char *world_member(const cJSON *json, const char *name);

#endif

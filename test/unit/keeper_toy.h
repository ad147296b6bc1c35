/*
 * keeper_toy: what the machines of a keeper_world serve, and how a test's program
 * is the keeper and the machines as well.
 *
 *	Toy.Say   "TEXT" → null: prints it
 *	Toy.Die   as Say, and then aborts
 *	Toy.Fork  true: out of the session → the process id of a child that stays
 *	Toy.Env   null → $TOY
 *
 * Its init fails with its parameter, if that is a text.
 */
#ifndef TEST_KEEPER_TOY_H
#define TEST_KEEPER_TOY_H

#include <stdbool.h>

/* An order of n machines with it. */
#define TOYS(n) "{\"n\":" #n ",\"program\":\"/proc/self/exe\"," \
		"\"services\":[{\"name\":\"Toy\"}]}"

/* First thing in main(): whether this process has another role, and that. */
bool toy_is_wanted(int argc, char **argv);
int toy_main(int argc, char **argv);

#endif

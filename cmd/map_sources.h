/*
 * map_sources: where the inputs of a map come from, as GNU parallel has it:
 * standard input, files (-a, "::::"), lists of words (":::"); of several, every
 * combination, the last changing fastest.
 */
#ifndef CMD_MAP_SOURCES_H
#define CMD_MAP_SOURCES_H

#include "cmd/options.h"
#include "map/input.h"

struct map_sources {
	struct option_list files; /* of -a; "-" is standard input */
	char **words;		  /* behind the command: ":::" WORD…, "::::"
				   * FILE…, again and again; NULL: none */
	char delimiter;		  /* of what files and standard input have */
};

/* The first of the command line's words that begins a source; NULL: none does. */
char **map_sources_find(char **argv);

/* One file is read as it is needed: then *fd is open; else it is -1.  Several, or
 * one with words beside it, are read now.  NULL with *err set. */
struct map_input *map_sources_open(const struct map_sources *sources, int *fd,
				   struct bigm_error *err);

#endif

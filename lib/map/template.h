/*
 * template: a command line with places for a job's inputs.
 *
 *	{}	the inputs, with spaces between them; an argument that is nothing
 *		else becomes one for each input
 *	{.}	the same without the extension of a file's name
 *	{/}	its last part		{//}	the folder that it is in
 *	{/.}	its last part without the extension
 *	{#}	the job's number
 *	{2}	the second input, {-1} the last; {2.}, {2/}, {2//}, {2/.} as above
 *
 * They mean what they mean for GNU parallel.  A command line without any gets
 * the inputs as its last arguments.  No shell is between it and the program:
 * an input is never more than part of one argument.
 */
#ifndef MAP_TEMPLATE_H
#define MAP_TEMPLATE_H

#include "base/buffer.h"

/* The longest command line of a job, in bytes. */
#define MAP_MOST_ARGV (512u << 10)

struct map_template;

/* argv is NULL-terminated, and copied. */
struct map_template *map_template_new(char *const *argv);
void map_template_free(struct map_template *template);

/* The highest N of any {N}; 0: there is none. */
unsigned map_template_inputs(const struct map_template *template);

/* It has some. */
bool map_template_has_places(const struct map_template *template);

/* The program's name is the same for all jobs. */
bool map_template_has_program(const struct map_template *template);

/* Appends the job's argv, a NUL behind each argument.  inputs is
 * NULL-terminated.  BIGM_EINVALID for an empty program's name, or more than
 * MAP_MOST_ARGV bytes. */
int map_template_expand(const struct map_template *template, uint64_t number,
			const char *const *inputs, struct buffer *argv,
			struct bigm_error *err);

#endif
